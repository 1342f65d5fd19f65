"""The same ELF in QEMU: the same answers and the same number of instructions."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

QEMU = "qemu-system-arm"
QEMU_CLOCK_HZ = (
    168_000_000  # of netduinoplus2's SysTick; with -icount shift=0 an instruction is 1 ns
)


def in_qemu(elf: Path, sent: str, lines: int) -> list[int]:
    """What the firmware answers on USART2 in QEMU's STM32F405."""
    with subprocess.Popen(
        [
            QEMU,
            *("-M", "netduinoplus2", "-nographic", "-monitor", "none", "-kernel", str(elf)),
            *("-icount", "shift=0,sleep=off", "-serial", "null", "-serial", "stdio"),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin and process.stdout
        try:
            assert process.stdout.readline() == "ready\n"
            answers = []
            for byte in sent:
                process.stdin.write(byte)
                process.stdin.flush()
                answers += [int(process.stdout.readline(), 16) for _ in range(lines)]
            return answers
        finally:
            process.kill()


def test_answers_and_instructions_agree(
    build: Callable[..., Path], boot: Callable[..., Any], run_on: Callable[..., bytes]
) -> None:
    if shutil.which(QEMU) is None:
        pytest.skip(f"{QEMU} is not installed")
    source = (Path(__file__).parent / "firmware" / "workload.c").read_text()
    elf = build(source, "STM32F405")
    theirs = in_qemu(elf, "abd", 2)

    mcu, _ = boot(elf, "STM32F405")
    ours, instructions = [], []
    for byte in (b"a", b"b", b"d"):
        before = mcu.pricing.instructions()
        mcu.feed(byte)
        ours.append(int(run_on(mcu).split()[0], 16))
        instructions.append(mcu.pricing.instructions() - before)

    assert ours == theirs[::2]
    # Differences of two runs leave out what surrounds the work; a tick is about six instructions.
    ticks = theirs[1::2]
    for more, less in ((1, 0), (2, 1)):
        expected = (ticks[more] - ticks[less]) * 1_000_000_000 / QEMU_CLOCK_HZ
        assert instructions[more] - instructions[less] == pytest.approx(expected, abs=25)
