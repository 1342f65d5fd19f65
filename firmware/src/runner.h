// Prepares a model and times its inferences. Interrupts are masked in the measured window; input
// is put in place before it and output taken after it.
#pragma once

#include <cstddef>
#include <cstdint>

#include "engine.h"

#ifndef MUNAS_MAX_REPEATS
#if defined(STM32F1xx)
#define MUNAS_MAX_REPEATS 32
#else
#define MUNAS_MAX_REPEATS 256
#endif
#endif

namespace munas::runner {

using engine::Outcome;

constexpr size_t kMaxRepeats = MUNAS_MAX_REPEATS;

struct Result {
  uint16_t repeats;
  uint16_t profiled_operators;
  uint64_t empty_cycles;
  uint64_t profiled_cycles;
};

// Whatever was prepared, measured or put in is forgotten; it may stand on memory that changes.
void forget();

Outcome prepare(link::Slot slot, uint16_t index, uint32_t arena_limit, engine::ModelInfo* info);
bool prepared();
const engine::ModelInfo& info();

// Fills the input tensor when `offset` is the next one (or 0, to start anew).
Outcome set_input(uint32_t offset, const uint8_t* data, uint32_t bytes, uint32_t* next);

// `warmup` and `repeats` are at most kMaxRepeats each and not both 0.
Outcome run(uint16_t warmup, uint16_t repeats, bool per_operator, Result* result);
const Result& last();  // all 0 before the first run of a prepared model
const uint64_t* cycles();
const int8_t* output();

}  // namespace munas::runner
