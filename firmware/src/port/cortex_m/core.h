// What every Cortex-M port shares: register access, the cycle counter, the way into a reset.
#pragma once

#include <cstdint>

namespace munas::port::core {

inline volatile uint32_t& reg(uint32_t address) {
  return *reinterpret_cast<volatile uint32_t*>(address);
}

// A read for its effect.
inline uint32_t touch(uint32_t address) { return reg(address); }

// Waits until (reg & mask) == value; gives up after `limit` looks. True when it came true.
inline bool wait_for(uint32_t address, uint32_t mask, uint32_t value, uint32_t limit = 1000000) {
  for (uint32_t i = 0; i < limit; ++i) {
    if ((reg(address) & mask) == value) return true;
  }
  return false;
}

constexpr uint32_t kVtor = 0xE000ED08;
constexpr uint32_t kAircr = 0xE000ED0C;
constexpr uint32_t kCcr = 0xE000ED14;
constexpr uint32_t kCfsr = 0xE000ED28;
constexpr uint32_t kHfsr = 0xE000ED2C;
constexpr uint32_t kMmfar = 0xE000ED34;
constexpr uint32_t kBfar = 0xE000ED38;
constexpr uint32_t kCpacr = 0xE000ED88;
constexpr uint32_t kMpuType = 0xE000ED90;
constexpr uint32_t kMpuCtrl = 0xE000ED94;
constexpr uint32_t kMpuRnr = 0xE000ED98;
constexpr uint32_t kMpuRbar = 0xE000ED9C;
constexpr uint32_t kMpuRasr = 0xE000EDA0;
constexpr uint32_t kDemcr = 0xE000EDFC;
constexpr uint32_t kDwtCtrl = 0xE0001000;
constexpr uint32_t kDwtCyccnt = 0xE0001004;
constexpr uint32_t kDwtLar = 0xE0001FB0;
constexpr uint32_t kDbgmcuIdcode = 0xE0042000;

// Starts CYCCNT; on an M7 the lock is opened first.
void start_cycle_counter();

// Makes every access to the kGuardBytes below `low` (a multiple of them) a fault, where the chip has
// an MPU. The Cortex-M3 of the F1 has none.
constexpr uint32_t kGuardBytes = 256;
void guard_stack(const uint32_t* low);

// Writes back what the D-cache holds, where there is one: RAM must be true before a reset.
void clean_data_cache();

}  // namespace munas::port::core
