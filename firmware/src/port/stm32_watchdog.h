// The independent watchdog, alike on all STM32: its own clock of about 32 kHz, divided by 256,
// counts 4096 down. By the clock's tolerance (17..47 kHz on F4) it bites after 22 to 61 s.
#pragma once

#include "cortex_m/core.h"

namespace munas::port::watchdog {

#if defined(STM32H7xx)
constexpr uint32_t kBase = 0x58004800;
#else
constexpr uint32_t kBase = 0x40003000;
#endif
constexpr uint32_t kKey = kBase + 0x00, kPrescaler = kBase + 0x04;
constexpr uint32_t kReload = kBase + 0x08, kStatus = kBase + 0x0C;

inline void kick() { core::reg(kKey) = 0xAAAA; }

inline void start() {
  core::reg(kKey) = 0xCCCC;
  core::reg(kKey) = 0x5555;
  core::reg(kPrescaler) = 6;
  core::reg(kReload) = 0xFFF;
  core::wait_for(kStatus, 7, 0, 100000);
  kick();
}

}  // namespace munas::port::watchdog
