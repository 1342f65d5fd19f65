// The firmware's port on the machine that runs the tests: memories are arrays with red zones (the
// address sanitizer's), cycles count calls, flash behaves like flash.
#include <cstring>

#include "port/port.h"
#include "port_native.h"
#include "stack.h"

namespace munas::port {
namespace {

alignas(16) uint8_t arena_memory[16 * 1024];
alignas(16) uint8_t staging_memory[4 * 1024];
alignas(16) uint8_t ram_memory[8 * 1024];
alignas(16) uint8_t flash_memory[8 * 1024];
uint32_t stack_memory[64];
uint64_t cycles = 0;

}  // namespace

void init() {
  for (uint32_t& word : stack_memory) word = stack::kPaint;
  stack_memory[60] = 1;
}
uint32_t clock_hz() { return 1000000; }
link::ResetCause reset_cause() { return link::ResetCause::kPower; }
uint32_t device_id() { return 0x123; }
void unique_id(uint32_t words[3]) {
  for (uint32_t i = 0; i < 3; ++i) words[i] = i + 1;
}
uint8_t cache_state() { return 0; }
uint8_t flash_wait_states() { return 0; }
const char munas_mcu[] = "native";
uint64_t now_cycles() { return cycles += 10; }

size_t uart_read(uint8_t* data, size_t capacity) { return native::read(data, capacity); }
void uart_write(const uint8_t* data, size_t bytes) { native::write(data, bytes); }
void uart_flush() {}

InterruptLock::InterruptLock() : previous_(0) {}
InterruptLock::~InterruptLock() = default;

void watchdog_kick() {}
void reset() { native::reset(); }
void hang() { native::reset(); }
void hard_fault() { native::reset(); }
void overflow_stack() { stack_memory[3] = 1; }

Region arena() { return {arena_memory, sizeof(arena_memory), link::Region::kHost}; }
Region staging() { return {staging_memory, sizeof(staging_memory), link::Region::kHost}; }
Region ram_slot() { return {ram_memory, sizeof(ram_memory), link::Region::kHost}; }
Region flash_slot() { return {flash_memory, sizeof(flash_memory), link::Region::kFlash}; }
void publish(const uint8_t*, size_t) {}

bool flash_erase() {
  memset(flash_memory, 0xFF, sizeof(flash_memory));
  return true;
}

// Refuses what flash would: misaligned programming, and programming what is not erased.
bool flash_program(const uint8_t* address, const uint8_t* data, size_t bytes) {
  const size_t offset = static_cast<size_t>(address - flash_memory);
  if (offset % kFlashUnit != 0 || bytes % kFlashUnit != 0) return false;
  if (bytes > sizeof(flash_memory) || offset > sizeof(flash_memory) - bytes) return false;
  for (size_t i = 0; i < bytes; ++i)
    if (flash_memory[offset + i] != 0xFF) return false;
  memcpy(flash_memory + offset, data, bytes);
  return true;
}

Stack stack() { return {stack_memory, stack_memory + 64}; }

}  // namespace munas::port
