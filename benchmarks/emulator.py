"""Emulated board against QEMU on the same ELF, in one run.

    python benchmarks/emulator.py

Prints millions of emulated instructions a second for the emulated board (its cycle model on) and
for `qemu-system-arm -M netduinoplus2` with `-icount` (repeatable, as the emulated board is) and
without, the ratios, and the time from starting the emulator of an ELF that it has never seen to the
end of the first work. Speeds are by the processor time of the two processes, so that a busy machine
disturbs them less; the start-up is by the clock. Linux only.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import serial

from munas.emulator import BoardParameters, spawn

FIRMWARE = Path(__file__).parent.parent / "tests" / "emulator" / "firmware"
ROUNDS_PER_UNIT = 40
UNITS = 20
REPEATS = 3


def build(folder: Path) -> Path:
    """The workload for an STM32F405."""
    elf = folder / "workload.elf"
    subprocess.run(
        [
            "arm-none-eabi-gcc",
            *("-mcpu=cortex-m4", "-mthumb", "-mfpu=fpv4-sp-d16", "-mfloat-abi=hard", "-O2"),
            *("-nostartfiles", "--specs=nosys.specs", "--specs=nano.specs"),
            *(f"-DUNIT={ROUNDS_PER_UNIT}", "-DSTM32F405", f"-I{FIRMWARE}"),
            f"-Wl,-T,{FIRMWARE / 'test.ld'},--defsym=flash_base=0x08000000",
            "-Wl,--defsym=stack_top=0x20020000,--no-warn-rwx-segments",
            *(str(FIRMWARE / "workload.c"), str(FIRMWARE / "start.c"), "-o", str(elf)),
        ],
        check=True,
    )
    return elf


def processor_s(pid: int) -> float:
    """Processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(ask: Callable[[bytes], bytes], pid: int) -> tuple[float, bytes]:
    """Processor time of one request, the median of some, and the answer."""
    times, answer = [], b""
    for _ in range(REPEATS):
        before = processor_s(pid)
        answer = ask(bytes([ord("a") + UNITS - 1]))
        times.append(processor_s(pid) - before)
    return statistics.median(times), answer


@dataclass(frozen=True)
class Emulated:
    """What the emulated board took."""

    work_s: float
    first_work_s: float
    instructions: int
    answer: bytes


def emulated(elf: Path) -> Emulated:
    """Start-up and speed of the emulated board."""
    start = time.perf_counter()
    board = spawn(BoardParameters.of_chip("STM32F405RG"), elf)
    with board, serial.serial_for_url(board.url, timeout=60) as line:

        def ask(request: bytes) -> bytes:
            line.write(request)
            return bytes(line.readline() + line.readline())[:8]

        line.readline()
        ask(b"a")
        first = time.perf_counter() - start
        before = board.counters().instructions
        work, answer = measure(ask, board.pid)
        instructions = (board.counters().instructions - before) // REPEATS
    return Emulated(work, first, instructions, answer)


def qemu(elf: Path, *options: str) -> tuple[float, bytes]:
    """Processor time of QEMU for the same work, and its answer."""
    with subprocess.Popen(
        [
            *("qemu-system-arm", "-M", "netduinoplus2", "-nographic", "-monitor", "none"),
            *("-kernel", str(elf), "-serial", "null", "-serial", "stdio", *options),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdin and process.stdout
        pipe_in, pipe_out = process.stdin, process.stdout

        def ask(request: bytes) -> bytes:
            pipe_in.write(request)
            pipe_in.flush()
            return (pipe_out.readline() + pipe_out.readline())[:8]

        pipe_out.readline()
        ask(b"a")
        result = measure(ask, process.pid)
        process.kill()
    return result


def main() -> int:
    """Run both and print the ratio."""
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    missing = [t for t in ("arm-none-eabi-gcc", "qemu-system-arm") if shutil.which(t) is None]
    if missing:
        print(f"not installed: {', '.join(missing)}", file=sys.stderr)
        return 3
    with tempfile.TemporaryDirectory() as folder:
        elf = build(Path(folder))
        ours = emulated(elf)
        plain, answer = qemu(elf)
        counting, counted_answer = qemu(elf, "-icount", "shift=0,sleep=off")
    assert ours.answer == answer == counted_answer, "they disagree about the result"
    document = {
        "emulated_mips": round(ours.instructions / ours.work_s / 1e6),
        "qemu_icount_mips": round(ours.instructions / counting / 1e6),
        "qemu_mips": round(ours.instructions / plain / 1e6),
        "over_qemu_icount": round(counting / ours.work_s, 2),
        "over_qemu": round(plain / ours.work_s, 2),
        "first_work_s": round(ours.first_work_s, 2),
        "instructions": ours.instructions,
    }
    print(json.dumps(document))
    return 0


if __name__ == "__main__":
    sys.exit(main())
