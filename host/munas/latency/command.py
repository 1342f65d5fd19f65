"""Measuring files: what `munas measure` does, without the command line."""

from __future__ import annotations

import logging
import os
import tempfile
import time
from collections.abc import Generator, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from munas.boards.board import Board
from munas.boards.open import open_board
from munas.boards.registry import find_board
from munas.boards.session import Session
from munas.errors import BadInputError, ExitCode
from munas.firmware.image import image_of_elf
from munas.latency.engine import EngineChoice, EngineName, choose_engine, kernels_of, parse_engine
from munas.latency.measure import Measurer
from munas.latency.measurement import Measurement
from munas.latency.repeats import Repeats
from munas.link.framelog import FrameLog

log = logging.getLogger(__name__)

# Names of faults that lie with the model, not with the board.
MODEL_FAULTS = frozenset({"convert", "infeasible", "bad-input"})


@dataclass(frozen=True)
class Request:
    """What to measure, where and how; see `munas measure --help`."""

    models: tuple[Path, ...]
    board: str
    engine: str = "auto"
    repeats: Repeats = "auto"
    per_operator: bool = False
    minimal_arena: bool = False
    elf: Path | None = None
    port: str | None = None
    unit: str | None = None
    log_frames: bool = False

    @property
    def given(self) -> bool:
        """Whether the firmware is there already, so that none is built."""
        return self.elf is not None or self.port is not None


class Outcome:
    """Iterate to measure; `exit_code` and `note` are then settled."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._errors: list[str] = []
        self._done = 0
        self._board: Board | None = None

    def __iter__(self) -> Iterator[Measurement]:
        request = self._request
        read = [(str(path), _read(path)) for path in request.models]
        models = [(name, data) for name, data in read if isinstance(data, bytes)]
        with closing(self._measured(models)) as measured:
            for name, found in read:
                measurement = (
                    _unread(name, found, request)
                    if isinstance(found, BadInputError)
                    else next(measured)
                )
                self._done += 1
                if measurement.error is not None:
                    self._errors.append(measurement.error["name"])
                yield measurement

    def _measured(self, models: list[tuple[str, bytes]]) -> Generator[Measurement]:
        request = self._request
        with ExitStack() as stack:
            board = open_board(request.board, unit=request.unit, port=request.port)
            stack.callback(board.close)
            self._board = board
            frames = self._frame_log(stack) if request.log_frames else None
            engine = _engine(request, board)
            measurer = stack.enter_context(
                Measurer(
                    board,
                    engine,
                    repeats=request.repeats,
                    per_operator=request.per_operator,
                    minimal_arena=request.minimal_arena,
                    image=None if request.elf is None else image_of_elf(request.elf),
                    session=Session(board, frames),
                )
            )
            if request.given:
                _require_engine(measurer, request)
            yield from measurer.measure_all(models)

    def _frame_log(self, stack: ExitStack) -> FrameLog:
        """Every frame of the line goes into a file of its own."""
        descriptor, name = tempfile.mkstemp(prefix="munas-frames-", suffix=".log")
        log.info("Frames are written to %s.", name)
        return FrameLog(stack.enter_context(os.fdopen(descriptor, "w")), time.monotonic)

    @property
    def exit_code(self) -> ExitCode:
        """0 all measured, 2 only bad models failed, 3 some failed on the board, 4 none measured.

        Models that are all bad are 2, although none was measured: another board would not help.
        """
        if not self._errors:
            return ExitCode.DONE
        if MODEL_FAULTS.issuperset(self._errors):
            return ExitCode.BAD_INPUT
        if len(self._errors) == self._done:
            return ExitCode.NOTHING_MEASURED
        return ExitCode.INFRASTRUCTURE

    def note(self) -> None:
        """Say how true the board's numbers are, where they are not hardware's."""
        if self._board is not None and self._board.capabilities.note:
            log.info("%s: %s", self._board.type.name, self._board.capabilities.note)


def measure_models(request: Request) -> Outcome:
    """Nothing happens before the outcome is iterated over. Raises MunasErrors then."""
    return Outcome(request)


def parse_repeats(text: str) -> Repeats:
    """`auto` or a positive number. Raises BadInputError."""
    if text == "auto":
        return "auto"
    if not text.isdigit() or int(text) == 0:
        raise BadInputError(f"--repeats is {text!r}.", "Give a number from 1 on, or auto.")
    return int(text)


def _read(path: Path) -> bytes | BadInputError:
    """A file that cannot be read is one bad model: the others are measured all the same."""
    try:
        return path.read_bytes()
    except OSError as error:
        return BadInputError(
            f"{path} cannot be read: {error.strerror}.", "Give int8 .tflite files."
        )


def _unread(name: str, error: BadInputError, request: Request) -> Measurement:
    source: Literal["silicon", "emulated"] = (
        "emulated" if find_board(request.board).emulated else "silicon"
    )
    return Measurement(
        model=name,
        model_sha256="",
        board=request.board,
        unit=request.unit or "",
        source=source,
        error=error.as_dict(),
    )


def _require_engine(measurer: Measurer, request: Request) -> None:
    """A given firmware has the engine that it has. Raises BadInputError where another was named."""
    requested = parse_engine(request.engine)
    if requested == "auto":
        return
    engine = measurer.greet().engine
    if engine != requested:
        raise BadInputError(
            f"The firmware at {request.elf or request.port} has the engine {engine}, not "
            f"{requested}.",
            f"Leave --engine out, or name {engine}.",
        )


def _engine(request: Request, board: Board) -> EngineChoice:
    """With a firmware that is there already the engine is what it has."""
    requested = parse_engine(request.engine)
    if request.given:
        name: EngineName = "aot" if requested == "aot" else "tflm"
        return EngineChoice(name, kernels_of(board.type), None, "the firmware is given")
    choice = choose_engine(board.type, requested)
    log.info("Engine %s: %s.", choice.name, choice.reason)
    return choice
