// The empty batch: an image of the aot engine without any model, for builds by hand.
#include "aot_models.h"

const munas_aot_model munas_aot_models[1] = {{0}};
const uint32_t munas_aot_model_count = 0;
