// Physical boards on STM32duino's core (2.12): it starts clocks, caches and the serial port of the
// board's debug probe; this file reports what it did. Families: F1, F4, F7, H7, L4+.
#if defined(ARDUINO_ARCH_STM32)

#include <Arduino.h>

#include <cstring>

#include "../stack.h"
#include "cortex_m/core.h"
#include "port.h"
#include "stm32_flash.h"
#include "stm32_watchdog.h"

#ifndef MUNAS_BAUD
#define MUNAS_BAUD 921600
#endif

// Memories by what the chip has, less some 16 KiB for the firmware (5 KiB on the 20 KiB chip).
// A board file may set its own.
#ifndef MUNAS_ARENA_BYTES
#if defined(STM32L4xx)
#define MUNAS_ARENA_BYTES (256 * 1024)
#define MUNAS_RAM_SLOT_BYTES (256 * 1024)
#define MUNAS_STAGING_BYTES (64 * 1024)
#elif defined(STM32H7xx) || defined(STM32F767xx)
#define MUNAS_ARENA_BYTES (208 * 1024)
#define MUNAS_RAM_SLOT_BYTES (208 * 1024)
#define MUNAS_STAGING_BYTES (32 * 1024)
#elif defined(STM32F7xx)
#define MUNAS_ARENA_BYTES (128 * 1024)
#define MUNAS_RAM_SLOT_BYTES (128 * 1024)
#define MUNAS_STAGING_BYTES (24 * 1024)
#elif defined(STM32F446xx)
#define MUNAS_ARENA_BYTES (64 * 1024)
#define MUNAS_RAM_SLOT_BYTES (32 * 1024)
#define MUNAS_STAGING_BYTES (12 * 1024)
#elif defined(STM32F4xx)
#define MUNAS_ARENA_BYTES (40 * 1024)
#define MUNAS_RAM_SLOT_BYTES (24 * 1024)
#define MUNAS_STAGING_BYTES (12 * 1024)
#else
#define MUNAS_ARENA_BYTES (8 * 1024)
#define MUNAS_RAM_SLOT_BYTES 0
#define MUNAS_STAGING_BYTES (2 * 1024)
#endif
#endif
#ifndef MUNAS_STACK_BYTES
#if defined(STM32F1xx)
#define MUNAS_STACK_BYTES 1536
#else
#define MUNAS_STACK_BYTES 8192
#endif
#endif

// Where models that fit no RAM slot go: the last sectors. Not on F1 (no room) and H7 (another
// controller, and RAM enough).
#if defined(STM32L4xx)
#define MUNAS_FLASH_SLOT_ADDRESS 0x08180000u
#define MUNAS_FLASH_SLOT_BYTES (512u * 1024)
#elif defined(STM32F767xx)
#define MUNAS_FLASH_SLOT_ADDRESS 0x08180000u
#define MUNAS_FLASH_SLOT_BYTES (512u * 1024)
#define MUNAS_FLASH_SLOT_FIRST 10
#define MUNAS_FLASH_SLOT_LAST 11
#elif defined(STM32F7xx)
#define MUNAS_FLASH_SLOT_ADDRESS 0x080C0000u
#define MUNAS_FLASH_SLOT_BYTES (256u * 1024)
#define MUNAS_FLASH_SLOT_FIRST 7
#define MUNAS_FLASH_SLOT_LAST 7
#elif defined(STM32F4xx)
#define MUNAS_FLASH_SLOT_ADDRESS 0x08040000u
#define MUNAS_FLASH_SLOT_BYTES (256u * 1024)
#define MUNAS_FLASH_SLOT_FIRST 6
#define MUNAS_FLASH_SLOT_LAST 7
#endif

#define MUNAS_TEXT_OF(x) #x
#define MUNAS_TEXT(x) MUNAS_TEXT_OF(x)
// For the linker script, which sees that there is room.
asm(".global munas_stack_bytes\n.set munas_stack_bytes, " MUNAS_TEXT(MUNAS_STACK_BYTES));

extern "C" uint32_t _estack[], _sidata[], _sdata[], _edata[];

