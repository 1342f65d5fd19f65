"""IT blocks whose loads and stores reach pages and devices for the first time.

Unicorn 2.1.4 writes the state of an IT block into the core before it calls a hook inside it, and
later instructions then become conditional; these programs would show it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

Build = Callable[..., Path]
Boot = Callable[..., Any]

PAGES = """
#include "board.h"
static uint8_t memory[300 * 1024];
/* One load and one store under conditions, each time on a page that was not touched before. */
__attribute__((noinline)) static uint32_t step(uint32_t seed, volatile uint32_t *page) {
  uint32_t result;
  __asm volatile(
      "movs r0, #7\\n lsls r1, %1, #31\\n"
      "itete ne\\n ldrne r0, [%2]\\n ldreq r0, [%2, #4]\\n addne r0, #1\\n addeq r0, #2\\n"
      "tst %1, #2\\n"
      "ittee eq\\n streq r0, [%2, #8]\\n moveq r1, #10\\n strne r0, [%2, #12]\\n movne r1, #20\\n"
      "add %0, r0, r1\\n"
      : "=r"(result) : "r"(seed), "r"(page) : "r0", "r1", "cc", "memory");
  return result;
}
int main(void) {
  serial_open();
  uint32_t hash = 1, seed = 12345;
  for (int round = 0; round < 3; ++round)
    for (uint32_t at = 0; at + 1024 <= sizeof memory; at += 1024) {
      seed = seed * 1664525 + 1013904223;
      volatile uint32_t *page = (volatile uint32_t *)(memory + at);
      hash = (hash ^ step(seed >> 16, page)) * 16777619;
      page[0] = hash; page[1] = ~hash;
      hash += page[2] ^ page[3];
    }
  serial_hex(hash);
  for (;;) serial_get();
}
"""


def expected_hash() -> int:
    """The same program in Python."""
    mask = 0xFFFFFFFF
    value, seed = 1, 12345
    pages = [[0, 0, 0, 0] for _ in range(300)]
    for _ in range(3):
        for page in pages:
            seed = (seed * 1664525 + 1013904223) & mask
            odd, two = seed >> 16 & 1, seed >> 16 & 2
            loaded = (page[0] + 1 if odd else page[1] + 2) & mask
            page[3 if two else 2] = loaded
            value = ((value ^ (loaded + (20 if two else 10)) & mask) * 16777619) & mask
            page[0], page[1] = value, value ^ mask
            value = (value + (page[2] ^ page[3])) & mask
    return value


def test_conditional_accesses_to_fresh_pages(build: Build, boot: Boot) -> None:
    _, output = boot(build(PAGES, flags=("-Wa,-mimplicit-it=never",)))
    assert int(output, 16) == expected_hash()


DEVICE = """
#include "board.h"
/* Reads a byte and answers, all under conditions in one IT block, as a compiler may. */
int main(void) {
  serial_open(); counter_start();
  for (;;) {
    uint32_t after;
    __asm volatile(
        "1: ldr r1, [%1, #0x1c]\\n movs r2, #0\\n tst r1, #32\\n"
        "itttt ne\\n ldrne r0, [%1, #0x24]\\n eorne r0, #1\\n"
        "strne r0, [%1, #0x28]\\n movne r2, #1\\n"
        "cmp r2, #1\\n bne 1b\\n"
        "ldr r3, =0xE0001004\\n cmp r2, #1\\n"
        "ite eq\\n ldreq r3, [r3]\\n movne r3, #0\\n mov %0, r2\\n"
        : "=r"(after) : "r"(0x40008000) : "r0", "r1", "r2", "r3", "cc", "memory");
    if (after != 1) serial_text("wrong");
  }
}
"""


def test_conditional_accesses_to_devices(
    build: Build, boot: Boot, run_on: Callable[..., bytes]
) -> None:
    mcu, _ = boot(build(DEVICE))
    for data in (b"a", b"bcdefgh" * 10, bytes(range(256)) * 20):
        mcu.feed(data)
        assert run_on(mcu) == bytes(byte ^ 1 for byte in data)
