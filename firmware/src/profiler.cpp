#include "profiler.h"

#include <cstring>

#include "port/port.h"

namespace munas::profiler {
namespace {

uint64_t table[kMaxOperators];
uint64_t begun = 0;
uint64_t last = 0;

}  // namespace

void start() {
  memset(table, 0, sizeof(table));
  begun = last = port::now_cycles();
}

void mark(uint32_t operator_index) {
  const uint64_t now = port::now_cycles();
  if (operator_index < kMaxOperators) table[operator_index] += now - last;
  port::watchdog_kick();
  last = port::now_cycles();
}

uint64_t stop() { return port::now_cycles() - begun; }

const uint64_t* cycles() { return table; }

}  // namespace munas::profiler
