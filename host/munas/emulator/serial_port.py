"""The serial line's two queues, shared by the chip's USARTs, and the notice that one only waits.

A firmware that polls for a byte in a tight loop, and finds none, waits: `IDLE_POLLS` status reads
that found nothing, each within `NEAR_BLOCKS` executed blocks of the one before, with nothing sent
or received in between. New bytes come in only then, so that a run does not depend on when the host
sent them. A computation that looks for input now and then is never taken for waiting.
"""

from __future__ import annotations

from collections.abc import Callable

IDLE_POLLS = 8
NEAR_BLOCKS = 256
_SNAPSHOT_AT = 2  # one poll alone is a wait for the transmitter
_SEND_AT = 4096  # bytes that may gather before the core stops to send them


class SerialPort:
    """Bytes towards the firmware and from it.

    `executed` tells how many blocks ran; `on_wait_begins` is called when polls may have become a
    wait, `on_wait` when they have, `on_full` when enough bytes to send have gathered.
    """

    def __init__(
        self,
        executed: Callable[[], int],
        on_wait_begins: Callable[[], None],
        on_wait: Callable[[], None],
        on_full: Callable[[], None],
    ) -> None:
        self._executed = executed
        self._on_wait_begins = on_wait_begins
        self._on_wait = on_wait
        self._on_full = on_full
        self._incoming = bytearray()
        self._taken = 0
        self._outgoing = bytearray()
        self._polls = 0
        self._last_poll = 0

    def reset(self) -> None:
        """A reset of the chip: a byte half received is lost, what was sent is on its way."""
        self._incoming.clear()
        self._taken = self._polls = 0

    def feed(self, data: bytes) -> None:
        """Bytes from the host arrive."""
        del self._incoming[: self._taken]
        self._taken = 0
        self._incoming += data
        self._polls = 0

    def drain(self) -> bytes:
        """Take what the firmware sent."""
        data = bytes(self._outgoing)
        self._outgoing.clear()
        return data

    @property
    def ready(self) -> bool:
        """Whether the firmware has a byte to read."""
        return self._taken < len(self._incoming)

    def poll(self) -> bool:
        """The firmware reads a status register: whether a byte is there."""
        if self.ready:
            self._polls = 0
            return True
        now = self._executed()
        near = now - self._last_poll <= NEAR_BLOCKS
        self._polls = self._polls + 1 if near else 1
        self._last_poll = now
        if self._polls == _SNAPSHOT_AT:
            self._on_wait_begins()
        if self._polls >= IDLE_POLLS:
            self._on_wait()
        return False

    def receive(self) -> int | None:
        """The firmware reads the data register; None when nothing is there."""
        self._polls = 0
        if not self.ready:
            return None
        value = self._incoming[self._taken]
        self._taken += 1
        return value

    def send(self, value: int) -> None:
        """The firmware writes the data register."""
        self._polls = 0
        self._outgoing.append(value & 0xFF)
        if len(self._outgoing) >= _SEND_AT:
            self._on_full()
