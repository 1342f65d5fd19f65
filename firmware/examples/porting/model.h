// Stands for what your firmware has already: an inference of its own. It knows nothing of munas.
#pragma once

#include <cstddef>
#include <cstdint>

// `sha256sum model.tflite`: by it the host finds the model in the image.
#define OWN_MODEL_SHA256 "a938810c93499aa3d30edf0cceab0042da4833946e9fa0f160e04ab487b19bb6"

namespace own {

constexpr size_t kInputBytes = 16;
constexpr size_t kOutputBytes = 3;
constexpr size_t kOperators = 3;  // of model.tflite, in its order
constexpr size_t kActivationBytes = 10;

constexpr float kInputScale = 0.00389357f;
constexpr int32_t kInputZeroPoint = -128;
constexpr float kOutputScale = 0.00278492f;
constexpr int32_t kOutputZeroPoint = -128;

// One inference. `mark`, where there is one, is called with an operator's number as it has finished.
void infer(const int8_t* input, int8_t* output, void (*mark)(uint32_t));

}  // namespace own
