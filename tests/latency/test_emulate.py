"""Serving an emulated board in this process."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from munas.boards.emulated import EmulatedBoard
from munas.boards.registry import find_board
from munas.errors import BadInputError
from munas.firmware.build import BuildRequest, build
from munas.firmware.image import image_of_elf
from munas.latency.emulate import serve

_ABSENT = [p for p in ("unicorn", "numba", "bakenn") if importlib.util.find_spec(p) is None]
if shutil.which("arm-none-eabi-gcc") is None:
    _ABSENT.append("arm-none-eabi-gcc")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(_ABSENT), reason=f"needs {', '.join(_ABSENT)}"),
]


CHIPS = ("emulated_stm32l4r5", "emulated_stm32f405")


@pytest.fixture(scope="module")
def elf() -> Path:
    return build(BuildRequest(CHIPS[0], "aot")).elf


def test_an_interrupt_at_any_time_still_leaves_the_totals(elf: Path) -> None:
    before = signal.getsignal(signal.SIGINT)
    with serve("emulated_stm32l4r5", elf=elf, engine="aot", tcp=True, reprice=None) as served:
        os.kill(os.getpid(), signal.SIGINT)
        served.wait()
        os.kill(os.getpid(), signal.SIGINT)
        assert served.totals()["cycles"] > 0
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize(("board", "other"), [CHIPS, CHIPS[::-1]])
def test_an_elf_for_another_chip_is_bad_input(board: str, other: str) -> None:
    given = image_of_elf(build(BuildRequest(other, "aot")).elf)
    with pytest.raises(BadInputError, match=f"was built for an .*; {board} has an"):
        EmulatedBoard(find_board(board)).flash(given)
    # An ELF that does not say so is seen through by where its parts go, if it does not fit.
    if board == "emulated_stm32f405":
        with pytest.raises(BadInputError, match="where the chip has no memory"):
            EmulatedBoard(find_board(board)).flash(replace(given, mcu=""))
