// What the firmware asks of a board. One port file per family implements it; nothing above this
// header knows a register. Functions are called from one thread only, `capture_fault` apart.
#pragma once

#include <cstddef>
#include <cstdint>

#include "messages.h"

namespace munas::port {

struct Region {
  uint8_t* data;  // 16-byte aligned, nullptr where the board has none
  uint32_t bytes;
  link::Region kind;
};

// Clocks, flash wait states, caches, cycle counter, serial line, watchdog. Every wait for hardware
// is bounded; where a clock does not start the port goes on with what runs and reports that.
void init();

uint32_t clock_hz();
link::ResetCause reset_cause();
uint32_t device_id();  // DBGMCU_IDCODE
void unique_id(uint32_t words[3]);
uint8_t cache_state();  // bits of link::Cache
uint8_t flash_wait_states();
// The chip that the image is for, by a name that the host finds in the ELF before it flashes.
extern "C" const char munas_mcu[];

// CPU cycles since init, extended to 64 bits: call at least once per wrap of the 32-bit counter.
uint64_t now_cycles();

// Waits for at least one byte and returns how many it put into `data`.
size_t uart_read(uint8_t* data, size_t capacity);
// Sends all of `data`; keeps what arrives meanwhile for the next uart_read.
void uart_write(const uint8_t* data, size_t bytes);
// Returns when the last bit has left.
void uart_flush();

// Masks interrupts for its lifetime.
class InterruptLock {
 public:
  InterruptLock();
  ~InterruptLock();
  InterruptLock(const InterruptLock&) = delete;
  InterruptLock& operator=(const InterruptLock&) = delete;

 private:
  [[maybe_unused]] uint32_t previous_;
};

// The watchdog bites at least 7 s after the last kick, and always before the 32-bit cycle counter
// has gone round: no inference is ever measured too short.
void watchdog_kick();
[[noreturn]] void reset();
[[noreturn]] void hang();        // until the watchdog bites
[[noreturn]] void hard_fault();  // on purpose
void overflow_stack();           // on purpose; returns where nothing catches it in the act

Region arena();
Region staging();    // input and output tensors
Region ram_slot();
Region flash_slot(); // data == nullptr where there is none; written only through flash_program

// Makes model bytes written by the core visible to every path that reads them (D-cache on M7).
void publish(const uint8_t* data, size_t bytes);

// Erases the whole flash slot. False when the hardware reports an error.
bool flash_erase();
// Programs within the erased slot. Address and size are multiples of kFlashUnit.
constexpr size_t kFlashUnit = 16;
bool flash_program(const uint8_t* address, const uint8_t* data, size_t bytes);

// The stack, lowest address first; it grows down to `low`. Where the chip can, an access below it is
// a fault.
struct Stack {
  uint32_t* low;
  uint32_t* high;
};
Stack stack();

}  // namespace munas::port
