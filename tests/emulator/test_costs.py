"""The cycle model against sequences whose cost was worked out by hand from the TRM's table."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from munas.emulator import FEATURES, CycleParameters
from munas.emulator.parameters import STM32F405, STM32L4R5
from munas.errors import BadInputError

Build = Callable[..., Path]
Boot = Callable[..., Any]

TRM = CycleParameters()
OVERHEAD = 3  # the first load of CYCCNT and the nop after it, which waits a cycle for it

SEQUENCES = {
    "nothing": ("", 0),
    "alu": ("adds r0, #1\n adds r0, #1\n eor r0, r0, r1", 3),
    "load": ("ldr r0, [r3]\n nop", 2 + 1),
    "two loads": ("ldr r0, [r3]\n ldr r1, [r3, #4]\n nop", 1 + 2 + 1),
    "dependent loads": ("ldr r0, [r3]\n ldr r1, [r0]\n nop", 2 + 2 + 1),
    "byte and half": ("ldrb r0, [r3]\n ldrsh r1, [r3, #4]\n nop", 1 + 2 + 1),
    "literal": ("ldr r0, =0x12345678\n nop", 2 + 1),
    "store": ("str r0, [r3, #16]\n nop", 1 + 1),
    "store after load": ("ldr r0, [r3]\n str r0, [r3, #16]\n nop", 1 + 1 + 1),
    "indexed": ("str r0, [r3, r1, lsl #2]\n nop", 2),
    "ldm": ("ldmia r3, {r0, r1, r2}\n nop", 4 + 1),
    "stm": ("add r0, r3, #16\n stmia r0!, {r1, r2}", 1 + 3),
    "push, pop": ("push {r0, r1, r2}\n pop {r0, r1, r2}\n nop", 4 + 4 + 1),
    "ldrd": ("ldrd r0, r1, [r3]\n nop", 3 + 1),
    "strd": ("strd r0, r1, [r3, #16]\n nop", 3 + 1),
    "multiply": (
        "mla r0, r1, r2, r0\n smlad r0, r1, r2, r0\n umull r0, r1, r2, r1\n mul r0, r1",
        4,
    ),
    "divide": ("udiv r0, r0, r1\n sdiv r0, r0, r1", 12),
    "special register": ("mrs r0, apsr\n nop", 2 + 1),
    "it, done": ("cmp r7, r7\n ite eq\n moveq r0, #1\n movne r0, #2", 1 + 0 + 1 + 1),
    "it, load skipped": ("cmp r7, r7\n it ne\n ldrne r0, [r3]\n nop", 1 + 0 + 2 + 1),
    "branch": ("b 1f\n nop\n 1: nop", 1 + 1 + 1),
    "branch not taken": ("cmp r7, r7\n bne 1f\n nop\n 1: nop", 1 + 1 + 1 + 1),
    "branch to an odd half-word": (
        ".balign 4\n b 1f\n nop\n nop\n 1: add.w r0, r0, r1",
        1 + 1 + 1 + 1,
    ),
    "branch to a word": (".balign 4\n b 1f\n nop\n 1: add.w r0, r0, r1", 1 + 1 + 1),
    "cbz": ("movs r0, #0\n cbz r0, 1f\n nop\n 1: nop", 1 + 1 + 1 + 1),
    "loop": ("movs r0, #10\n 1: subs r0, #1\n bne 1b", 1 + 10 * 2 + 9),
    "call": ("bl leaf", 1 + 1 + 1 + 2),
    "call with a frame": ("bl framed", (1 + 1) + 3 + (3 + 2)),
    "call through a register": ("ldr r0, =leaf + 1\n blx r0", 1 + 1 + (1 + 2) + (1 + 2)),
    "tbb": (".balign 4\n movs r0, #1\n tbb [pc, r0]\n .byte 1, 2\n nop\n nop", 1 + (3 + 2) + 1),
    "fp": ("vadd.f32 s0, s1, s2\n vmul.f32 s4, s5, s6", 2),
    "fp result at once": ("vadd.f32 s0, s1, s2\n vmul.f32 s4, s0, s6", 1 + 2),
    "fp multiply-add": ("vfma.f32 s0, s1, s2\n nop", 3 + 1),
    "fp divide": ("vdiv.f32 s0, s1, s2\n vsqrt.f32 s3, s4", 14 + 14),
    "fp load": ("vldr s0, [r3]\n nop", 2 + 1),
    "fp block": ("vldmia r3, {s0-s3}\n nop", 5 + 1),
    "fp double load": ("vldr d0, [r3]\n nop", 3 + 1),
}


def timed(codes: Iterable[str]) -> str:
    """A firmware that measures each sequence twice."""
    functions = "".join(
        f"""
