// Your inference as an engine of munas: firmware/lib/engine/engine.h says what each function is.
#include "engine.h"
#include "model.h"

namespace munas::engine {
namespace {

const int8_t* input = nullptr;
int8_t* output = nullptr;

constexpr const char* kOperators[own::kOperators] = {"RESHAPE", "FULLY_CONNECTED",
                                                     "FULLY_CONNECTED"};
constexpr TensorInfo kInput{own::kInputBytes, 4, {1, 4, 4, 1}, own::kInputScale,
                            own::kInputZeroPoint};
constexpr TensorInfo kOutput{own::kOutputBytes, 2, {1, 3, 0, 0}, own::kOutputScale,
                             own::kOutputZeroPoint};

}  // namespace

const char* name() { return "own"; }  // any name but `tflm` and `aot`
const char* revision() { return "1.0"; }
const char* kernels() { return "by hand"; }

uint16_t image_models() { return 1; }
const char* image_model_name(uint16_t) { return "model.tflite"; }
const char* image_model_sha256(uint16_t) { return OWN_MODEL_SHA256; }

Outcome prepare(const ModelSource& source, Memory, ModelInfo* info) {
  if (source.slot != link::Slot::kImage)
    return failure(link::ErrorCode::kBadSlot, 0, "models are compiled in");
  if (source.index != 0)
    return failure(link::ErrorCode::kBadIndex, image_models(), "no such model in the image");
  *info = ModelInfo{own::kActivationBytes, 0, 0, own::kOperators, kInput, kOutput};
  return success();
}

const char* operator_name(uint16_t index) { return kOperators[index]; }

void bind(const int8_t* from, int8_t* to) {
  input = from;
  output = to;
}

bool can_profile() { return true; }

Outcome invoke(Mark mark) {
  own::infer(input, output, mark);
  return success();
}

void collect() {}  // infer writes to the bound output itself

}  // namespace munas::engine
