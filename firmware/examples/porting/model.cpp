// model.tflite (RESHAPE and two dense layers) with kernels and weights written out by hand.
#include "model.h"

namespace own {
namespace {

constexpr int8_t kWeights1[10 * 16] = {
    0, 25, -93, -77, 6, 38, 10, 33, -22, -1, -15, 35, 5, -43, 55, -35, 15, 18, -12, -24, 3, -61,
    -23, -101, -15, 34, -45, 26, -30, 39, -27, -16, -14, 5, -64, -49, -62, 4, 6, -23, 18, -17, 8,
    -52, -6, 7, -3, -28, -45, -47, 14, -41, 4, 29, -60, -5, -6, 53, 113, -4, -101, -78, -40, 0,
    -23, -1, 8, 54, 69, -10, -29, 63, -10, 0, -42, 2, -57, 63, -32, -19, -50, 35, -9, -41, -78,
    34, -10, 35, -56, 29, -31, -53, 18, 73, -64, -15, 3, -68, -127, -2, 43, -3, 45, -17, -1, -65,
    10, 13, -107, -3, 63, -70, 68, -23, -27, 45, 6, 34, 58, -19, -22, 17, 25, -43, 43, -14, -8,
    -41, -25, -96, -2, -29, -32, 73, -67, -13, 59, -85, -9, 49, -88, -8, 49, 83, -31, -65, 6, -6,
    101, -34, -40, 77, 33, -103, -10, 10, 38, -49, 1, -34};
constexpr int32_t kBias1[10] = {-3197, 1063, -2504, -2138, 2477, -2667, 1632, -3552, -2099, 2575};
constexpr int8_t kWeights2[3 * 10] = {
    -93, -43, -37, -25, 99, -47, 81, 66, -38, 72, -102, 24, -43, -13, 57, -116, -12, 70, 127, 41,
    112, -3, 53, 2, 32, 80, 45, 77, -105, 73};
constexpr int32_t kBias2[3] = {6587, -6010, 1637};

// The real number that a layer's sums are multiplied by: multiplier / 2^31 * 2^-shift.
struct Scale {
  int32_t multiplier;
  int32_t shift;
};
constexpr Scale kScale1{1360974065, 6};
constexpr Scale kScale2{1450589813, 7};

int8_t activation[kActivationBytes];

// Rounds twice, as TensorFlow Lite Micro does: the outputs must agree to the last bit.
int32_t rescale(int32_t sum, const Scale& scale) {
  const int64_t product = int64_t{sum} * scale.multiplier;
  const int64_t nudge = product >= 0 ? int64_t{1} << 30 : 1 - (int64_t{1} << 30);
  const int32_t high = static_cast<int32_t>((product + nudge) / (int64_t{1} << 31));
  const int32_t mask = (1 << scale.shift) - 1;
  const int32_t rest = high & mask;
  const int32_t threshold = (mask >> 1) + (high < 0 ? 1 : 0);
  return (high >> scale.shift) + (rest > threshold ? 1 : 0);
}

// Zero points are -128 throughout, so the activation RELU is the clamp to int8 itself.
void dense(const int8_t* in, size_t inputs, int8_t* out, size_t outputs, const int8_t* weights,
           const int32_t* bias, const Scale& scale) {
  for (size_t o = 0; o < outputs; ++o) {
    int32_t sum = bias[o];
    for (size_t i = 0; i < inputs; ++i) sum += (in[i] + 128) * weights[o * inputs + i];
    const int32_t value = rescale(sum, scale) - 128;
    out[o] = static_cast<int8_t>(value < -128 ? -128 : value > 127 ? 127 : value);
  }
}

}  // namespace

void infer(const int8_t* input, int8_t* output, void (*mark)(uint32_t)) {
  // RESHAPE only renames the input.
  if (mark != nullptr) mark(0);
  dense(input, kInputBytes, activation, kActivationBytes, kWeights1, kBias1, kScale1);
  if (mark != nullptr) mark(1);
  dense(activation, kActivationBytes, output, kOutputBytes, kWeights2, kBias2, kScale2);
  if (mark != nullptr) mark(2);
}

}  // namespace own
