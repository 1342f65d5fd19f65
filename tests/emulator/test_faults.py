"""Faults, exceptions and resets as the firmware sees them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Build = Callable[..., Path]
Boot = Callable[..., Any]
CHIPS = ("STM32L4R5", "STM32F405")

HANDLER = """
#include "board.h"
/* Tells CFSR, HFSR, BFAR and the stacked PC as an offset from the marked instruction. */
extern char marked[];
__attribute__((used)) void tell(uint32_t *frame, uint32_t lr) {
  serial_hex(CFSR); serial_hex(HFSR); serial_hex(BFAR);
  serial_hex(frame[6] - (uint32_t)marked); serial_hex(frame[0]); serial_hex(lr);
  serial_text("told\\n");
  for (;;) serial_get();
}
__attribute__((naked)) void hard_fault(void) {
  __asm volatile("mrs r0, msp\\n mov r1, lr\\n b tell");
}
#define MARKED(code) "marked: " code "\\n"
"""


def faulting(code: str, r0: int = 0, setup: str = "") -> str:
    return (
        HANDLER
        + f"""
int main(void) {{
  serial_open(); {setup}
  __asm volatile("ldr r0, ={r0:#x}\\n movs r3, #0\\n" MARKED("{code}") "nop\\n" ::: "r0", "r3");
  serial_text("went on\\n");
  for (;;) serial_get();
}}
"""
    )


def words(output: bytes) -> list[int]:
    lines = output.decode().split()
    assert lines[-1] == "told", output
    return [int(line, 16) for line in lines[:-1]]


@pytest.mark.parametrize("chip", CHIPS)
@pytest.mark.parametrize(
    ("code", "r0", "cfsr", "pc"),
    [
        ("ldr r1, [r0]", 0x30000000, 0x8200, 0),
        ("str r1, [r0]", 0x30000000, 0x8200, 0),
        ("ldmia r0, {r4, r5}", 0x30000000, 0x8200, 0),
        ("ldrd r4, r5, [r0, #8]", 0x2FFFFFF8, 0x8200, 0),
        ("strb r1, [r0], #1", 0x30000000, 0x8200, 0),
        (
            "cmp r3, #0\\n ittt eq\\n streq r1, [r0]\\n moveq r2, #1\\n moveq r2, #2",
            0x30000000,
            0x8200,
            4,
        ),
        ("cmp r3, #0\\n itt eq\\n ldreq r1, [r0]\\n moveq r2, #1", 0x30000000, 0x8200, 4),
        ("udf #1", 0, 0x10000, 0),
    ],
)
def test_hard_fault(
    build: Build, boot: Boot, chip: str, code: str, r0: int, cfsr: int, pc: int
) -> None:
    elf = build(faulting(code, r0), chip)
    mcu, output = boot(elf, chip)
    told_cfsr, hfsr, bfar, offset, stacked_r0, lr = words(output)
    assert (told_cfsr, hfsr, offset) == (cfsr, 1 << 30, pc)
    assert stacked_r0 == r0
    assert lr == 0xFFFFFFF9
    if cfsr & 0x8000:
        assert bfar == 0x30000000
    assert mcu.resets == []


@pytest.mark.parametrize(
    ("chip", "last"),
    [("STM32L4R5", 0x200A0000 - 4), ("STM32F405", 0x20020000 - 4), ("STM32F405", 0x1000FFFC)],
)
def test_ram_ends_where_the_chip_says(build: Build, boot: Boot, chip: str, last: int) -> None:
    elf = build(faulting("ldr r1, [r0]", last), chip)
    assert boot(elf, chip)[1] == b"went on\n"
    beyond = build(faulting("ldr r1, [r0]", last + 4), chip)
    assert words(boot(beyond, chip)[1])[2] == last + 4


def test_an_access_across_the_end_of_ram_faults(build: Build, boot: Boot) -> None:
    elf = build(faulting("ldr r1, [r0]", 0x200A0000 - 2))
    assert words(boot(elf)[1])[0] == 0x8200


def test_a_skipped_load_does_not_fault(build: Build, boot: Boot) -> None:
    code = "cmp r3, #1\\n it eq\\n ldreq r1, [r0]"
    assert boot(build(faulting(code, 0x30000000)))[1] == b"went on\n"


@pytest.mark.parametrize(
    ("target", "cfsr"),
    [(0x08000100, 1 << 17), (0x40000001, 1 << 0), (0x30000001, 1 << 8), (0x1FFF7001, 1 << 8)],
)
def test_branches_to_nowhere(build: Build, boot: Boot, target: int, cfsr: int) -> None:
    assert words(boot(build(faulting("bx r0", target)))[1])[0] == cfsr


def test_a_breakpoint_is_a_hard_fault(build: Build, boot: Boot) -> None:
    cfsr, hfsr, *_ = words(boot(build(faulting("bkpt #0")))[1])
    assert (cfsr, hfsr) == (0, 1 << 31)


def test_a_fault_with_a_handler_of_its_own_returns(build: Build, boot: Boot) -> None:
    source = """
