"""Boards that tests measure on: opened once a process, held for one test at a time.

Must not know pytest.
"""

from __future__ import annotations

import fcntl
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from munas.boards.board import Board
from munas.boards.lease import lease_folder
from munas.boards.registry import find_board
from munas.errors import BadInputError, UnreachableError
from munas.latency.engine import EngineChoice, choose_engine, kernels_of, parse_engine
from munas.latency.measurement import Measurement
from munas.latency.repeats import Repeats
from munas.latency.table import summary
from munas.regress.plan import OWN, Firmware, Group, parse_firmware
from munas.regress.take import measurer_of, open_for

_POLL_S = 0.1


@dataclass(frozen=True)
class Key:
    """What makes one rig another."""

    board: str
    engine: str
    firmware: Firmware
    unit: str | None


class Rig:
    """One board with one firmware, in this process. `close` lets go of it; closing twice is
    harmless."""

    def __init__(self, key: Key, open_device: Callable[..., Board] = open_for) -> None:
        self.key = key
        self._open = open_device
        self._board: Board | None = None
        self.used = False
        """Whether a firmware runs on the open board that has measured something."""

    @cached_property
    def group(self) -> Group:
        """Raises MunasErrors for a board or an engine that cannot be had."""
        kind = find_board(self.key.board)
        return Group(kind, kind, self._engine(), ())

    def _engine(self) -> EngineChoice:
        kind, requested = find_board(self.key.board), parse_engine(self.key.engine)
        if self.key.firmware.given:
            name = "tflm" if requested == "auto" else requested
            return EngineChoice(name, kernels_of(kind), None, "the firmware is given")
        return choose_engine(kind, requested)

    @property
    def board(self) -> Board:
        """The open board. Raises UnreachableError where it is not attached."""
        if self._board is None:
            self._board = self._open(self.group, self.key.firmware, self.key.unit)
        return self._board

    @contextmanager
    def held(self, wait_s: float) -> Iterator[None]:
        """Hold the device for this process, waiting while another has it.

        An emulated board is this process' own, so there is nothing to wait for. Raises
        UnreachableError after `wait_s`.
        """
        if self.board.capabilities.flashes and self.board.type.emulated:
            yield
            return
        folder = lease_folder()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        unit = re.sub(r"[^A-Za-z0-9_.-]", "_", self.board.unit)
        with (folder / f"{unit}.turn").open("a+") as handle:
            self._wait(handle.fileno(), wait_s)
            handle.seek(0)
            if handle.read() != str(os.getpid()):
                # Whatever another process has flashed: it is flashed anew.
                self.close()
                handle.truncate(0)
                handle.write(str(os.getpid()))
                handle.flush()
            try:
                yield
            finally:
                fcntl.flock(handle, fcntl.LOCK_UN)

    def _wait(self, handle: int, wait_s: float) -> None:
        deadline = time.monotonic() + wait_s
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise UnreachableError(
                        f"{self.key.board} ({self.board.unit}) was in use by another test for "
                        f"{wait_s:.0f} s.",
                        "Let workers wait longer (--munas-wait), or use --dist loadgroup.",
                    ) from None
                time.sleep(_POLL_S)

    def close(self) -> None:
        board, self._board, self.used = self._board, None, False
        if board is not None:
            board.close()


class MeasuringBoard:
    """What a test gets: a board that measures. `measured` are summaries of what it did."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self.measured: list[str] = []

    @property
    def name(self) -> str:
        return self._rig.key.board

    @property
    def unit(self) -> str:
        return self._rig.board.unit

    @property
    def engine(self) -> str:
        """The engine that is built; with a given firmware a measurement's own `engine` tells."""
        return self._rig.group.engine.name

    def measure(
        self,
        model: str | Path | bytes,
        *,
        repeats: Repeats = "auto",
        per_operator: bool = False,
        minimal_arena: bool = False,
    ) -> Measurement:
        """Measure an int8 .tflite, given as a path or as bytes.

        Raises MunasErrors: exit code 2 concerns the model, 3 the board or a wrong answer.
        """
        named = model_of(model)
        if repeats != "auto" and repeats < 1:
            raise BadInputError(f"repeats is {repeats}.", "Give a number from 1 on, or auto.")
        if self._rig.used:
            self._rig.board.reset()  # no test depends on what ran before it
        with measurer_of(
            self._rig.group,
            self._rig.key.firmware,
            self._rig.board,
            repeats=repeats,
            per_operator=per_operator,
            minimal_arena=minimal_arena,
        ) as measurer:
            found = measurer.measure(named)
        self._rig.used = self._rig.board.capabilities.flashes
        self.measured.append(summary(found))
        return found

    __call__ = measure


def model_of(model: str | Path | bytes) -> tuple[str, bytes]:
    """A model's name and bytes. Raises BadInputError where its file cannot be read."""
    if isinstance(model, bytes):
        return "model", model
    try:
        return Path(model).name, Path(model).read_bytes()
    except OSError as error:
        raise BadInputError(f"The model {model} cannot be read: {error.strerror}.") from None


_rigs: dict[Key, Rig] = {}


def rig_of(
    board: str,
    *,
    engine: str = "auto",
    tree: str | None = None,
    elf: str | None = None,
    port: str | None = None,
    unit: str | None = None,
) -> Rig:
    """This process' rig for these options. Raises MunasErrors for options that are wrong."""
    named = tree or elf
    firmware = Firmware(port=port) if port else OWN if named is None else parse_firmware(named)
    key = Key(board, engine, firmware, unit)
    if key not in _rigs:
        rig = Rig(key)
        _ = rig.group  # what is wrong is told before anything is held
        _rigs[key] = rig
    return _rigs[key]


def close_all() -> None:
    """Let go of every board of this process."""
    for rig in _rigs.values():
        rig.close()
    _rigs.clear()
