"""A session on one board: the lease, the firmware, the client, and the way back from faults.

The recovery ladder: a frame is sent again (the client does that), then the line is resynchronised,
the board reset, the image flashed anew; a board that none of it brings back is quarantined for this
session. Must not know what is done on the board.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType
from typing import Self, TypeVar

from munas.boards.board import Board
from munas.boards.checks import CLIENT_HELLO_S
from munas.errors import (
    BadInputError,
    DeadlineError,
    FlashError,
    InfrastructureError,
    MunasError,
    TransportError,
    UnreachableError,
)
from munas.firmware.image import FirmwareImage
from munas.link.client import Client, Identity
from munas.link.faults import BoardCrashError, BoardRestartedError
from munas.link.framelog import FrameLog

log = logging.getLogger(__name__)
_T = TypeVar("_T")

_LINE_FAULTS = (TransportError, DeadlineError, BoardCrashError, BoardRestartedError)
_RESET_S = 2.0
_EMULATOR_MEND = (
    "Go on, or start again: the emulator then starts anew. If it ends again, see what memory is "
    "free, and munas doctor."
)


class QuarantinedError(InfrastructureError):
    """The board did not come back by any step of the ladder; nothing more is asked of it."""

    name = "quarantined"


class WrongClockError(QuarantinedError):
    """An emulated board's firmware runs at another clock than its board file says."""


# What says that the board itself is gone, not that one piece of work on it failed.
BOARD_LOST = (QuarantinedError, UnreachableError, FlashError)


class Session:
    """Use as a context manager: the lease is held inside it.

    `start(image)` before anything else; `client` then speaks with the running firmware.
    """

    def __init__(self, board: Board, log_frames: FrameLog | None = None) -> None:
        self.board = board
        self.recoveries: list[str] = []
        """Every step of the ladder that was climbed, with what made it necessary."""
        self._log_frames = log_frames
        self._client: Client | None = None
        self._identity: Identity | None = None
        self._image: FirmwareImage | None = None
        self._quarantine: MunasError | None = None
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._stack.enter_context(self.board.lease())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._hang_up()
        self._stack.close()

    @property
    def client(self) -> Client:
        """Raises TransportError before `start`."""
        if self._client is None:
            raise TransportError(f"There is no line to {self.board.type.name} yet.")
        return self._client

    @property
    def greeted(self) -> bool:
        """Whether a firmware has said who it is."""
        return self._identity is not None

    @property
    def identity(self) -> Identity:
        """What the running firmware said of itself."""
        if self._identity is None:
            raise TransportError(f"{self.board.type.name} has not said who it is yet.")
        return self._identity

    def start(self, image: FirmwareImage | None) -> Identity:
        """Flash `image` (null: take the firmware that runs) and greet it, climbing if need be.

        A board that runs that very image is not flashed again; an emulator that has ended is.
        """
        self._refuse_quarantined()
        self._hang_up()
        if image is not None:
            self.board.flash(image)
        self._image = image
        # A port that does not open (no permission, in use) is nothing that the ladder mends.
        try:
            self._client = Client(self.board.open(), self._log_frames)
        except TransportError as error:
            raise UnreachableError(error.what, error.mend) from error
        identity = self._climb_until(self._hello)
        self._require_clock(identity)
        return identity

    def fresh(self) -> None:
        """Restart the firmware, so that nothing of what ran before is left, and greet it."""

        def restart() -> Identity:
            self.client.reset(self.client.deadline(_RESET_S))
            return self._hello()

        self._climb_until(restart)

    def attempt(self, work: Callable[[Client], _T]) -> _T:
        """Do `work`, which must be able to start over, once more after a fault of the line.

        A second fault is raised; the board is brought back first, so that it is usable for the next
        work. Raises QuarantinedError where it does not come back.
        """
        self._refuse_quarantined()
        try:
            return work(self.client)
        except _LINE_FAULTS as error:
            self._recover(error)
        try:
            return work(self.client)
        except _LINE_FAULTS as error:
            self._recover(error)
            raise

    def _recover(self, error: MunasError) -> None:
        log.warning("%s: %s", self.board.type.name, error.what)
        if isinstance(error, TransportError):
            error.mend = self._mend(error, "and start anew.")
        self._climb_until(self._hello, first=error)

    def _climb_until(
        self, done: Callable[[], Identity], first: MunasError | None = None
    ) -> Identity:
        """Try `done`, then each step of the ladder followed by a greeting, until one works."""
        last = why = first
        steps: list[tuple[str, Callable[[], Identity]]] = [
            ("greet" if first is None else "resync", done),
            ("reset", self._reset),
            ("reflash", self._reflash),
        ]
        for name, step in steps:
            if last is not None:
                self.recoveries.append(f"{name}: {last.what}")
            try:
                self._identity = step()
                return self._identity
            except (*_LINE_FAULTS, FlashError, BadInputError) as error:
                last, why = error, why or error
        assert why is not None
        self._hang_up()
        self._quarantine = why
        raise QuarantinedError(
            f"{self.board.type.name} did not come back: {why.what}",
            self._mend(why, "and see munas boards scan."),
        ) from last

    def _refuse_quarantined(self) -> None:
        if self._quarantine is not None:
            raise QuarantinedError(
                f"{self.board.type.name} is quarantined: {self._quarantine.what}",
                self._mend(self._quarantine, "and start anew."),
            )

    def _mend(self, fault: MunasError, then: str) -> str:
        """What helps against a fault that the ladder did not mend."""
        if self.board.type.emulated and isinstance(fault, _LINE_FAULTS):
            return _EMULATOR_MEND  # nothing is to be plugged in
        return fault.mend or f"Unplug it, plug it in again, {then}"

    def _require_clock(self, identity: Identity) -> None:
        """Raises WrongClockError; a physical board may rightly be slower than its type."""
        board = self.board.type
        if not board.emulated or identity.clock_hz == board.clock_hz:
            return
        self._quarantine = WrongClockError(
            f"The firmware of {board.name} runs at {identity.clock_hz:,} Hz; its board file says "
            f"custom_munas_clock_hz = {board.clock_hz:,}.",
            f"Correct {board.path} to {identity.clock_hz}; to have cycles taken at another clock, "
            "write a board file of a physical board that has this one as its custom_munas_twin.",
        )
        raise self._quarantine

    def _greet(self) -> Identity:
        self._hang_up()
        self._client = Client(self.board.open(), self._log_frames)
        return self._hello()

    def _hello(self) -> Identity:
        if self._client is None:
            return self._greet()
        identity = self._client.hello(self._client.deadline(CLIENT_HELLO_S))
        self.board.verify(identity)
        return identity

    def _reset(self) -> Identity:
        self.board.reset()
        return self._greet()

    def _reflash(self) -> Identity:
        self._hang_up()
        if self._image is None:
            raise FlashError("The firmware that ran is not known, so it cannot be flashed again.")
        self.board.close()
        self.board.flash(self._image)
        return self._greet()

    def _hang_up(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            with contextlib.suppress(MunasError):
                client.close()
