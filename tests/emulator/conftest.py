"""Builds small firmwares for the tests and runs them in this process."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

FIRMWARE = Path(__file__).parent / "firmware"
LAYOUT = {"STM32L4R5": (0x08000000, 0x200A0000), "STM32F405": (0x08000000, 0x20020000)}

Build = Callable[..., Path]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what cannot run here, and say why."""
    for item in items:
        if Path(__file__).parent not in item.path.parents:
            continue
        if shutil.which("arm-none-eabi-gcc") is None and "build" in getattr(
            item, "fixturenames", ()
        ):
            item.add_marker(pytest.mark.skip(reason="arm-none-eabi-gcc is not installed"))


@pytest.fixture
def emulator_extra() -> None:
    """Skip where the emulator's libraries are missing."""
    for name in ("unicorn", "capstone", "llvmlite"):
        pytest.importorskip(name, reason="the extra `emulator` is not installed")


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """build(source, chip="STM32L4R5", name=…, flags=…) -> ELF.

    `source` is C with `int main(void)`; the start-up code and the helpers of firmware/board.h come
    with it. Assembly sources begin with ".syntax".
    """
    folder = tmp_path_factory.mktemp("firmware")

    def run(source: str, chip: str = "STM32L4R5", flags: tuple[str, ...] = ()) -> Path:
        number = len(list(folder.iterdir()))
        suffix = ".s" if source.lstrip().startswith(".syntax") else ".c"
        path = folder / f"{number}{suffix}"
        path.write_text(source)
        elf = path.with_suffix(".elf")
        flash, stack = LAYOUT[chip]
        command = [
            "arm-none-eabi-gcc",
            "-mcpu=cortex-m4",
            "-mthumb",
            "-mfpu=fpv4-sp-d16",
            "-mfloat-abi=hard",
            "-O2",
            "-g",
            "-nostartfiles",
            "--specs=nosys.specs",
            "--specs=nano.specs",
            f"-D{chip}",
            f"-I{FIRMWARE}",
            f"-Wl,-T,{FIRMWARE / 'test.ld'},--defsym=flash_base={flash:#x}",
            f"-Wl,--defsym=stack_top={stack:#x},--no-warn-rwx-segments",
            *flags,
            str(path),
            str(FIRMWARE / "start.c"),
            "-o",
            str(elf),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return elf

    return run
