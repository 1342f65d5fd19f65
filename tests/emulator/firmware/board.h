/* What the test firmwares share: registers, the serial line, the cycle counter. */
#pragma once
#include <stdint.h>

#define REG(address) (*(volatile uint32_t *)(address))
#define CYCCNT REG(0xE0001004)
#define CFSR REG(0xE000ED28)
#define HFSR REG(0xE000ED2C)
#define BFAR REG(0xE000ED38)
#define AIRCR REG(0xE000ED0C)

#ifdef STM32L4R5
#define RESET_FLAGS REG(0x40021094)
static inline void serial_open(void) {
  REG(0x4002105C) |= 1;          /* LPUART1 clock */
  REG(0x40008000) = 1 << 3 | 1 << 2 | 1;
}
static inline int serial_ready(void) { return REG(0x4000801C) >> 5 & 1; }
static inline uint8_t serial_data(void) { return (uint8_t)REG(0x40008024); }
static inline void serial_put(uint8_t byte) {
  while (!(REG(0x4000801C) >> 7 & 1)) {}
  REG(0x40008028) = byte;
}
#else
#define RESET_FLAGS REG(0x40023874)
static inline void serial_open(void) {
  REG(0x40023840) |= 1 << 17;    /* USART2 clock */
  REG(0x4000440C) = 1 << 13 | 1 << 3 | 1 << 2;
}
static inline int serial_ready(void) { return REG(0x40004400) >> 5 & 1; }
static inline uint8_t serial_data(void) { return (uint8_t)REG(0x40004404); }
static inline void serial_put(uint8_t byte) {
  while (!(REG(0x40004400) >> 7 & 1)) {}
  REG(0x40004404) = byte;
}
#endif

static inline uint8_t serial_get(void) {
  while (!serial_ready()) {}
  return serial_data();
}
static inline void serial_text(const char *text) {
  while (*text) serial_put((uint8_t)*text++);
}
static inline void serial_hex(uint32_t value) {
  for (int shift = 28; shift >= 0; shift -= 4) serial_put("0123456789abcdef"[value >> shift & 15]);
  serial_put('\n');
}
static inline void counter_start(void) {
  REG(0xE000EDFC) |= 1 << 24;
  CYCCNT = 0;
  REG(0xE0001000) |= 1;
}
static inline void fpu_on(void) {
  REG(0xE000ED88) |= 0xF << 20;
  __asm volatile("dsb\n isb");
}
static inline void system_reset(void) {
  AIRCR = 0x05FA0004;
  __asm volatile("dsb");
  for (;;) {}
}
