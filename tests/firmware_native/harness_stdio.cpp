// Runs the firmware with its serial line on descriptors 0 and 1. A reset ends the process with 42.
#include <unistd.h>

#include <cstdlib>

#include "port_native.h"

namespace munas::native {

size_t read(uint8_t* data, size_t capacity) {
  const ssize_t count = ::read(0, data, capacity);
  if (count <= 0) std::exit(0);
  return static_cast<size_t>(count);
}

void write(const uint8_t* data, size_t bytes) {
  while (bytes > 0) {
    const ssize_t count = ::write(1, data, bytes);
    if (count <= 0) std::exit(1);
    data += count;
    bytes -= static_cast<size_t>(count);
  }
}

void reset() { std::exit(42); }

}  // namespace munas::native
