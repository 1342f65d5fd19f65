// STM32L4R5ZI on a Nucleo-144: MSI 4 MHz -> PLL 120 MHz, range 1 boost, 5 wait states, caches on,
// prefetch off, LPUART1 on PG7/PG8 (the ST-LINK's virtual port). Registers: RM0432.
#if defined(MUNAS_MCU_STM32L4R5)

#include "../cortex_m/core.h"
#include "../port.h"
#include "uart.h"
#include "../stm32_flash.h"
#include "../stm32_watchdog.h"

#ifndef MUNAS_BAUD
#define MUNAS_BAUD 921600
#endif

extern "C" {
extern uint32_t _estack[], _sstack[];
extern uint8_t munas_arena[], munas_arena_end[], munas_ram_slot[], munas_ram_slot_end[];
extern uint8_t munas_staging[], munas_staging_end[], munas_flash_slot[], munas_flash_slot_end[];
}

namespace munas::port {
namespace {

using core::reg;
using core::wait_for;

constexpr uint32_t kRcc = 0x40021000;
constexpr uint32_t kRccCr = kRcc + 0x00, kRccCfgr = kRcc + 0x08, kRccPllcfgr = kRcc + 0x0C;
constexpr uint32_t kRccAhb2enr = kRcc + 0x4C, kRccApb1enr1 = kRcc + 0x58;
constexpr uint32_t kRccApb1enr2 = kRcc + 0x5C, kRccCcipr = kRcc + 0x88, kRccCsr = kRcc + 0x94;
constexpr uint32_t kPwr = 0x40007000;
constexpr uint32_t kPwrCr1 = kPwr + 0x00, kPwrCr2 = kPwr + 0x04, kPwrSr2 = kPwr + 0x14;
constexpr uint32_t kPwrCr5 = kPwr + 0x80;
constexpr uint32_t kGpiog = 0x48001800;
constexpr uint32_t kUid = 0x1FFF7590;

constexpr uint32_t kMsiHz = 4000000;
constexpr uint32_t kPllHz = 120000000;

struct Lpuart1 {
  static constexpr uint32_t kBase = 0x40008000;
  static constexpr uint32_t kCr1 = kBase + 0x00, kBrr = kBase + 0x0C;
  static constexpr uint32_t kStatus = kBase + 0x1C, kClear = kBase + 0x20;
  static constexpr uint32_t kReceive = kBase + 0x24, kSend = kBase + 0x28;
  static constexpr uint32_t kReceived = 1u << 5, kSendDone = 1u << 6, kSendReady = 1u << 7;
  static void clear_errors(uint32_t status) {
    if (status & 0xFu) reg(kClear) = status & 0xFu;
  }
};

PolledUart<Lpuart1> uart;
uint32_t core_hz = kMsiHz;
link::ResetCause cause = link::ResetCause::kUnknown;
bool has_clock_control = false;

void read_reset_cause() {
  const uint32_t flags = reg(kRccCsr);
  if (flags & (1u << 29)) {
    cause = link::ResetCause::kWatchdog;
  } else if (flags & (1u << 28)) {
    cause = link::ResetCause::kSoftware;
  } else if (flags & (1u << 27)) {
    cause = link::ResetCause::kPower;
  } else if (flags & (1u << 26)) {
    cause = link::ResetCause::kPin;
  }
  reg(kRccCsr) = flags | (1u << 23);
}

// 120 MHz needs range 1 boost; above 80 MHz the bus is halved for a moment on the way up.
void start_clocks() {
  reg(kRccApb1enr1) = reg(kRccApb1enr1) | (1u << 28);
  core::touch(kRccApb1enr1);
  reg(kPwrCr1) = (reg(kPwrCr1) & ~(3u << 9)) | (1u << 9);
  wait_for(kPwrSr2, 1u << 10, 0);
  reg(kPwrCr5) = reg(kPwrCr5) & ~(1u << 8);
  // Caches are reset, then on; prefetch stays off as in ST's own start-up for this chip.
  reg(flash::kAcr) = 5u | (1u << 11) | (1u << 12);
  reg(flash::kAcr) = 5u | (1u << 9) | (1u << 10);
  wait_for(flash::kAcr, 0xFu, 5u);
  if (!wait_for(kRccCr, 1u << 1, 1u << 1)) return;
  reg(kRccPllcfgr) = 1u | (0u << 4) | (60u << 8) | (1u << 24);  // 4 MHz / 1 * 60 / 2
  reg(kRccCr) = reg(kRccCr) | (1u << 24);
  if (!wait_for(kRccCr, 1u << 25, 1u << 25)) return;
  reg(kRccCfgr) = (reg(kRccCfgr) & ~0xF3u) | (8u << 4) | 3u;
  if (!wait_for(kRccCfgr, 3u << 2, 3u << 2)) return;
  for (volatile int i = 0; i < 200; i = i + 1) {
  }
  reg(kRccCfgr) = reg(kRccCfgr) & ~0xF0u;
  core_hz = kPllHz;
}

void start_uart() {
  reg(kPwrCr2) = reg(kPwrCr2) | (1u << 9);  // VDDIO2 feeds port G
  reg(kRccAhb2enr) = reg(kRccAhb2enr) | (1u << 6);
  reg(kRccApb1enr2) = reg(kRccApb1enr2) | 1u;
  reg(kRccCcipr) = (reg(kRccCcipr) & ~(3u << 10)) | (1u << 10);  // from SYSCLK
  reg(kGpiog + 0x00) = (reg(kGpiog + 0x00) & ~(0xFu << 14)) | (0xAu << 14);
  reg(kGpiog + 0x08) = reg(kGpiog + 0x08) | (0xFu << 14);
  reg(kGpiog + 0x0C) = (reg(kGpiog + 0x0C) & ~(0xFu << 14)) | (1u << 16);
  reg(kGpiog + 0x20) = (reg(kGpiog + 0x20) & ~(0xFu << 28)) | (8u << 28);
  reg(kGpiog + 0x24) = (reg(kGpiog + 0x24) & ~0xFu) | 8u;
  // LPUART counts in 1/256 of a clock cycle.
  reg(Lpuart1::kBrr) =
      static_cast<uint32_t>((uint64_t{core_hz} * 256 + MUNAS_BAUD / 2) / MUNAS_BAUD);
  reg(Lpuart1::kCr1) = (1u << 29);  // FIFO, to be set while disabled
  reg(Lpuart1::kCr1) = (1u << 29) | (1u << 3) | (1u << 2) | 1u;
}

Region region(uint8_t* begin, uint8_t* end, link::Region kind) {
  return {begin, static_cast<uint32_t>(end - begin), kind};
}

}  // namespace

void init() {
  // On silicon MSI runs after reset; where even that reads as off there is no clock tree.
  has_clock_control = (reg(kRccCr) & 3u) != 0;
  read_reset_cause();
  start_clocks();
  core::start_cycle_counter();
  start_uart();
  watchdog::start(core_hz);
}

uint32_t clock_hz() { return core_hz; }
link::ResetCause reset_cause() { return cause; }
uint32_t device_id() { return reg(core::kDbgmcuIdcode); }

void unique_id(uint32_t words[3]) {
  for (uint32_t i = 0; i < 3; ++i) words[i] = has_clock_control ? reg(kUid + 4 * i) : 0;
}

uint8_t cache_state() {
  const uint32_t acr = reg(flash::kAcr);
  uint8_t state = 0;
  if (acr & (1u << 9)) state |= static_cast<uint8_t>(link::Cache::kInstruction);
  if (acr & (1u << 10)) state |= static_cast<uint8_t>(link::Cache::kData);
  if (acr & (1u << 8)) state |= static_cast<uint8_t>(link::Cache::kPrefetch);
  return state;
}

uint8_t flash_wait_states() { return reg(flash::kAcr) & 0xFu; }
const char munas_mcu[] = "STM32L4R5ZI";

size_t uart_read(uint8_t* data, size_t capacity) { return uart.read(data, capacity); }
void uart_write(const uint8_t* data, size_t bytes) { uart.write(data, bytes); }
void uart_flush() { uart.flush(); }
void watchdog_kick() { watchdog::kick(); }

Region arena() { return region(munas_arena, munas_arena_end, link::Region::kSram); }
Region staging() { return region(munas_staging, munas_staging_end, link::Region::kSram); }
Region ram_slot() { return region(munas_ram_slot, munas_ram_slot_end, link::Region::kSram); }
Region flash_slot() { return region(munas_flash_slot, munas_flash_slot_end, link::Region::kFlash); }
Stack stack() { return {_sstack, _estack}; }

void publish(const uint8_t*, size_t) { asm volatile("dsb" ::: "memory"); }

bool flash_erase() {
  return flash::erase_pages(reinterpret_cast<uint32_t>(munas_flash_slot),
                            reinterpret_cast<uint32_t>(munas_flash_slot_end));
}

bool flash_program(const uint8_t* address, const uint8_t* data, size_t bytes) {
  return flash::program(address, data, bytes);
}

}  // namespace munas::port

#endif
