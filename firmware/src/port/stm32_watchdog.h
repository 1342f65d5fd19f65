// The independent watchdog, alike on all STM32: its own clock of about 32 kHz, divided by 256,
// counts 4096 down. By that clock's tolerance, which the data sheets give per family, it is set to
// bite before the core's 32-bit cycle counter has gone round even where the clock is slowest.
#pragma once

#include "cortex_m/core.h"

namespace munas::port::watchdog {

#if defined(STM32H7xx)
constexpr uint32_t kBase = 0x58004800;
#else
constexpr uint32_t kBase = 0x40003000;
#endif
#if defined(STM32L4xx) || defined(MUNAS_MCU_STM32L4R5)
constexpr uint32_t kSlowestHz = 29500;
#elif defined(STM32H7xx)
constexpr uint32_t kSlowestHz = 29000;
#elif defined(STM32F1xx)
constexpr uint32_t kSlowestHz = 30000;
#else
constexpr uint32_t kSlowestHz = 17000;
#endif
constexpr uint32_t kKey = kBase + 0x00, kPrescaler = kBase + 0x04;
constexpr uint32_t kReload = kBase + 0x08, kStatus = kBase + 0x0C;

inline void kick() { core::reg(kKey) = 0xAAAA; }

inline void start(uint32_t core_hz) {
  const uint64_t ticks = (uint64_t{1} << 32) / 256 * kSlowestHz / core_hz;
  core::reg(kKey) = 0xCCCC;
  core::reg(kKey) = 0x5555;
  core::reg(kPrescaler) = 6;
  core::reg(kReload) = ticks < 0x1000 ? static_cast<uint32_t>(ticks) - 1 : 0xFFF;
  core::wait_for(kStatus, 7, 0, 100000);
  kick();
}

}  // namespace munas::port::watchdog
