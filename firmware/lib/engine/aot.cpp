// Engine `aot`: models compiled to C and linked into the image, chosen by index.
#if defined(MUNAS_ENGINE_AOT)

#include "aot_models.h"
#include "engine.h"

namespace munas::engine {
namespace {

const munas_aot_model* model = nullptr;
uint8_t* arena_data = nullptr;
const int8_t* bound_input = nullptr;
int8_t* bound_output = nullptr;
Mark active_mark = nullptr;

TensorInfo tensor_info(const munas_aot_tensor& tensor) {
  TensorInfo info{tensor.bytes, tensor.rank, {}, tensor.scale, tensor.zero_point};
  for (int i = 0; i < 4; ++i) info.dims[i] = tensor.dims[i];
  return info;
}

}  // namespace

const char* name() { return "aot"; }

const char* revision() {
  return munas_aot_model_count > 0 ? munas_aot_models[0].engine_revision : "no models";
}

const char* kernels() {
#if defined(MUNAS_KERNELS)
  return MUNAS_KERNELS;
#else
  return "cmsis-nn";
#endif
}

uint16_t image_models() { return static_cast<uint16_t>(munas_aot_model_count); }
const char* image_model_name(uint16_t index) { return munas_aot_models[index].name; }
const char* image_model_sha256(uint16_t index) { return munas_aot_models[index].sha256; }

Outcome prepare(const ModelSource& source, Memory arena, ModelInfo* info) {
  model = nullptr;
  if (source.slot != link::Slot::kImage)
    return failure(link::ErrorCode::kBadSlot, 0, "engine aot takes only models of the image");
  if (source.index >= munas_aot_model_count)
    return failure(link::ErrorCode::kBadIndex, munas_aot_model_count, "no such model in the image");
  const munas_aot_model& chosen = munas_aot_models[source.index];
  if (chosen.arena_alignment > 16)
    return failure(link::ErrorCode::kBadModel, chosen.arena_alignment, "arena alignment over 16");
  if (chosen.arena_bytes > arena.bytes)
    return failure(link::ErrorCode::kArenaTooSmall, chosen.arena_bytes, "arena too small");
  arena_data = chosen.arena_bytes > 0 ? arena.data : nullptr;
  *info = ModelInfo{chosen.arena_bytes,     0, 0, chosen.operator_count, tensor_info(chosen.input),
                    tensor_info(chosen.output)};
  model = &chosen;
  return success();
}

const char* operator_name(uint16_t index) { return model->operators[index]; }

void bind(const int8_t* input, int8_t* output) {
  bound_input = input;
  bound_output = output;
}

bool can_profile() { return model->infer_marked != nullptr; }

Outcome invoke(Mark mark) {
  active_mark = mark;
  const auto run = mark != nullptr ? model->infer_marked : model->infer;
  const int code = run(arena_data, bound_input, bound_output);
  if (code != 0)
    return failure(link::ErrorCode::kInvokeFailed, static_cast<uint32_t>(code), "inference failed");
  return success();
}

void collect() {}

}  // namespace munas::engine

extern "C" void munas_aot_mark(uint32_t operator_index) {
  if (munas::engine::active_mark != nullptr) munas::engine::active_mark(operator_index);
}

#endif
