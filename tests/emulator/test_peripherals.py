"""The peripherals through the bus, as a firmware uses them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Build = Callable[..., Path]
Boot = Callable[..., Any]
CHIPS = ("STM32L4R5", "STM32F405")


def lines(output: bytes) -> list[int]:
    return [int(line, 16) for line in output.split()]


def program(body: str, before: str = "") -> str:
    return f"""
#include "board.h"
{before}
int main(void) {{
  serial_open();
  {body}
  for (;;) serial_get();
}}
"""


def test_clock_setup_to_120_mhz(build: Build, boot: Boot) -> None:
    body = """
  REG(0x40007080) &= ~(1u << 8);                       /* PWR: range 1 boost */
  REG(0x40022000) = 5; while ((REG(0x40022000) & 15) != 5) {}
  REG(0x40021000) |= 1 << 8; while (!(REG(0x40021000) >> 10 & 1)) {}
  REG(0x4002100C) = 2 | 3 << 4 | 60 << 8 | 1 << 24;    /* HSI16 / 4 * 60 / 2 */
  REG(0x40021000) |= 1 << 24; while (!(REG(0x40021000) >> 25 & 1)) {}
  REG(0x40021008) = 3; while ((REG(0x40021008) >> 2 & 3) != 3) {}
"""
    mcu, _ = boot(build(program(body)))
    counters = mcu.counters()
    assert counters["core_clock_hz"] == 120_000_000
    assert counters["flash_wait_states"] == 5
    assert counters["unmodelled"] == []


def test_clock_setup_to_168_mhz(build: Build, boot: Boot) -> None:
    body = """
  REG(0x40023C00) = 5;
  REG(0x40023800) |= 1 << 16; while (!(REG(0x40023800) >> 17 & 1)) {}
  REG(0x40023804) = 8 | 336 << 6 | 0 << 16 | 1 << 22 | 7 << 24;
  REG(0x40023800) |= 1 << 24; while (!(REG(0x40023800) >> 25 & 1)) {}
  while (!(REG(0x40007004) >> 14 & 1)) {}
  REG(0x40023808) = 2 | 5 << 10 | 4 << 13; while ((REG(0x40023808) >> 2 & 3) != 2) {}
