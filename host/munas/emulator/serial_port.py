"""The serial line's two queues, shared by the chip's USARTs, and the notice that one only waits.

A firmware that polls for a byte in a tight loop, and finds none, waits: `IDLE_POLLS` status reads
that found nothing, each within `NEAR_BLOCKS` executed blocks of the one before, with nothing sent
or received in between. New bytes come in only then, so that a run does not depend on when the host
sent them. A computation that looks for input now and then is never taken for waiting.

The queues lie in an array that two native functions share: a byte that is there is read, and a byte
is sent, without entering Python.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from munas.emulator.native import NativeFunction, Signature

IDLE_POLLS = 8
NEAR_BLOCKS = 256
_RECEIVE_ROOM = 1 << 16
_SEND_ROOM = 1 << 12  # bytes that may gather before the core stops to send them

# Words of the shared array; offsets are those of the bus range, -1 where no USART is switched on.
_STATUS_AT, _STATUS_READY, _RECEIVE_AT, _SEND_AT = range(4)
_HEAD, _TAIL, _SENT, _POLLS, _WAITED, _IN_A_ROW, _STATUS_IDLE = range(4, 11)
_RECEIVE = 16
_SEND = _RECEIVE + _RECEIVE_ROOM


class SerialPort:
    """Bytes towards the firmware and from it.

    `executed` tells how many blocks ran; `on_wait_begins` is called when polls may become a wait,
    `on_wait` when they have, `on_wait_over` at the poll that finds a byte again, `on_full` when
    enough bytes to send have gathered.
    """

    def __init__(
        self,
        executed: Callable[[], int],
        on_wait_begins: Callable[[], None],
        on_wait: Callable[[], None],
        on_wait_over: Callable[[], None],
        on_full: Callable[[], None],
    ) -> None:
        self._executed = executed
        self._on_wait_begins = on_wait_begins
        self._on_wait = on_wait
        self._on_wait_over = on_wait_over
        self._on_full = on_full
        self._words: NDArray[np.int64] = np.zeros(_SEND + _SEND_ROOM, np.int64)
        self._queue = bytearray()  # what the array has no room for
        self._last_poll = 0
        self.detach()

    @property
    def address(self) -> int:
        """Where the shared array lies."""
        return int(self._words.ctypes.data)

    def attach(self, status: int, words: tuple[int, int], receive: int, send: int) -> None:
        """A USART is switched on: serve these registers natively (offsets in the bus range).

        `words` is what its status register reads when no byte is there, and when one is. A
        direction that is off has offset -1.
        """
        self._words[[_STATUS_AT, _RECEIVE_AT, _SEND_AT]] = (
            status if receive >= 0 else -1,
            receive,
            send,
        )
        self._words[[_STATUS_IDLE, _STATUS_READY]] = words

    def detach(self) -> None:
        """No USART is on: every access goes to the peripheral."""
        self._words[[_STATUS_AT, _RECEIVE_AT, _SEND_AT]] = -1

    def reset(self) -> None:
        """A reset of the chip: bytes not yet read are lost, what was sent is on its way."""
        self.detach()
        self._queue.clear()
        self._words[[_HEAD, _TAIL, _POLLS, _WAITED, _IN_A_ROW]] = 0

    def feed(self, data: bytes) -> None:
        """Bytes from the host arrive."""
        self._queue += data
        self._refill()

    def _refill(self) -> None:
        """Move queued bytes into the array once that is empty."""
        words = self._words
        if words[_HEAD] < words[_TAIL]:
            return
        part = np.frombuffer(bytes(self._queue[:_RECEIVE_ROOM]), np.uint8)
        del self._queue[:_RECEIVE_ROOM]
        words[_RECEIVE : _RECEIVE + len(part)] = part
        words[_HEAD], words[_TAIL] = 0, len(part)

    def drain(self) -> bytes:
        """Take what the firmware sent."""
        count = int(self._words[_SENT])
        self._words[_SENT] = 0
        return self._words[_SEND : _SEND + count].astype(np.uint8).tobytes()

    @property
    def backlog(self) -> int:
        """Bytes that the firmware has not read yet."""
        return len(self._queue) + int(self._words[_TAIL] - self._words[_HEAD])

    @property
    def ready(self) -> bool:
        """Whether the firmware has a byte to read."""
        self._refill()
        return bool(self._words[_HEAD] < self._words[_TAIL])

    def poll(self) -> bool:
        """The firmware reads a status register: whether a byte is there."""
        words = self._words
        if self.ready:
            if words[_WAITED]:
                self._on_wait_over()
            words[[_POLLS, _WAITED]] = 0
            return True
        now = self._executed()
        near = now - self._last_poll <= NEAR_BLOCKS
        words[_POLLS] = words[_POLLS] + 1 if near else 1
        self._last_poll = now
        # The poll before a byte is sent waits for the transmitter: not worth a note of the time.
        if words[_POLLS] == (2 if words[_IN_A_ROW] >= 2 else 1):
            self._on_wait_begins()
        if words[_POLLS] >= IDLE_POLLS:
            words[_WAITED] = 1
            self._on_wait()
        return False

    def receive(self) -> int | None:
        """The firmware reads the data register; None when nothing is there."""
        words = self._words
        words[[_POLLS, _IN_A_ROW]] = 0
        if not self.ready:
            return None
        value = int(words[_RECEIVE + words[_HEAD]])
        words[_HEAD] += 1
        return value

    def send(self, value: int) -> None:
        """The firmware writes the data register; a byte beyond the room of the queue is lost."""
        words = self._words
        words[_POLLS] = 0
        words[_IN_A_ROW] += 1
        if words[_SENT] < _SEND_ROOM:
            words[_SEND + words[_SENT]] = value & 0xFF
            words[_SENT] += 1
        if words[_SENT] >= _SEND_ROOM - 64:
            self._on_full()


def _load_fast(engine: Any, offset: Any, size: Any, shared: Any) -> Any:
    """A load in the bus range: a byte that is there, and that it is there."""
    words = carray(shared, (1 << 40,), np.int64)  # type: ignore[name-defined]  # noqa: F821
    u = np.uint64
    if words[u(_HEAD)] < words[u(_TAIL)] and words[u(_WAITED)] == 0:
        if np.int64(offset) == words[u(_STATUS_AT)]:
            words[u(_POLLS)] = 0
            return u(words[u(_STATUS_READY)])
        if np.int64(offset) == words[u(_RECEIVE_AT)]:
            head = words[u(_HEAD)]
            words[u(_HEAD)] = head + 1
            words[u(_POLLS)] = 0
            words[u(_IN_A_ROW)] = 0
            return u(words[u(_RECEIVE + head)])
    # Between two bytes of a row that is sent, one poll is a wait for the transmitter.
    elif (
        np.int64(offset) == words[u(_STATUS_AT)]
        and words[u(_IN_A_ROW)] >= 2
        and words[u(_POLLS)] == 0
        and words[u(_WAITED)] == 0
    ):
        words[u(_POLLS)] = 1
        return u(words[u(_STATUS_IDLE)])
    return slow_load(engine, offset, size, shared)  # type: ignore[name-defined]  # noqa: F821


def _store_fast(engine: Any, offset: Any, size: Any, value: Any, shared: Any) -> None:
    """A store in the bus range: a byte to send, while there is room."""
    words = carray(shared, (1 << 40,), np.int64)  # type: ignore[name-defined]  # noqa: F821
    u = np.uint64
    if np.int64(offset) == words[u(_SEND_AT)] and words[u(_SENT)] < _SEND_ROOM - 128:
        words[u(_SEND + words[u(_SENT)])] = np.int64(value) & 255
        words[u(_SENT)] += 1
        words[u(_POLLS)] = 0
        words[u(_IN_A_ROW)] += 1
        return
    slow_store(engine, offset, size, value, shared)  # type: ignore[name-defined]  # noqa: F821


_LOAD = Signature("uint64", ("voidptr", "uint64", "uint32", "voidptr"))
_STORE = Signature("void", ("voidptr", "uint64", "uint32", "uint64", "voidptr"))
PORT_LOAD = NativeFunction(_load_fast, _LOAD, {"slow_load": _LOAD})
PORT_STORE = NativeFunction(_store_fast, _STORE, {"slow_store": _STORE})
"""Unicorn's callbacks of a memory-mapped range, with the port's array as their user data."""
