// The example's board in the emulator: an STM32L4R5 with a polled LPUART1.
#include "machine.h"
#include "machine_cortex_m.h"

namespace machine {
namespace {

inline volatile uint32_t& reg(uint32_t address) {
  return *reinterpret_cast<volatile uint32_t*>(address);
}

constexpr uint32_t kLine = 0x40008000;

}  // namespace

const char munas_mcu[] = "STM32L4R5ZI";
const char board[] = "somebody's";

void init() {
  start_cycle_counter();
  reg(0x4002105C) = reg(0x4002105C) | 1;
  reg(kLine) = 1u << 3 | 1u << 2 | 1u;
}
uint32_t clock_hz() { return 120000000; }  // the emulator's, whatever the firmware sets
void unique_id(uint32_t words[3]) { words[0] = words[1] = words[2] = 0; }
void kick_watchdog() {}
void wait_for_bytes() {
  if (reg(kLine + 0x1C) & 1u << 5) byte_came(static_cast<uint8_t>(reg(kLine + 0x24)));
}

void write(const uint8_t* data, size_t bytes) {
  for (size_t i = 0; i < bytes; ++i) {
    while (!(reg(kLine + 0x1C) & 1u << 7)) {
    }
    reg(kLine + 0x28) = data[i];
  }
}

}  // namespace machine