"""
    mcu, _ = boot(build(program(body), "STM32F405"), "STM32F405")
    assert mcu.counters()["core_clock_hz"] == 168_000_000


@pytest.mark.parametrize(("chip", "device"), [("STM32L4R5", 0x470), ("STM32F405", 0x413)])
def test_identity(build: Build, boot: Boot, chip: str, device: int) -> None:
    uid, size = (0x1FFF7590, 0x1FFF75E0) if chip == "STM32L4R5" else (0x1FFF7A10, 0x1FFF7A22)
    body = f"""
  serial_hex(REG(0xE0042000) & 0xFFF); serial_hex(REG(0xE000ED00));
  for (int i = 0; i < 3; ++i) serial_hex(REG({uid:#x} + 4 * i));
  serial_hex(*(volatile uint16_t *){size:#x});
"""
    _, output = boot(build(program(body), chip), chip, uid=bytes(range(12)))
    flash_kb = 2048 if chip == "STM32L4R5" else 1024
    identity = [0x03020100, 0x07060504, 0x0B0A0908]
    assert lines(output) == [device, 0x410FC241, *identity, flash_kb]


FLASH = {
    "STM32L4R5": """
#define SLOT 0x080FF000u  /* last page of bank 1 */
static void unlock(void) { REG(0x40022008) = 0x45670123; REG(0x40022008) = 0xCDEF89AB; }
static void erase(void) {
  REG(0x40022014) = 1 << 1 | 255 << 3; REG(0x40022014) |= 1 << 16;
  while (REG(0x40022010) >> 16 & 1) {}
  REG(0x40022014) = 0;
}
static uint32_t status(void) { uint32_t s = REG(0x40022010); REG(0x40022010) = s; return s; }
static void programming(int on) { REG(0x40022014) = on; }
""",
    "STM32F405": """
#define SLOT 0x08060000u  /* sector 7 */
static void unlock(void) { REG(0x40023C04) = 0x45670123; REG(0x40023C04) = 0xCDEF89AB; }
static void erase(void) {
  REG(0x40023C10) = 1 << 1 | 7 << 3 | 2 << 8; REG(0x40023C10) |= 1 << 16;
  while (REG(0x40023C0C) >> 16 & 1) {}
  REG(0x40023C10) = 2 << 8;
}
static uint32_t status(void) { uint32_t s = REG(0x40023C0C); REG(0x40023C0C) = s; return s; }
static void programming(int on) { REG(0x40023C10) = on | 2 << 8; }
""",
}


@pytest.mark.parametrize("chip", CHIPS)
def test_flash_is_erased_and_programmed(build: Build, boot: Boot, chip: str) -> None:
    body = """
  volatile uint32_t *slot = (volatile uint32_t *)SLOT;
  slot[0] = 1; serial_hex(slot[0]); serial_hex(status() & 1 << 7);       /* locked: refused */
  unlock(); erase(); programming(1);
  uint32_t wrong;
  for (uint32_t i = 0; i < 64; ++i) slot[i] = i * 0x01010101u;
  volatile uint32_t *end = slot + 64;
  __asm volatile("movs r1, #7\\n movs r2, #9\\n stmia %0!, {r1, r2}"
                 : "+r"(end) :: "r1", "r2", "memory");
  wrong = end != slot + 66;
  programming(0);
  for (uint32_t i = 0; i < 64; ++i) wrong += slot[i] != i * 0x01010101u;
  serial_hex(wrong); serial_hex(slot[64] * 16 + slot[65]); serial_hex(slot[66]);
  serial_hex(status() & 0xFA);
  programming(1); slot[3] = 0xFF; programming(0); serial_hex(slot[3]);
  erase(); serial_hex(slot[3]);
"""
    mcu, output = boot(build(program(body, FLASH[chip]), chip), chip)
    # A word that is not blank: refused on the L4+, and only bits cleared on the F4.
    over = 0x03030303 if chip == "STM32L4R5" else 0x03030303 & 0xFF
    blank = 0xFFFFFFFF
    assert lines(output) == [blank, 1 << 7, 0, 7 * 16 + 9, blank, 0, over, blank]
    assert mcu.counters()["flash_erases"] == 2


def test_code_written_to_flash_runs(build: Build, boot: Boot) -> None:
    body = """
  volatile uint16_t *code = (volatile uint16_t *)SLOT;
  unlock();
  for (uint32_t i = 1; i < 4; ++i) {
    erase(); programming(1);
    ((volatile uint32_t *)code)[0] = 0x47702000u | i;  /* movs r0, #i; bx lr */
    programming(0);
    serial_hex(((uint32_t (*)(void))(SLOT + 1))());
  }
"""
    assert lines(boot(build(program(body, FLASH["STM32L4R5"])))[1]) == [1, 2, 3]


def test_code_written_anew_is_priced_anew(build: Build, boot: Boot) -> None:
    body = """
  static const uint32_t codes[] = {0x46C046C0, 0xF1F0FBB0, 0x46C046C0};  /* nops; udiv r1, r0, r0 */
  volatile uint32_t *code = (volatile uint32_t *)SLOT;
  unlock(); counter_start();
  for (uint32_t i = 0; i < 3; ++i) {
    erase(); programming(1); code[0] = codes[i]; code[1] = 0x47704770; programming(0);
    uint32_t before = CYCCNT;
    ((void (*)(int))(SLOT + 1))(1);
    serial_hex(CYCCNT - before);
  }
"""
    first, second, third = lines(
        boot(build(program(body, FLASH["STM32F405"]), "STM32F405"), "STM32F405")[1]
    )
    assert (second - first, third) == (6 - 2, first)


def test_code_in_ram_runs_and_may_change(build: Build, boot: Boot) -> None:
    before = "static uint32_t code[300] __attribute__((aligned(4)));"
    body = """
  for (uint32_t i = 1; i < 4; ++i) {
    code[i & 1] = 0x47702000u | i;  /* movs r0, #i; bx lr */
    code[200] = i;                  /* data beside it */
    __asm volatile("dsb\\n isb" ::: "memory");
    serial_hex(((uint32_t (*)(void))((uint32_t)(code + (i & 1)) + 1))() * 16 + code[200]);
  }
"""
    assert lines(boot(build(program(body, before)))[1]) == [0x11, 0x22, 0x33]


def test_sram2_is_the_same_memory_at_its_second_address(build: Build, boot: Boot) -> None:
    body = "REG(0x20030010) = 77; serial_hex(REG(0x10000010));"
    assert lines(boot(build(program(body)))[1]) == [77]


def test_a_flash_store_in_an_it_block(build: Build, boot: Boot) -> None:
    body = """
  unlock(); programming(1);
  uint32_t three, four;
  __asm volatile("movs r0, #1\\n movs r1, #0\\n movs r2, #0\\n cmp r0, #1\\n"
                 "itte eq\\n streq r0, [%2]\\n moveq r1, #3\\n movne r1, #9\\n movs r2, #4\\n"
                 "mov %0, r1\\n mov %1, r2"
                 : "=&r"(three), "=&r"(four) : "r"(SLOT) : "r0", "r1", "r2", "cc", "memory");
  programming(0);
  serial_hex(*(volatile uint32_t *)SLOT); serial_hex(three); serial_hex(four);
"""
    assert lines(boot(build(program(body, FLASH["STM32L4R5"])))[1]) == [1, 3, 4]


WATCHDOG = """
  REG(0x40003000) = 0x5555; REG(0x40003004) = 0; REG(0x40003008) = 99;  /* 100 * 4 / 32 kHz */
  REG(0x40003000) = 0xCCCC;
"""


@pytest.mark.parametrize("chip", CHIPS)
def test_watchdog_bites_in_emulated_time(build: Build, boot: Boot, chip: str) -> None:
    before = """
__attribute__((section(".noinit"))) uint32_t magic, survived;
"""
    body = f"""
  serial_hex(RESET_FLAGS >> 29 & 1);
  if (magic == 0x600D) {{ serial_hex(survived); for (;;) serial_get(); }}
  magic = 0x600D; survived = 0;
  {WATCHDOG}
  for (int i = 0; i < 5; ++i) {{
    for (volatile int j = 0; j < 1000; ++j) {{}}
    REG(0x40003000) = 0xAAAA;
  }}
  survived = 1;
  for (;;) {{}}
"""
    mcu, output = boot(build(program(body, before), chip), chip)
    assert lines(output) == [0, 1, 1]
    (event,) = mcu.resets
    clock = 4_000_000 if chip == "STM32L4R5" else 16_000_000
    assert event.cause == "watchdog"
    assert event.cycles > clock * 400 // 32_000
    again, _ = boot(build(program(body, before), chip), chip)
    assert again.resets == mcu.resets


def test_a_waiting_firmware_is_not_bitten(build: Build, boot: Boot, run_on: Any) -> None:
    mcu, _ = boot(build(program(WATCHDOG + "for (;;) serial_put(serial_get());")))
    for _ in range(50):
        mcu.feed(b"x")
        assert run_on(mcu) == b"x"
    assert mcu.resets == []


def test_systick_counts_down(build: Build, boot: Boot) -> None:
    body = """
  REG(0xE000E014) = 999; REG(0xE000E018) = 0; REG(0xE000E010) = 5;
  uint32_t a = REG(0xE000E018), b = REG(0xE000E018);
  serial_hex(a - b < 10 && a < 1000);
  while (!(REG(0xE000E010) >> 16 & 1)) {}
  serial_hex(REG(0xE000E010) >> 16 & 1);
"""
    assert lines(boot(build(program(body)))[1]) == [1, 0]


def test_gpio(build: Build, boot: Boot) -> None:
    body = """
  REG(0x48000018) = 0x0000000F; serial_hex(REG(0x48000014));
  REG(0x48000018) = 0x00030000; serial_hex(REG(0x48000010));
  REG(0x48000028) = 0x4; serial_hex(REG(0x48000014));
"""
    assert lines(boot(build(program(body)))[1]) == [0xF, 0xC, 0x8]


def test_a_usart_without_its_clock_is_silent(build: Build, boot: Boot) -> None:
    body = """
  REG(0x40004400) = 1 << 3 | 1 << 2 | 1; REG(0x40004428) = 'x';
  serial_hex(REG(0x4000441C)); serial_hex(REG(0x40004400));
"""
    assert lines(boot(build(program(body)))[1]) == [0, 0]


def test_what_is_not_modelled_is_told(build: Build, boot: Boot) -> None:
    mcu, output = boot(build(program("REG(0x40000000) = 5; serial_hex(REG(0x40000000));")))
    assert lines(output) == [5]
    assert mcu.counters()["unmodelled"] == ["0x40000000"]
