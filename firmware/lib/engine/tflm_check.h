// Looks over the bytes of a model before TensorFlow Lite Micro trusts them: a well-formed
// flatbuffer, indices within bounds, one int8 input and one int8 output.
#pragma once

#include "engine.h"
#include "tensorflow/lite/micro/micro_op_resolver.h"
#include "tensorflow/lite/schema/schema_generated.h"

namespace munas::engine {

// On success *model is the model in `data`.
Outcome check_tflite(const uint8_t* data, uint32_t bytes, const tflite::MicroOpResolver& resolver,
                     const tflite::Model** model);

}  // namespace munas::engine
