// The one interface behind which an inference engine stands. Exactly one engine is linked into an
// image: define MUNAS_ENGINE_AOT or MUNAS_ENGINE_TFLM. Engines use no heap, hold one prepared model
// at a time and know neither the link nor the board.
#pragma once

#include <cstddef>
#include <cstdint>

#include "messages.h"

namespace munas::engine {

struct Outcome {
  bool ok;
  link::ErrorCode code;  // meaningless when ok
  uint32_t detail;       // a number that goes with the code
  const char* text;      // static or valid until the next call; never nullptr
};

constexpr Outcome success() { return {true, link::ErrorCode{}, 0, ""}; }
constexpr Outcome failure(link::ErrorCode code, uint32_t detail, const char* text) {
  return {false, code, detail, text};
}

struct TensorInfo {
  uint32_t bytes;
  uint8_t rank;
  uint16_t dims[4];
  float scale;
  int32_t zero_point;
};

struct ModelInfo {
  uint32_t arena_used;
  uint32_t arena_head;  // 0 where the engine knows no head and tail
  uint32_t arena_tail;
  uint16_t operators;
  TensorInfo input;
  TensorInfo output;
};

struct Memory {
  uint8_t* data;  // 16-byte aligned
  uint32_t bytes;
};

// A model's bytes, or its number in the image.
struct ModelSource {
  link::Slot slot;
  const uint8_t* data;
  uint32_t bytes;
  uint16_t index;
};

const char* name();
const char* revision();
const char* kernels();

// Models compiled into the image; name and SHA-256 of each .tflite.
uint16_t image_models();
const char* image_model_name(uint16_t index);
const char* image_model_sha256(uint16_t index);

// Gets a model ready in `arena`, forgetting the last one. Bytes of a loaded model are verified
// first. On failure nothing is prepared.
Outcome prepare(const ModelSource& source, Memory arena, ModelInfo* info);

// Name of operator `index` of the prepared model.
const char* operator_name(uint16_t index);

// Puts an input where the next invoke finds it; `input` and `output` stay the caller's and must
// live until that invoke has returned. Not part of a measurement.
void bind(const int8_t* input, int8_t* output);

// Called with an operator's number when it has finished. nullptr: no profiling.
using Mark = void (*)(uint32_t operator_index);

// True when invoke can call a mark for the prepared model.
bool can_profile();

// One inference: what is measured.
Outcome invoke(Mark mark);

// Copies the result to the bound output where the engine did not write it there itself.
void collect();

}  // namespace munas::engine
