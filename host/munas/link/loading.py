"""Moves a model into a slot with several frames under way, so that a line's latency is hidden.

The board appends only the bytes that come next and answers every frame with how far it got; after
a loss the host goes back to there. This module must not know what a model is.
"""

from __future__ import annotations

from munas.errors import DeadlineError, TransportError
from munas.link.deadline import Deadline
from munas.link.exchange import Exchange, is_corrupt_notice, wrong_reply
from munas.link.framing import Corrupt
from munas.link.messages import LoadData, LoadProgress

# A frame's fixed part, and what flash programming asks of portions.
_OFFSET_BYTES = 4
_UNIT_BYTES = 16
# How long no answer may come: before the first one, and then in multiples of the slowest so far.
_FIRST_SILENCE_S = 3.0
_LEAST_SILENCE_S = 0.5
_SLOWEST_TIMES = 4
_MOST_FUTILE = 12


class Loader:
    """One transfer of `data` after LOAD BEGIN was answered."""

    def __init__(self, exchange: Exchange, data: bytes, frame_capacity: int, window: int) -> None:
        self._exchange = exchange
        self._data = data
        self._portion_bytes = (frame_capacity - _OFFSET_BYTES) // _UNIT_BYTES * _UNIT_BYTES
        self._most_under_way = max(1, window)
        self._window = 1  # grows with every answer, so that the line's pace is known in time
        self._acknowledged = 0  # the board has all bytes below
        self._sent = 0  # all bytes below are on the line
        self._under_way: dict[int, tuple[int, float]] = {}  # sequence: offset after it, when sent
        self._slowest_s: float | None = None

    def run(self, deadline: Deadline) -> None:
        """Send everything. Raises as Exchange.ask does."""
        futile = 0
        while self._acknowledged < len(self._data):
            self._fill(deadline)
            before = self._acknowledged
            lost = self._hear(deadline)
            if self._acknowledged > before:
                futile = 0
            if lost:
                futile += 1
                if futile > _MOST_FUTILE:
                    raise TransportError(
                        f"Model bytes do not get through to {self._exchange.transport.name}.",
                        "Check the cable and the baud rate.",
                    )
                self._go_back()

    def _fill(self, deadline: Deadline) -> None:
        clock = self._exchange.transport.clock
        while self._sent < len(self._data) and len(self._under_way) < self._window:
            portion = self._data[self._sent : self._sent + self._portion_bytes]
            sequence = self._exchange.next_sequence()
            self._exchange.send(LoadData(self._sent, portion), sequence, deadline)
            self._sent += len(portion)
            self._under_way[sequence] = (self._sent, clock())

    def _hear(self, deadline: Deadline) -> bool:
        """Take in one frame; True when something under way was lost."""
        try:
            frame = self._exchange.receive(deadline.within(self._patience_s()))
        except DeadlineError:
            if deadline.expired:
                raise DeadlineError(
                    f"The board at {self._exchange.transport.name} took"
                    f" {self._acknowledged} of {len(self._data)} model bytes before the deadline.",
                    "If it stays silent reset it, or flash it again.",
                ) from None
            return True
        if isinstance(frame, Corrupt):
            return False  # later answers, or silence, tell what it was
        message = self._exchange.judge(frame, "LOAD")
        if is_corrupt_notice(message):
            return True
        if message is None or frame.sequence not in self._under_way:
            return False  # an answer to a frame that was given up
        after, sent_s = self._under_way.pop(frame.sequence)
        message = self._exchange.accept(message, "LOAD")
        if not isinstance(message, LoadProgress):
            raise wrong_reply(LoadData(0, b""), message)
        took_s = self._exchange.transport.clock() - sent_s
        self._slowest_s = max(self._slowest_s or 0.0, took_s)
        self._window = min(self._window + 1, self._most_under_way)
        self._acknowledged = max(self._acknowledged, message.next_offset)
        # One answer stands for all before it, should those have been lost.
        self._under_way = {
            number: (end, when)
            for number, (end, when) in self._under_way.items()
            if end > self._acknowledged
        }
        return message.next_offset < after

    def _patience_s(self) -> float:
        if self._slowest_s is None:
            return _FIRST_SILENCE_S
        return max(_LEAST_SILENCE_S, _SLOWEST_TIMES * self._slowest_s)

    def _go_back(self) -> None:
        self._exchange.resends += len(self._under_way) + 1
        self._under_way.clear()
        self._window = 1
        self._sent = self._acknowledged