__asm(".balign 4\\n .global measure{i}\\n .thumb_func\\n"
      "measure{i}: push {{r4-r7, lr}}\\n mov r3, r0\\n movs r0, #0\\n movs r1, #1\\n movs r2, #1\\n"
      "ldr r4, =0xE0001004\\n nop\\n .balign 4\\n ldr r5, [r4]\\n nop\\n"
      {" ".join(f'"{line.strip()}{chr(92)}n"' for line in code.splitlines())}
      "ldr r6, [r4]\\n subs r0, r6, r5\\n pop {{r4-r7, pc}}\\n .ltorg\\n");
uint32_t measure{i}(const uint32_t *data);
"""
        for i, code in enumerate(codes)
    )
    calls = "".join(
        f"serial_hex(measure{i}(data)); serial_hex(measure{i}(data));"
        for i in range(functions.count("__asm"))
    )
    return f"""
#include "board.h"
static uint32_t data[16] = {{0x20000000, 0x20000000, 3, 4}};
__asm(".syntax unified\\n .thumb\\n .text\\n .balign 4\\n"
      ".thumb_func\\n leaf: bx lr\\n"
      ".thumb_func\\n framed: push {{r4, lr}}\\n pop {{r4, pc}}\\n");
{functions}
int main(void) {{
  serial_open(); fpu_on(); counter_start();
  {calls}
  for (;;) serial_get();
}}
"""


@pytest.fixture(scope="module")
def all_sequences(build: Build) -> Path:
    return build(timed(code for code, _ in SEQUENCES.values()))


def test_hand_computed_sequences(all_sequences: Path, boot: Boot) -> None:
    _, output = boot(all_sequences, cycles=TRM)
    told = [int(line, 16) for line in output.split()]
    measured = dict(zip(SEQUENCES, zip(told[::2], told[1::2], strict=True), strict=True))
    expected = {name: (OVERHEAD + c, OVERHEAD + c) for name, (_, c) in SEQUENCES.items()}
    assert measured == expected


def test_every_feature_is_priced_once(build: Build, boot: Boot) -> None:
    """Whole-cycle prices that tell the features apart: each shows as often as it occurs."""
    code = (
        "ldr r0, [r3]\n str r0, [r3, #16]\n ldr r1, [r3]\n nop\n udiv r0, r0, r1\n"
        "b 1f\n nop\n 1: nop"
    )
    prices = {"load_alone": 7, "store_after_load": 10, "load_after_store": 100, "divide": 1000}
    board = TRM.overlaid({**prices, "branch_direct": 500})
    _, output = boot(build(timed([code])), cycles=board)
    expected = (1 + 1 + 7) + 1 + (1 + 10) + (1 + 100) + (1 + 7) + 1000 + (1 + 500) + 1
    assert int(output.split()[0], 16) == expected


PROGRAM = """
#include "board.h"
static int32_t values[64];
int main(void) {
  serial_open(); fpu_on(); counter_start();
  volatile float f = 1.0f;
  for (int i = 0; i < 64; ++i) values[i] = (int32_t)(CYCCNT * 2654435761u) % 1000;
  for (int round = 0; round < 20; ++round) {
    for (int i = 1; i < 64; ++i)
      for (int j = i; j > 0 && values[j - 1] > values[j]; --j) {
        int32_t t = values[j]; values[j] = values[j - 1]; values[j - 1] = t;
      }
    for (int i = 0; i < 64; ++i) { values[i] = values[i] * 1103515245 / (i + 1); f = f * 0.5f + i; }
  }
  serial_hex(CYCCNT);
  for (;;) serial_get();
}
"""


def test_runs_are_equal_to_the_cycle(build: Build, boot: Boot) -> None:
    elf = build(PROGRAM)
    runs = [boot(elf) for _ in range(3)]
    assert len({output for _, output in runs}) == 1
    assert len({mcu.pricing.cycles() for mcu, _ in runs}) == 1
    assert len({tuple(mcu.pricing.features().values()) for mcu, _ in runs}) == 1


def test_repricing_equals_a_run_under_those_parameters(build: Build, boot: Boot) -> None:
    # Without reading CYCCNT: otherwise the program's own course depends on the parameters.
    elf = build(
        PROGRAM.replace("CYCCNT * 2654435761u", "i * 2654435761u").replace(
            "serial_hex(CYCCNT);", ""
        )
    )
    first, _ = boot(elf, cycles=STM32L4R5)
    second, _ = boot(elf, cycles=STM32F405)
    assert first.pricing.repriced(STM32F405) == second.pricing.cycles()
    assert second.pricing.repriced(STM32L4R5) == first.pricing.cycles()
    assert first.pricing.cycles() != second.pricing.cycles()


def test_repricing_is_linear(build: Build, boot: Boot) -> None:
    mcu, _ = boot(build(PROGRAM))
    counts = mcu.pricing.features()
    base = mcu.pricing.repriced(TRM)
    for name in FEATURES[1:]:
        dearer = TRM.overlaid({name: getattr(TRM, name) + 3})
        assert mcu.pricing.repriced(dearer) - base == 3 * counts[name], name
    assert base == sum(counts[name] * round(getattr(TRM, name)) for name in FEATURES)


def test_the_parts_of_a_profile_add_up(build: Build, boot: Boot) -> None:
    from munas.emulator.profile import profile

    elf = build(PROGRAM)
    mcu, _ = boot(elf)
    functions = profile(mcu.pricing, elf)
    assert functions[0].name == "main"
    assert sum(f.instructions for f in functions) == mcu.pricing.instructions()
    assert abs(sum(f.cycles for f in functions) - mcu.pricing.cycles()) <= len(functions)


def test_cyccnt_wraps_at_32_bits(build: Build, boot: Boot) -> None:
    source = """
