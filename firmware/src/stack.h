// How deep the stack has ever been, and whether it was deep enough. Start-up paints it; the deepest
// change of paint tells.
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

// False once the lowest words were used: what lies below may have been written to as well.
inline bool intact() {
  const uint32_t* low = port::stack().low;
  return low[0] == kPaint && low[1] == kPaint && low[2] == kPaint && low[3] == kPaint;
}

}  // namespace munas::stack
