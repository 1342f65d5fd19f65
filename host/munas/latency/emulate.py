"""Serving an emulated board to other tools: what `munas emulate` does."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from munas.boards.emulated import EmulatedBoard
from munas.boards.registry import find_board
from munas.emulator import Counts
from munas.errors import BadInputError
from munas.firmware.image import image_of_elf
from munas.latency.engine import empty_firmware, parse_engine


@dataclass
class Served:
    """A running emulated board. `description` is what scripts read first."""

    board: EmulatedBoard
    url: str
    description: dict[str, Any]
    parameters: dict[str, Any] | None
    last: Counts | None = None

    def wait(self) -> None:
        """Return when the person interrupts or the emulator ends."""
        pause = threading.Event()
        try:
            while self.board.process.alive and not pause.wait(0.5):
                pass
        except KeyboardInterrupt:
            return

    def totals(self) -> dict[str, Any]:
        """Cycles and instructions since power-on; priced again where parameters were given."""
        return asdict(self.board.process.counters(self.parameters))


@contextmanager
def serve(
    name: str, *, elf: Path | None, engine: str, tcp: bool, reprice: Path | None
) -> Iterator[Served]:
    """Boot `elf` (null: munas' own firmware, built if need be) on the emulated board `name`."""
    parameters = None if reprice is None else _parameters(reprice)
    board = EmulatedBoard(find_board(name), transport="tcp" if tcp else "pty")
    try:
        if elf is None:
            board.flash(empty_firmware(board.type, parse_engine(engine)))
        else:
            board.flash(image_of_elf(elf))
        url = board.process.url
        described = {"board": name, "url": url, "pid": board.process.pid}
        yield Served(board, url, described, parameters)
    finally:
        board.close()


def _parameters(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadInputError(f"{path} cannot be read: {error}.") from None
    if not isinstance(found, dict):
        raise BadInputError(f"{path} is no JSON object of cycle parameters.")
    return found
