"""Builds small firmwares for the tests and runs them in this process."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

FIRMWARE = Path(__file__).parent / "firmware"
STACK_TOP = {"STM32L4R5": 0x200A0000, "STM32F405": 0x20020000}
COMPILER = "arm-none-eabi-gcc"


def _gcc(chip: str, *arguments: str) -> None:
    core = ("-mcpu=cortex-m4", "-mthumb", "-mfpu=fpv4-sp-d16", "-mfloat-abi=hard")
    command = [COMPILER, *core, "-O2", "-g", f"-D{chip}", f"-I{FIRMWARE}", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """build(source, chip="STM32L4R5", flags=()) -> ELF.

    `source` is C with `int main(void)`; start-up code and the helpers of firmware/board.h come
    with it.
    """
    if shutil.which(COMPILER) is None:
        pytest.skip(f"{COMPILER} is not installed")
    folder = tmp_path_factory.mktemp("firmware")
    start = {chip: folder / f"start-{chip}.o" for chip in STACK_TOP}
    for chip, compiled in start.items():
        _gcc(chip, "-c", str(FIRMWARE / "start.c"), "-o", str(compiled))

    def run(source: str, chip: str = "STM32L4R5", flags: tuple[str, ...] = ()) -> Path:
        path = folder / f"{len(list(folder.glob('*.c')))}.c"
        path.write_text(source)
        elf = path.with_suffix(".elf")
        place = f"--defsym=flash_base=0x08000000,--defsym=stack_top={STACK_TOP[chip]:#x}"
        _gcc(
            chip,
            *("-nostartfiles", "--specs=nosys.specs", "--specs=nano.specs", *flags),
            f"-Wl,-T,{FIRMWARE / 'test.ld'},{place},--no-warn-rwx-segments",
            *(str(path), str(start[chip]), "-o", str(elf)),
        )
        return elf

    return run


@pytest.fixture
def run_on() -> Callable[..., bytes]:
    """run_on(mcu, slices=64): run until the firmware waits; what it sent until then."""
    for name in ("unicorn", "capstone", "llvmlite"):
        pytest.importorskip(name, reason="the extra `emulator` is not installed")

    def run(mcu: Any, slices: int = 64) -> bytes:
        sent = b""
        for _ in range(slices):
            pause = mcu.run()
            sent += mcu.drain()
            if pause == "waiting":
                return sent
        raise AssertionError(f"the firmware still runs; it sent {sent[-99:]!r}")

    return run


@pytest.fixture
def boot(run_on: Callable[..., bytes]) -> Callable[..., Any]:
    """boot(elf, chip="STM32L4R5", **board) -> (mcu, output until the firmware waits)."""
    from munas.emulator import BoardParameters
    from munas.emulator.mcu import EmulatedMcu

    def start(elf: Path, chip: str = "STM32L4R5", **board: Any) -> tuple[Any, bytes]:
        mcu = EmulatedMcu(BoardParameters.of_chip(chip, **board), elf)
        return mcu, run_on(mcu)

    return start
