"""Emulated board against QEMU on the same ELF, in one run.

    python benchmarks/emulator.py

Prints millions of emulated instructions a second for the emulated board (its cycle model on) and
for `qemu-system-arm -M netduinoplus2` with `-icount` (repeatable, as the emulated board is) and
without, the ratios, and the time from starting the emulator of an ELF that it has never seen to the
end of the first work. Speeds are by the processor time of the processes, which work in turns, so
that a busy machine disturbs them less and alike; the start-up is by the clock. Linux only.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import serial

from munas.emulator import BoardParameters, spawn

FIRMWARE = Path(__file__).parent.parent / "tests" / "emulator" / "firmware"
ROUNDS_PER_UNIT = 40
UNITS = 20
REPEATS = 5


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
    threads = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((t / "schedstat").read_text().split()[0]) for t in threads) / 1e9


@dataclass
class Contestant:
    """A process that does the work: `ask` sends a request and returns the answer."""

    ask: Callable[[bytes], bytes]
    pid: int
    times_s: list[float] = field(default_factory=list)
    answers: set[bytes] = field(default_factory=set)

    def work(self) -> None:
        """Do the work once."""
        before = processor_s(self.pid)
        self.answers.add(self.ask(bytes([ord("a") + UNITS - 1])))
        self.times_s.append(processor_s(self.pid) - before)

    @property
    def work_s(self) -> float:
        """Processor time of the work, the median."""
        return statistics.median(self.times_s)


@contextmanager
def qemu(elf: Path, *options: str) -> Iterator[Contestant]:
    """QEMU with the ELF."""
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

        try:
            pipe_out.readline()
            ask(b"a")
            yield Contestant(ask, process.pid)
        finally:
            process.kill()


def compete(elf: Path) -> dict[str, float]:
    """Run all in turns; the document to print."""
    start = time.perf_counter()
    board = spawn(BoardParameters.of_chip("STM32F405RG"), elf)
    with board, serial.serial_for_url(board.url, timeout=60) as line:

        def ask(request: bytes) -> bytes:
            line.write(request)
            return bytes(line.readline() + line.readline())[:8]

        line.readline()
        ask(b"a")
        first_work_s = time.perf_counter() - start
        before = board.counters().instructions
        ours = Contestant(ask, board.pid)
        with qemu(elf) as plain, qemu(elf, "-icount", "shift=0,sleep=off") as counting:
            for _ in range(REPEATS):
                for contestant in (ours, plain, counting):
                    contestant.work()
        instructions = (board.counters().instructions - before) // REPEATS
    assert ours.answers == plain.answers == counting.answers, "they disagree about the result"
    assert len(ours.answers) == 1, "the result changes"
    return {
        "emulated_mips": round(instructions / ours.work_s / 1e6),
        "qemu_icount_mips": round(instructions / counting.work_s / 1e6),
        "qemu_mips": round(instructions / plain.work_s / 1e6),
        "over_qemu_icount": round(counting.work_s / ours.work_s, 3),
        "over_qemu": round(plain.work_s / ours.work_s, 3),
        "first_work_s": round(first_work_s, 2),
        "instructions": instructions,
    }


def main() -> int:
    """Run both and print the ratio."""
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    missing = [t for t in ("arm-none-eabi-gcc", "qemu-system-arm") if shutil.which(t) is None]
    if missing:
        print(f"not installed: {', '.join(missing)}", file=sys.stderr)
        return 3
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(compete(build(Path(folder)))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
