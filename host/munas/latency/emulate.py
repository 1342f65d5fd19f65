"""Serving an emulated board to other tools: what `munas emulate` does."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator, Sized
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from munas.boards.emulated import EmulatedBoard
from munas.boards.registry import find_board
from munas.errors import BadInputError
from munas.firmware.image import FirmwareImage, image_of_elf
from munas.latency.engine import empty_firmware, parse_engine

_LOOK_AROUND_S = 0.2


@dataclass
class Served:
    """A running emulated board. `description` is what scripts read first."""

    board: EmulatedBoard
    url: str
    description: dict[str, Any]
    parameters: dict[str, Any] | None
    interrupts: Sized
    note: str = ""
    """What the person must know of the firmware, if anything."""

    def wait(self) -> None:
        """Return when the person interrupts or the emulator ends."""
        while self.board.process.alive and not self.interrupts:
            time.sleep(_LOOK_AROUND_S)

    def totals(self) -> dict[str, Any]:
        """Cycles and instructions since power-on; priced again where parameters were given."""
        return asdict(self.board.process.counters(self.parameters))


@contextmanager
def serve(
    name: str, *, elf: Path | None, engine: str, tcp: bool, reprice: Path | None
) -> Iterator[Served]:
    """Boot `elf` (null: munas' own firmware, built if need be) on the emulated board `name`.

    From here to the end Ctrl-C raises nothing, so that totals can be told whenever it comes. Use it
    in the main thread. Raises BadInputError for an ELF that is not for this board, and for cycle
    parameters that the model does not have.
    """
    board = EmulatedBoard(find_board(name), transport="tcp" if tcp else "pty")
    parameters = None if reprice is None else _parameters(reprice, board)
    image = None if elf is None else image_of_elf(elf)
    try:
        if image is None:
            image = empty_firmware(board.type, parse_engine(engine))
        board.flash(image)
        url = board.process.url
        described = {"board": name, "url": url, "pid": board.process.pid}
        with _noted_interrupts() as interrupts:
            yield Served(board, url, described, parameters, interrupts, _note(image))
    finally:
        board.close()


@contextmanager
def _noted_interrupts() -> Iterator[Sized]:
    """Ctrl-C only makes what is yielded longer."""
    noted: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: noted.append(number))
    try:
        yield noted
    finally:
        signal.signal(signal.SIGINT, before)


def _note(image: FirmwareImage) -> str:
    if image.engine != "aot" or image.models:
        return ""
    return (
        "its firmware has the engine aot and no models, so nothing can be measured on it; give one "
        "with models (--elf), or --engine tflm, which loads them"
    )


def _parameters(path: Path, board: EmulatedBoard) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadInputError(f"{path} cannot be read: {error}.") from None
    if not isinstance(found, dict):
        raise BadInputError(f"{path} is no JSON object of cycle parameters.")
    try:
        board.parameters.cycles.overlaid(found)
    except BadInputError as error:
        raise BadInputError(f"{path}: {error.what}", error.mend) from None
    return found
