#include "runner.h"

#include <cstring>

#include "port/port.h"
#include "profiler.h"
#include "slots.h"

namespace munas::runner {
namespace {

using link::ErrorCode;
using link::Slot;

bool is_prepared = false;
engine::ModelInfo model{};
uint32_t input_next = 0;
int8_t* input_tensor = nullptr;
int8_t* output_tensor = nullptr;
uint64_t samples[kMaxRepeats];
Result result{};

uint32_t aligned(uint32_t bytes) { return (bytes + 15u) & ~15u; }

__attribute__((noinline)) Outcome empty(engine::Mark) {
  asm volatile("" ::: "memory");
  return engine::success();
}

// One measured call, the same code for an inference and for nothing: the compiler must not see
// which, or it would make two of it.
__attribute__((noinline)) Outcome timed(Outcome (*call)(engine::Mark), uint64_t* cycles) {
  asm volatile("" : "+r"(call));
  const port::InterruptLock lock;
  const uint64_t begun = port::now_cycles();
  const Outcome outcome = call(nullptr);
  *cycles = port::now_cycles() - begun;
  return outcome;
}

Outcome place_tensors() {
  const port::Region staging = port::staging();
  const uint32_t input = aligned(model.input.bytes);
  if (input > staging.bytes || model.output.bytes > staging.bytes - input)
    return engine::failure(ErrorCode::kDoesNotFit, staging.bytes,
                           "input and output do not fit the staging memory");
  input_tensor = reinterpret_cast<int8_t*>(staging.data);
  output_tensor = reinterpret_cast<int8_t*>(staging.data + input);
  memset(output_tensor, 0, model.output.bytes);
  return engine::success();
}

Outcome profile() {
  engine::bind(input_tensor, output_tensor);
  const port::InterruptLock lock;
  profiler::start();
  const Outcome outcome = engine::invoke(profiler::mark);
  result.profiled_cycles = profiler::stop();
  if (outcome.ok) result.profiled_operators = model.operators;
  return outcome;
}

}  // namespace

void forget() {
  is_prepared = false;
  input_next = 0;
  result = Result{};
}

Outcome prepare(Slot slot, uint16_t index, uint32_t arena_limit, engine::ModelInfo* out) {
  forget();
  engine::ModelSource source{slot, nullptr, 0, index};
  if (slot != Slot::kImage) {
    const engine::Memory bytes = slots::model(slot);
    if (bytes.data == nullptr)
      return engine::failure(ErrorCode::kNotLoaded, static_cast<uint32_t>(slot),
                             "no model is loaded there");
    source.data = bytes.data;
    source.bytes = bytes.bytes;
  }
  const port::Region arena = port::arena();
  const uint32_t room = arena_limit == 0 ? arena.bytes : arena_limit;
  if (room > arena.bytes)
    return engine::failure(ErrorCode::kBadValue, arena.bytes, "the arena is smaller than that");
  Outcome outcome = engine::prepare(source, {arena.data, room}, &model);
  if (!outcome.ok) return outcome;
  if (model.operators > profiler::kMaxOperators)
    return engine::failure(ErrorCode::kTooManyOperators, profiler::kMaxOperators,
                           "more operators than can be timed");
  outcome = place_tensors();
  if (!outcome.ok) return outcome;
  is_prepared = true;
  *out = model;
  return outcome;
}

bool prepared() { return is_prepared; }
const engine::ModelInfo& info() { return model; }

Outcome set_input(uint32_t offset, const uint8_t* data, uint32_t bytes, uint32_t* next) {
  if (!is_prepared) return engine::failure(ErrorCode::kNotPrepared, 0, "PREPARE comes first");
  if (offset == 0) input_next = 0;
  if (offset == input_next) {
    if (bytes > model.input.bytes - input_next)
      return engine::failure(ErrorCode::kBadLength, model.input.bytes, "input tensor is smaller");
    memcpy(input_tensor + offset, data, bytes);
    input_next += bytes;
  }
  *next = input_next;
  return engine::success();
}

Outcome run(uint16_t warmup, uint16_t repeats, bool per_operator, Result* out) {
  result = Result{};
  if (!is_prepared) return engine::failure(ErrorCode::kNotPrepared, 0, "PREPARE comes first");
  if (input_next != model.input.bytes)
    return engine::failure(ErrorCode::kNoInput, input_next, "INPUT comes first");
  if (repeats > kMaxRepeats || warmup > kMaxRepeats)
    return engine::failure(ErrorCode::kBadValue, kMaxRepeats, "too many repeats at once");
  if (warmup + repeats == 0)
    return engine::failure(ErrorCode::kBadValue, 0, "no inference is asked for");
  Outcome outcome = timed(empty, &result.empty_cycles);
  uint64_t unused = 0;
  for (uint32_t i = 0; i < uint32_t{warmup} + repeats && outcome.ok; ++i) {
    port::watchdog_kick();
    engine::bind(input_tensor, output_tensor);
    outcome = timed(engine::invoke, i < warmup ? &unused : &samples[i - warmup]);
  }
  if (outcome.ok && per_operator && engine::can_profile()) outcome = profile();
  if (!outcome.ok) {
    result = Result{};
    return outcome;
  }
  engine::collect();
  result.repeats = repeats;
  *out = result;
  return outcome;
}

const Result& last() { return result; }
const uint64_t* cycles() { return samples; }
const int8_t* output() { return output_tensor; }

}  // namespace munas::runner