#include "board.h"
__attribute__((naked)) void bus_fault(void) {  /* skips the two-byte load, gives r1 = 7 */
  __asm volatile("ldr r0, [sp, #24]\\n adds r0, #2\\n str r0, [sp, #24]\\n"
                 "movs r0, #7\\n str r0, [sp, #4]\\n bx lr");
}
int main(void) {
  serial_open();
  REG(0xE000ED24) |= 1 << 17;
  uint32_t value;
  __asm volatile("ldr r0, =0x30000000\\n ldr r1, [r0]\\n mov %0, r1" : "=r"(value) :: "r0", "r1");
  serial_hex(value);
  CFSR = CFSR; serial_hex(CFSR);
  for (;;) serial_get();
}
"""
    assert boot(build(source))[1] == b"00000007\n00000000\n"


def test_supervisor_call(build: Build, boot: Boot) -> None:
    source = """
#include "board.h"
static volatile uint32_t number, active;
__attribute__((naked)) void supervisor_call(void) {
  __asm volatile("mrs r0, ipsr\\n ldr r1, =active\\n str r0, [r1]\\n"
                 "ldr r0, [sp, #24]\\n ldrb r0, [r0, #-2]\\n ldr r1, =number\\n str r0, [r1]\\n"
                 "bx lr\\n .ltorg");
}
int main(void) {
  serial_open();
  uint32_t kept = 5;
  __asm volatile("movs r0, %0\\n svc #42" :: "i"(9) : "r0");
  serial_hex(number); serial_hex(active); serial_hex(kept);
  for (;;) serial_get();
}
"""
    assert boot(build(source))[1] == b"0000002a\n0000000b\n00000005\n"


@pytest.mark.parametrize("chip", CHIPS)
def test_a_fault_in_the_fault_handler_is_a_lockup_and_resets(
    build: Build, boot: Boot, chip: str
) -> None:
    source = """
#include "board.h"
__attribute__((section(".noinit"))) uint32_t boots, magic;
__attribute__((naked)) void hard_fault(void) {
  __asm volatile("ldr r0, =0x30000000\\n ldr r0, [r0]\\n b .\\n .ltorg");
}
int main(void) {
  serial_open();
  if (magic != 0x600D) { magic = 0x600D; boots = 0; }
  serial_hex(++boots);
  if (boots < 3) REG(0x30000000) = 1;
  for (;;) serial_get();
}
"""
    mcu, output = boot(build(source, chip), chip)
    assert output == b"00000001\n00000002\n00000003\n"
    assert [event.cause for event in mcu.resets] == ["lockup", "lockup"]


@pytest.mark.parametrize("chip", CHIPS)
def test_a_software_reset_keeps_ram_and_sets_its_flag(build: Build, boot: Boot, chip: str) -> None:
    source = """
#include "board.h"
__attribute__((section(".noinit"))) uint32_t boots, magic;
static uint32_t counted;
int main(void) {
  serial_open();
  if (magic != 0x600D) { magic = 0x600D; boots = 0; }
  serial_hex(RESET_FLAGS >> 24); serial_hex(counted++);
#ifdef STM32L4R5
  REG(0x40021094) |= 1 << 23;
#else
  REG(0x40023874) |= 1 << 24;
#endif
  if (++boots < 2) system_reset();
  serial_hex(boots); serial_hex(REG(0xE000ED08));
  for (;;) serial_get();
}
"""
    mcu, output = boot(build(source, chip), chip)
    first, zero, second, again, boots, vtor = (int(line, 16) for line in output.split())
    assert first == 0x0C and second == 0x14
    assert (zero, again, boots, vtor) == (0, 0, 2, 0)
    assert [event.cause for event in mcu.resets] == ["software"]


def test_the_vector_table_can_move(build: Build, boot: Boot) -> None:
    source = """
#include "board.h"
static uint32_t table[16] __attribute__((aligned(128)));
static void moved(void) { serial_text("moved\\n"); for (;;) serial_get(); }
int main(void) {
  serial_open();
  table[3] = (uint32_t)moved;
  REG(0xE000ED08) = (uint32_t)table;
  __asm volatile("udf #0");
  return 0;
}
"""
    assert boot(build(source))[1] == b"moved\n"


def test_floating_point_works_once_switched_on(build: Build, boot: Boot) -> None:
    source = """
#include "board.h"
int main(void) {
  serial_open(); fpu_on();
  volatile float a = 1.5f, b = 2.25f;
  serial_hex((uint32_t)(a * b * 1024));
  for (;;) serial_get();
}
"""
    assert boot(build(source))[1] == b"00000d80\n"


def test_unaligned_words_are_read_and_written(build: Build, boot: Boot) -> None:
    source = """
#include "board.h"
static uint8_t bytes[12] = {0, 0x11, 0x22, 0x33, 0x44, 0x55};
int main(void) {
  serial_open();
  serial_hex(*(volatile uint32_t *)(bytes + 1));
  *(volatile uint16_t *)(bytes + 3) = 0xABCD;
  serial_hex(*(volatile uint32_t *)(bytes + 2));
  for (;;) serial_get();
}
"""
    assert boot(build(source))[1] == b"44332211\n55abcd22\n"


def test_a_reset_from_outside_starts_anew(
    build: Build, boot: Boot, run_on: Callable[..., bytes]
) -> None:
    source = """
#include "board.h"
int main(void) { serial_open(); serial_text("up\\n"); for (;;) serial_get(); }
"""
    mcu, output = boot(build(source))
    assert output == b"up\n"
    mcu.reset()
    assert run_on(mcu) == b"up\n"
    assert [event.cause for event in mcu.resets] == ["pin"]
