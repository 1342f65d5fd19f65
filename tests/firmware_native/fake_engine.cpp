// An engine whose models are 16 bytes: "FAKE", then u16 input bytes, output bytes, operators,
// arena units of 16 bytes, and u32 failure code of invoke. The output is the input backwards.
#include <cstring>

#include "engine.h"

namespace munas::engine {
namespace {

struct Model {
  char magic[4];
  uint16_t input;
  uint16_t output;
  uint16_t operators;
  uint16_t arena_units;
  uint32_t fails;
};
static_assert(sizeof(Model) == 16);

Model model;
Memory arena_given{};
const int8_t* in = nullptr;
int8_t* out = nullptr;

TensorInfo tensor(uint16_t bytes) { return {bytes, 2, {1, bytes, 0, 0}, 0.5f, -1}; }

}  // namespace

const char* name() { return "fake"; }
const char* revision() { return "1"; }
const char* kernels() { return "none"; }
uint16_t image_models() { return 2; }
const char* image_model_name(uint16_t index) { return index == 0 ? "first" : "second"; }
const char* image_model_sha256(uint16_t) { return "abc"; }

Outcome prepare(const ModelSource& source, Memory arena, ModelInfo* info) {
  if (source.slot == link::Slot::kImage) {
    if (source.index >= 2) return failure(link::ErrorCode::kBadIndex, 2, "no such model");
    model = Model{{'F', 'A', 'K', 'E'}, 4, 4, 1, 1, 0};
  } else {
    if (source.bytes < sizeof(Model) || memcmp(source.data, "FAKE", 4) != 0)
      return failure(link::ErrorCode::kBadModel, source.bytes, "not a fake model");
    memcpy(&model, source.data, sizeof(model));
  }
  const uint32_t used = model.arena_units * 16u;
  if (used > arena.bytes) return failure(link::ErrorCode::kArenaTooSmall, used, "arena too small");
  arena_given = arena;
  *info = ModelInfo{used, used, 0, model.operators, tensor(model.input), tensor(model.output)};
  return success();
}

const char* operator_name(uint16_t index) { return index % 2 == 0 ? "EVEN" : "ODD"; }

void bind(const int8_t* input, int8_t* output) {
  in = input;
  out = output;
}

bool can_profile() { return true; }

Outcome invoke(Mark mark) {
  memset(arena_given.data, 0xEE, model.arena_units * 16u);
  if (model.fails != 0) return failure(link::ErrorCode::kInvokeFailed, model.fails, "told to fail");
  if (mark != nullptr)
    for (uint32_t i = 0; i < model.operators; ++i) mark(i);
  return success();
}

void collect() {
  for (uint32_t i = 0; i < model.output; ++i)
    out[i] = model.input > i ? in[model.input - 1 - i] : 0;
}

}  // namespace munas::engine