namespace munas::port {
namespace {

using core::reg;

// On cache lines of their own, so that cleaning them touches nothing else.
alignas(32) uint8_t arena_memory[MUNAS_ARENA_BYTES];
alignas(32) uint8_t staging_memory[MUNAS_STAGING_BYTES];
#if MUNAS_RAM_SLOT_BYTES > 0
alignas(32) uint8_t slot_memory[MUNAS_RAM_SLOT_BYTES];
#endif

link::ResetCause cause = link::ResetCause::kUnknown;

// Reset flags: bits of RCC_CSR, of RCC_RSR on H7. The brown-out bit of L4 stands for power.
void read_reset_cause() {
#if defined(STM32H7xx)
  constexpr uint32_t kWatchdog = 26, kSoftware = 24, kPower = 23, kPin = 22, kClear = 16;
  volatile uint32_t& flags = RCC->RSR;
#else
  constexpr uint32_t kWatchdog = 29, kSoftware = 28, kPower = 27, kPin = 26;
#if defined(STM32L4xx)
  constexpr uint32_t kClear = 23;
#else
  constexpr uint32_t kClear = 24;
#endif
  volatile uint32_t& flags = RCC->CSR;
#endif
  const uint32_t set = flags;
  if (set & (1u << kWatchdog)) {
    cause = link::ResetCause::kWatchdog;
  } else if (set & (1u << kSoftware)) {
    cause = link::ResetCause::kSoftware;
  } else if (set & (1u << kPower)) {
    cause = link::ResetCause::kPower;
  } else if (set & (1u << kPin)) {
    cause = link::ResetCause::kPin;
  }
  flags = set | (1u << kClear);
}

link::Region kind_of(const uint8_t* memory) {
  const auto address = reinterpret_cast<uint32_t>(memory);
#if defined(STM32H7xx)
  if (address >= 0x24000000) return link::Region::kAxiSram;
  return link::Region::kDtcm;
#elif defined(STM32F767xx)
  return address < 0x20020000 ? link::Region::kDtcm : link::Region::kSram;
#elif defined(STM32F7xx)
  return address < 0x20010000 ? link::Region::kDtcm : link::Region::kSram;
#else
  (void)address;
  return link::Region::kSram;
#endif
}

void paint_stack() {
  uint32_t* here;
  asm volatile("mov %0, sp" : "=r"(here));
  for (uint32_t* word = stack().low; word < here - 16; ++word) *word = munas::stack::kPaint;
}

}  // namespace

void init() {
  paint_stack();
  read_reset_cause();
  core::guard_stack(stack().low);
  core::start_cycle_counter();
  Serial.begin(MUNAS_BAUD);
  watchdog::start(SystemCoreClock);
}

uint32_t clock_hz() { return SystemCoreClock; }
link::ResetCause reset_cause() { return cause; }
uint32_t device_id() { return DBGMCU->IDCODE; }

void unique_id(uint32_t words[3]) {
  words[0] = HAL_GetUIDw0();
  words[1] = HAL_GetUIDw1();
  words[2] = HAL_GetUIDw2();
}

uint8_t cache_state() {
  uint8_t state = 0;
#if defined(MUNAS_CORTEX_M7)
  if (SCB->CCR & SCB_CCR_IC_Msk) state |= static_cast<uint8_t>(link::Cache::kInstruction);
  if (SCB->CCR & SCB_CCR_DC_Msk) state |= static_cast<uint8_t>(link::Cache::kData);
#elif defined(FLASH_ACR_ICEN)
  if (FLASH->ACR & FLASH_ACR_ICEN) state |= static_cast<uint8_t>(link::Cache::kInstruction);
  if (FLASH->ACR & FLASH_ACR_DCEN) state |= static_cast<uint8_t>(link::Cache::kData);
#endif
#if defined(FLASH_ACR_PRFTEN)
  if (FLASH->ACR & FLASH_ACR_PRFTEN) state |= static_cast<uint8_t>(link::Cache::kPrefetch);
#elif defined(FLASH_ACR_PRFTBE)
  if (FLASH->ACR & FLASH_ACR_PRFTBE) state |= static_cast<uint8_t>(link::Cache::kPrefetch);
#endif
  return state;
}

uint8_t flash_wait_states() { return FLASH->ACR & FLASH_ACR_LATENCY; }

const char munas_mcu[] =
#if defined(STM32F401xE)
    "STM32F401RE"
#elif defined(STM32F446xx)
    "STM32F446RE"
#elif defined(STM32L4R5xx)
    "STM32L4R5ZI"
#elif defined(STM32F767xx)
    "STM32F767ZI"
#elif defined(STM32H743xx)
    "STM32H743ZI"
#elif defined(STM32F746xx)
    "STM32F746NG"
#elif defined(STM32F103xB)
    "STM32F103C8"
#else
    "STM32"
#endif
    ;

size_t uart_read(uint8_t* data, size_t capacity) {
  while (Serial.available() == 0) {
    watchdog_kick();
    now_cycles();
  }
  size_t count = 0;
  while (count < capacity && Serial.available() > 0)
    data[count++] = static_cast<uint8_t>(Serial.read());
  return count;
}

void uart_write(const uint8_t* data, size_t bytes) { Serial.write(data, bytes); }
void uart_flush() { Serial.flush(); }
void watchdog_kick() { watchdog::kick(); }

Region arena() { return {arena_memory, sizeof(arena_memory), kind_of(arena_memory)}; }
Region staging() { return {staging_memory, sizeof(staging_memory), kind_of(staging_memory)}; }

Region ram_slot() {
#if MUNAS_RAM_SLOT_BYTES > 0
  return {slot_memory, sizeof(slot_memory), kind_of(slot_memory)};
#else
  return {nullptr, 0, link::Region::kSram};
#endif
}

// The slot lies at the end of the flash; a board whose image reaches into it has none.
Region flash_slot() {
#if defined(MUNAS_FLASH_SLOT_ADDRESS)
  const uint32_t image_end =
      reinterpret_cast<uint32_t>(_sidata) + (_edata - _sdata) * sizeof(uint32_t);
  if (image_end <= MUNAS_FLASH_SLOT_ADDRESS)
    return {reinterpret_cast<uint8_t*>(MUNAS_FLASH_SLOT_ADDRESS), MUNAS_FLASH_SLOT_BYTES,
            link::Region::kFlash};
#endif
  return {nullptr, 0, link::Region::kFlash};
}

bool flash_erase() {
#if !defined(MUNAS_FLASH_SLOT_ADDRESS)
  return false;
#elif defined(STM32L4xx)
  return flash::erase_pages(MUNAS_FLASH_SLOT_ADDRESS,
                            MUNAS_FLASH_SLOT_ADDRESS + MUNAS_FLASH_SLOT_BYTES);
#else
  return flash::erase_sectors(MUNAS_FLASH_SLOT_FIRST, MUNAS_FLASH_SLOT_LAST);
#endif
}

bool flash_program(const uint8_t* address, const uint8_t* data, size_t bytes) {
#if defined(MUNAS_FLASH_SLOT_ADDRESS)
  return flash::program(address, data, bytes);
#else
  (void)address, (void)data, (void)bytes;
  return false;
#endif
}

// The core's script puts it at the end of the RAM, above what is free; the guard is the lowest part.
Stack stack() {
#if defined(STM32F1xx)
  constexpr uint32_t kUsable = MUNAS_STACK_BYTES;
#else
  constexpr uint32_t kUsable = MUNAS_STACK_BYTES - core::kGuardBytes;
#endif
  // By way of a number: to the compiler nothing lies before a symbol.
  const auto top = reinterpret_cast<uintptr_t>(_estack);
  return {reinterpret_cast<uint32_t*>(top - kUsable), _estack};
}

void publish(const uint8_t* data, size_t bytes) {
#if defined(MUNAS_CORTEX_M7)
  const uint32_t begin = reinterpret_cast<uint32_t>(data) & ~31u;
  const uint32_t end = reinterpret_cast<uint32_t>(data) + bytes;
  SCB_CleanInvalidateDCache_by_Addr(reinterpret_cast<uint32_t*>(begin),
                                    static_cast<int32_t>(end - begin));
#else
  (void)data;
  (void)bytes;
#endif
  __DSB();
  __ISB();
}

}  // namespace munas::port

#endif
