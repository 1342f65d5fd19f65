// How deep the stack has ever been. Start-up paints it; the deepest change of paint tells.
#pragma once

#include <cstdint>

#include "port/port.h"

namespace munas::stack {

constexpr uint32_t kPaint = 0xC5C5C5C5u;

inline uint32_t total_bytes() {
  const port::Stack region = port::stack();
  return static_cast<uint32_t>((region.high - region.low) * sizeof(uint32_t));
}

inline uint32_t used_bytes() {
  const port::Stack region = port::stack();
  const uint32_t* word = region.low;
  while (word < region.high && *word == kPaint) ++word;
  return static_cast<uint32_t>((region.high - word) * sizeof(uint32_t));
}

}  // namespace munas::stack
