// Engine `tflm`: TensorFlow Lite Micro with the CMSIS-NN kernels; models are loaded over the link.
#if defined(MUNAS_ENGINE_TFLM)

#include <cstring>
#include <new>

#include "engine.h"
#include "tensorflow/lite/micro/memory_planner/greedy_memory_planner.h"
#include "tensorflow/lite/micro/micro_allocator.h"
#include "tensorflow/lite/micro/micro_interpreter.h"
#include "tensorflow/lite/micro/micro_mutable_op_resolver.h"
#include "tensorflow/lite/micro/micro_profiler_interface.h"
#include "tensorflow/lite/micro/system_setup.h"
#include "tflm_arena.h"
#include "tflm_check.h"
#include "tflm_guard.h"
#include "tflm_log.h"

#ifndef MUNAS_ENGINE_REVISION
#define MUNAS_ENGINE_REVISION "unknown"
#endif
#ifndef MUNAS_KERNELS
#define MUNAS_KERNELS "cmsis-nn"
#endif

namespace munas::engine {
namespace {

using link::ErrorCode;

// Counts operators off as they end. The interpreter calls it on every run; without a mark it does
// nothing.
class OperatorCounter final : public tflite::MicroProfilerInterface {
 public:
  uint32_t BeginEvent(const char*) override { return 0; }
  void EndEvent(uint32_t) override {
    if (mark_ != nullptr) mark_(next_++);
  }
  void begin_run(Mark mark) {
    mark_ = mark;
    next_ = 0;
  }

 private:
  Mark mark_ = nullptr;
  uint32_t next_ = 0;
};

constexpr unsigned kOperatorKinds = 17;
using Resolver = tflite::MicroMutableOpResolver<kOperatorKinds>;

// Built in place and never destroyed: a prepared model may stand on memory that has changed since,
// which a destructor would walk over.
template <class T>
struct Place {
  alignas(T) uint8_t bytes[sizeof(T)];
  T* get() { return reinterpret_cast<T*>(bytes); }
};

Place<Resolver> resolver_place;
Place<tflite::MicroInterpreter> interpreter_place;
OperatorCounter counter;
Resolver* resolver = nullptr;
tflite::MicroInterpreter* interpreter = nullptr;
const tflite::Model* model = nullptr;
Memory arena_memory{};
Arena* arena = nullptr;
const int8_t* bound_input = nullptr;
int8_t* bound_output = nullptr;
TfLiteTensor* input_tensor = nullptr;
TfLiteTensor* output_tensor = nullptr;

const Resolver& operators() {
  if (resolver != nullptr) return *resolver;
  tflite::InitializeTarget();
  resolver = new (resolver_place.bytes) Resolver();
  resolver->AddConv2D();
  resolver->AddDepthwiseConv2D();
  resolver->AddFullyConnected();
  resolver->AddAdd();
  resolver->AddMul();
  resolver->AddPad();
  resolver->AddMaxPool2D();
  resolver->AddAveragePool2D();
  resolver->AddMean();
  resolver->AddReshape();
  resolver->AddSoftmax();
  resolver->AddQuantize();
  resolver->AddDequantize();
  resolver->AddConcatenation();
  resolver->AddRelu();
  resolver->AddRelu6();
  resolver->AddLogistic();
  return *resolver;
}

TensorInfo tensor_info(const TfLiteTensor& tensor) {
  TensorInfo info{static_cast<uint32_t>(tensor.bytes), static_cast<uint8_t>(tensor.dims->size), {},
                  tensor.params.scale, tensor.params.zero_point};
  for (int i = 0; i < tensor.dims->size && i < 4; ++i)
    info.dims[i] = static_cast<uint16_t>(tensor.dims->data[i]);
  return info;
}

const char* complaint(const char* otherwise) {
  return tflm_log::last()[0] != '\0' ? tflm_log::last() : otherwise;
}

// As MicroAllocator::Create does, but with the arena's own allocator.
Outcome build_interpreter() {
  arena = Arena::create(arena_memory);
  uint8_t* place = arena->AllocatePersistentBuffer(sizeof(tflite::GreedyMemoryPlanner),
                                                   alignof(tflite::GreedyMemoryPlanner));
  auto* planner = new (place) tflite::GreedyMemoryPlanner();
  tflite::MicroAllocator* allocator = tflite::MicroAllocator::Create(arena, planner);
  interpreter = new (interpreter_place.bytes)
      tflite::MicroInterpreter(model, operators(), allocator, nullptr, &counter);
  if (interpreter->AllocateTensors() == kTfLiteOk) return success();
  // What the planner lacks it says in words only.
  return strstr(tflm_log::last(), "Too many buffers") != nullptr
             ? failure(ErrorCode::kArenaTooSmall, arena_memory.bytes, tflm_log::last())
             : failure(ErrorCode::kBadModel, 0, complaint("the interpreter refuses it"));
}

}  // namespace

const char* name() { return "tflm"; }
const char* revision() { return MUNAS_ENGINE_REVISION; }
const char* kernels() { return MUNAS_KERNELS; }

uint16_t image_models() { return 0; }
const char* image_model_name(uint16_t) { return ""; }
const char* image_model_sha256(uint16_t) { return ""; }

Outcome prepare(const ModelSource& source, Memory memory, ModelInfo* info) {
  if (source.slot == link::Slot::kImage)
    return failure(ErrorCode::kBadSlot, 0, "engine tflm takes only loaded models");
  const Outcome checked = check_tflite(source.data, source.bytes, operators(), &model);
  if (!checked.ok) return checked;
  tflm_log::clear();
  counter.begin_run(nullptr);
  arena_memory = memory;
  const Outcome built = guarded(build_interpreter);
  if (!built.ok) return built;
  input_tensor = interpreter->input(0);
  output_tensor = interpreter->output(0);
  if (input_tensor->data.raw == nullptr || output_tensor->data.raw == nullptr)
    return failure(ErrorCode::kBadModel, 0, "no operator uses its input or output");
  *info = ModelInfo{static_cast<uint32_t>(interpreter->arena_used_bytes()),
                    static_cast<uint32_t>(arena->GetNonPersistentUsedBytes()),
                    static_cast<uint32_t>(arena->GetPersistentUsedBytes()),
                    static_cast<uint16_t>(model->subgraphs()->Get(0)->operators()->size()),
                    tensor_info(*input_tensor), tensor_info(*output_tensor)};
  return success();
}

const char* operator_name(uint16_t index) {
  const tflite::Operator* op = model->subgraphs()->Get(0)->operators()->Get(index);
  const tflite::OperatorCode* code = model->operator_codes()->Get(op->opcode_index());
  const auto old = static_cast<int>(code->deprecated_builtin_code());
  return tflite::EnumNameBuiltinOperator(old > static_cast<int>(code->builtin_code())
                                             ? static_cast<tflite::BuiltinOperator>(old)
                                             : code->builtin_code());
}

// The input tensor's memory is used again by later operators, so it is filled for every run.
void bind(const int8_t* input, int8_t* output) {
  bound_input = input;
  bound_output = output;
  memcpy(input_tensor->data.raw, bound_input, input_tensor->bytes);
}

bool can_profile() { return true; }

Outcome invoke(Mark mark) {
  counter.begin_run(mark);
  if (interpreter->Invoke() != kTfLiteOk)
    return failure(ErrorCode::kInvokeFailed, 0, complaint("inference failed"));
  return success();
}

void collect() { memcpy(bound_output, output_tensor->data.raw, output_tensor->bytes); }

}  // namespace munas::engine

#endif
