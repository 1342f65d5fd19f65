// Cycles per operator of one inference, 64 bits wide, in a table sized for the largest model.
#pragma once

#include <cstddef>
#include <cstdint>

#ifndef MUNAS_MAX_OPERATORS
#if defined(STM32F1xx)
#define MUNAS_MAX_OPERATORS 64
#else
#define MUNAS_MAX_OPERATORS 256
#endif
#endif

namespace munas::profiler {

constexpr size_t kMaxOperators = MUNAS_MAX_OPERATORS;

// From here until `stop`, mark(i) charges operator i with the cycles since the last mark.
void start();
void mark(uint32_t operator_index);
// Cycles of the whole window.
uint64_t stop();

const uint64_t* cycles();

}  // namespace munas::profiler