#include "board.h"
int main(void) {
  serial_open(); counter_start();
  CYCCNT = 0xFFFFFFFA;
  uint32_t before = CYCCNT;
  for (volatile int i = 0; i < 10; ++i) {}
  uint32_t after = CYCCNT;
  serial_hex(before > after); serial_hex(after - before < 200);
  REG(0xE0001000) &= ~1u;
  serial_hex(CYCCNT == CYCCNT);
  for (;;) serial_get();
}
"""
    assert boot(build(source))[1].split() == [b"00000001"] * 3


def test_cyccnt_stands_still_without_trace_enable(build: Build, boot: Boot) -> None:
    source = """
#include "board.h"
int main(void) {
  serial_open();
  REG(0xE0001000) |= 1;
  serial_hex(CYCCNT); serial_hex(CYCCNT);
  for (;;) serial_get();
}
"""
    assert boot(build(source))[1] == b"00000000\n00000000\n"


@pytest.mark.parametrize(
    "values", [{"nonsense": 1}, {"load_alone": "1"}, {"load_alone": -1}, {"base": 2}]
)
def test_wrong_parameters_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(BadInputError):
        TRM.overlaid(values)


def test_parameters_survive_json() -> None:
    assert CycleParameters().overlaid(STM32L4R5.as_json()) == STM32L4R5


def test_a_span_does_not_depend_on_what_ran_before(build: Build, boot: Boot) -> None:
    """Prices with fractions: every repeat takes the same, whatever fraction came before."""
    source = """
#include "board.h"
static volatile uint32_t data[4];
__attribute__((noinline)) static uint32_t span(void) {
  uint32_t before = CYCCNT;
  for (int i = 0; i < 7; ++i) { data[0]; data[1] = data[2] * 3u; __asm volatile("nop"); }
  return CYCCNT - before;
}
int main(void) {
  serial_open(); counter_start();
  for (int i = 0; i < 12; ++i) {
    uint32_t taken = span();
    for (volatile int j = 0; j < i; ++j) {}
    serial_hex(taken);
  }
  for (;;) serial_get();
}
"""
    _, output = boot(build(source))
    assert len(set(output.split())) == 1
