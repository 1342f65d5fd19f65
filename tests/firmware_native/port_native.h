// What the native port asks of the harness around it: where bytes come from and go to, and what a
// reset is.
#pragma once

#include <cstddef>
#include <cstdint>

namespace munas::native {

size_t read(uint8_t* data, size_t capacity);
void write(const uint8_t* data, size_t bytes);
[[noreturn]] void reset();

}  // namespace munas::native
