// The machine is a Cortex-M: cycle counter, interrupts, reset, and a ring for the bytes that come.
#include "machine_cortex_m.h"

#include "machine.h"

namespace machine {
namespace {

inline volatile uint32_t& reg(uint32_t address) {
  return *reinterpret_cast<volatile uint32_t*>(address);
}

constexpr uint32_t kRing = 1024;
volatile uint8_t ring[kRing];
volatile uint32_t ring_in = 0;   // moved by the interrupt alone
volatile uint32_t ring_out = 0;  // moved by read alone

#if defined(__ARM_ARCH_6M__) || defined(__ARM_ARCH_8M_BASE__)
uint32_t counter() { return timer_count(); }
#else
uint32_t counter() { return reg(0xE0001004); }  // DWT CYCCNT
#endif

}  // namespace

void start_cycle_counter() {
#if !defined(__ARM_ARCH_6M__) && !defined(__ARM_ARCH_8M_BASE__)
  reg(0xE000EDFC) = reg(0xE000EDFC) | 1u << 24;  // DEMCR: TRCENA
  reg(0xE0001FB0) = 0xC5ACCE55;                  // DWT LAR: an M7 has a lock
  reg(0xE0001000) = reg(0xE0001000) | 1u;        // DWT CTRL: CYCCNTENA
#endif
}

// 64 bits out of 32: right as long as it is called once a round, which takes 25 s at 168 MHz.
uint64_t cycles() {
  static uint32_t last = 0;
  static uint32_t rounds = 0;
  const uint32_t now = counter();
  if (now < last) ++rounds;
  last = now;
  return uint64_t{rounds} << 32 | now;
}

uint32_t lock_interrupts() {
  uint32_t before;
  asm volatile("mrs %0, primask\n cpsid i" : "=r"(before)::"memory");
  return before;
}
void unlock_interrupts(uint32_t before) { asm volatile("msr primask, %0" ::"r"(before) : "memory"); }

void restart() {
  reg(0xE000ED0C) = 0x05FA0004;  // SCB AIRCR: SYSRESETREQ
  for (;;) asm volatile("nop");
}

void byte_came(uint8_t byte) {
  if (ring_in - ring_out == kRing) return;  // full: the host sends the frame again
  ring[ring_in % kRing] = byte;
  ring_in = ring_in + 1;
}

size_t read(uint8_t* data, size_t capacity) {
  while (ring_in == ring_out) wait_for_bytes();
  size_t count = 0;
  for (; count < capacity && ring_in != ring_out; ++count) {
    data[count] = ring[ring_out % kRing];
    ring_out = ring_out + 1;
  }
  return count;
}

}  // namespace machine
