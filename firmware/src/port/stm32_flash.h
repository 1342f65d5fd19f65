// Erasing and programming the flash slot: the controller of F4 and F7 (sectors) and that of L4+
// (pages). Every wait is bounded; the core may stand still meanwhile. RM0090, RM0385, RM0432.
#pragma once

#include <cstring>

#include "cortex_m/core.h"
#include "port.h"

namespace munas::port::flash {

using core::reg;
using core::wait_for;

#if defined(STM32L4xx) || defined(MUNAS_MCU_STM32L4R5)
constexpr uint32_t kBase = 0x40022000;
constexpr uint32_t kKeyr = kBase + 0x08, kSr = kBase + 0x10, kCr = kBase + 0x14;
constexpr uint32_t kOptr = kBase + 0x20;
constexpr uint32_t kErrors = 0xC3FA;
#else
constexpr uint32_t kBase = 0x40023C00;
constexpr uint32_t kKeyr = kBase + 0x04, kSr = kBase + 0x0C, kCr = kBase + 0x10;
constexpr uint32_t kErrors = 0xF2;
constexpr uint32_t kWordParallel = 2u << 8;
#endif
constexpr uint32_t kAcr = kBase + 0x00;
constexpr uint32_t kBusy = 1u << 16, kStart = 1u << 16, kLock = 1u << 31;
// A large sector may take 4 s to erase.
constexpr uint32_t kLooks = 400000000;

inline bool ready() {
  if (!wait_for(kSr, kBusy, 0, kLooks)) return false;
  return (reg(kSr) & kErrors) == 0;
}

inline bool unlock() {
  if (!wait_for(kSr, kBusy, 0, kLooks)) return false;
  reg(kSr) = kErrors;
  if (reg(kCr) & kLock) {
    reg(kKeyr) = 0x45670123;
    reg(kKeyr) = 0xCDEF89AB;
  }
  return (reg(kCr) & kLock) == 0;
}

// The flash's own data cache does not see what is written: it is emptied. (An M7's ART holds
// instructions only; its L1 cache is the caller's to look after.)
inline void lock() {
  reg(kCr) = kLock;
#if !defined(MUNAS_CORTEX_M7)
  const uint32_t acr = reg(kAcr);
  reg(kAcr) = acr & ~(1u << 10);
  reg(kAcr) = (acr & ~(1u << 10)) | (1u << 12);
  reg(kAcr) = acr;
#endif
}

#if defined(STM32L4xx) || defined(MUNAS_MCU_STM32L4R5)

inline bool erase_page(uint32_t address) {
  const bool dual_bank = (reg(kOptr) & (1u << 22)) != 0;
  const uint32_t offset = address - 0x08000000;
  const uint32_t second = dual_bank && offset >= 0x100000 ? 1 : 0;
  const uint32_t page = dual_bank ? (offset & 0xFFFFF) / 0x1000 : offset / 0x2000;
  reg(kCr) = (1u << 1) | (page << 3) | (second << 11);
  reg(kCr) = (1u << 1) | (page << 3) | (second << 11) | kStart;
  return ready();
}

inline bool erase_pages(uint32_t begin, uint32_t end) {
  bool done = unlock();
  for (uint32_t page = begin; done && page < end; page += 0x1000) {
    watchdog_kick();
    done = erase_page(page);
  }
  lock();
  return done;
}

constexpr size_t kWordsAtOnce = 2;
constexpr uint32_t kProgram = 1u;

#else

inline bool erase_sectors(uint32_t first, uint32_t last) {
  bool done = unlock();
  for (uint32_t sector = first; done && sector <= last; ++sector) {
    watchdog_kick();
    reg(kCr) = (1u << 1) | (sector << 3) | kWordParallel;
    reg(kCr) = (1u << 1) | (sector << 3) | kWordParallel | kStart;
    done = ready();
  }
  lock();
  return done;
}

constexpr size_t kWordsAtOnce = 1;
constexpr uint32_t kProgram = 1u | kWordParallel;

#endif

inline bool program(const uint8_t* address, const uint8_t* data, size_t bytes) {
  bool done = unlock();
  for (size_t at = 0; done && at < bytes; at += 4 * kWordsAtOnce) {
    uint32_t words[kWordsAtOnce];
    memcpy(words, data + at, sizeof(words));
    const uint32_t to = reinterpret_cast<uint32_t>(address) + at;
    reg(kCr) = kProgram;
    for (size_t i = 0; i < kWordsAtOnce; ++i) {
      reg(to + 4 * i) = words[i];
      asm volatile("dsb\n isb" ::: "memory");
    }
    done = ready();
  }
  lock();
  publish(address, bytes);
  return done && memcmp(address, data, bytes) == 0;
}

}  // namespace munas::port::flash
