// STM32F405: HSI 16 MHz -> PLL 168 MHz, 5 wait states, ART accelerator on, USART2 on PA2/PA3.
// HSI needs no crystal, so the image runs on any board with this chip. Registers: RM0090.
#if defined(MUNAS_MCU_STM32F405)

#include "../cortex_m/core.h"
#include "../port.h"
#include "uart.h"
#include "../stm32_flash.h"
#include "../stm32_watchdog.h"

#ifndef MUNAS_BAUD
#define MUNAS_BAUD 115200
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

constexpr uint32_t kRcc = 0x40023800;
constexpr uint32_t kRccCr = kRcc + 0x00, kRccPllcfgr = kRcc + 0x04, kRccCfgr = kRcc + 0x08;
constexpr uint32_t kRccAhb1enr = kRcc + 0x30, kRccApb1enr = kRcc + 0x40, kRccCsr = kRcc + 0x74;
constexpr uint32_t kPwrCr = 0x40007000;
constexpr uint32_t kGpioa = 0x40020000;
constexpr uint32_t kUid = 0x1FFF7A10;

constexpr uint32_t kHsiHz = 16000000;
constexpr uint32_t kPllHz = 168000000;
constexpr uint32_t kFirstSlotSector = 10, kLastSlotSector = 11;

struct Usart2 {
  static constexpr uint32_t kBase = 0x40004400;
  static constexpr uint32_t kStatus = kBase + 0x00, kReceive = kBase + 0x04, kSend = kBase + 0x04;
  static constexpr uint32_t kBrr = kBase + 0x08, kCr1 = kBase + 0x0C;
  static constexpr uint32_t kReceived = 1u << 5, kSendDone = 1u << 6, kSendReady = 1u << 7;
  // Reading status and then data clears them; without a byte to fetch only that read is left.
  static void clear_errors(uint32_t status) {
    if ((status & 0xFu) && !(status & kReceived)) core::touch(kReceive);
  }
};

PolledUart<Usart2> uart;
uint32_t core_hz = kHsiHz;
uint32_t apb1_divider = 1;
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
  reg(kRccCsr) = flags | (1u << 24);
}

void start_clocks() {
  reg(kRccApb1enr) = reg(kRccApb1enr) | (1u << 28);
  core::touch(kRccApb1enr);
  reg(kPwrCr) = reg(kPwrCr) | (1u << 14);  // scale 1
  reg(flash::kAcr) = 5u | (1u << 11) | (1u << 12);
  reg(flash::kAcr) = 5u | (1u << 8) | (1u << 9) | (1u << 10);
  if (!wait_for(kRccCr, 1u << 1, 1u << 1)) return;
  reg(kRccPllcfgr) = 16u | (336u << 6) | (0u << 16) | (7u << 24);  // 16 MHz / 16 * 336 / 2
  reg(kRccCr) = reg(kRccCr) | (1u << 24);
  if (!wait_for(kRccCr, 1u << 25, 1u << 25)) return;
  reg(kRccCfgr) = (5u << 10) | (4u << 13) | 2u;  // APB1 / 4, APB2 / 2, from the PLL
  if (!wait_for(kRccCfgr, 3u << 2, 2u << 2)) return;
  core_hz = kPllHz;
  apb1_divider = 4;
}

void start_uart() {
  reg(kRccAhb1enr) = reg(kRccAhb1enr) | 1u;
  reg(kRccApb1enr) = reg(kRccApb1enr) | (1u << 17);
  reg(kGpioa + 0x00) = (reg(kGpioa + 0x00) & ~(0xFu << 4)) | (0xAu << 4);
  reg(kGpioa + 0x08) = reg(kGpioa + 0x08) | (0xFu << 4);
  reg(kGpioa + 0x0C) = (reg(kGpioa + 0x0C) & ~(0xFu << 4)) | (1u << 6);
  reg(kGpioa + 0x20) = (reg(kGpioa + 0x20) & ~(0xFFu << 8)) | (0x77u << 8);
  reg(Usart2::kBrr) = (core_hz / apb1_divider + MUNAS_BAUD / 2) / MUNAS_BAUD;
  reg(Usart2::kCr1) = (1u << 13) | (1u << 3) | (1u << 2);
}

Region region(uint8_t* begin, uint8_t* end, link::Region kind) {
  return {begin, static_cast<uint32_t>(end - begin), kind};
}

}  // namespace

void init() {
  // On silicon HSI is on after reset; where it reads as off there is no clock tree (QEMU).
  has_clock_control = (reg(kRccCr) & 1u) != 0;
  read_reset_cause();
  start_clocks();
  core::start_cycle_counter();
  start_uart();
  watchdog::start(core_hz);
}

uint32_t clock_hz() { return core_hz; }
link::ResetCause reset_cause() { return cause; }
uint32_t device_id() { return has_clock_control ? reg(core::kDbgmcuIdcode) : 0; }

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

uint8_t flash_wait_states() { return reg(flash::kAcr) & 7u; }
const char munas_mcu[] = "STM32F405RG";

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

bool flash_erase() { return flash::erase_sectors(kFirstSlotSector, kLastSlotSector); }

bool flash_program(const uint8_t* address, const uint8_t* data, size_t bytes) {
  return flash::program(address, data, bytes);
}

}  // namespace munas::port

#endif
