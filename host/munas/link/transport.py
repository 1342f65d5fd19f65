"""What carries bytes to a board and back: any URL that pyserial opens.

A serial port (`/dev/ttyACM0`), `socket://host:port` or `rfc2217://host:port`. This module must not
know what the bytes mean.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from munas.errors import DeadlineError, TransportError
from munas.link.deadline import Clock, Deadline

_PORTION_BYTES = 4096
_SLICE_S = 0.2


@runtime_checkable
class Transport(Protocol):
    """A line to one board.

    Bytes arrive in order or not at all. Every method raises TransportError when the line is broken
    or closed. `clock` is the time that this line lives in; deadlines on it are made with it.
    """

    name: str
    clock: Clock

    def read(self, deadline: Deadline) -> bytes:
        """At least one byte, and what else is there. Raises DeadlineError when nothing came."""

    def write(self, data: bytes, deadline: Deadline) -> None:
        """Hand all of `data` to the line. Raises DeadlineError when the line does not take it."""

    def drain(self) -> None:
        """Throw away what has arrived and was not read."""

    def close(self) -> None:
        """Let go of the line; closing twice is harmless."""


class SerialTransport:
    """A pyserial URL as a Transport. `baud` matters to real serial ports only.

    The port is opened for this process alone. Raises TransportError with the mend when it cannot
    be opened (missing, no permission, in use).
    """

    def __init__(self, url: str, baud: int) -> None:
        import time

        import serial

        self.name = url
        self.clock = time.monotonic
        try:
            self._port = serial.serial_for_url(
                url, baudrate=baud, timeout=_SLICE_S, write_timeout=_SLICE_S, exclusive=True
            )
        except (OSError, ValueError) as error:  # SerialException is an OSError
            raise _cannot_open(url, error) from error

    def read(self, deadline: Deadline) -> bytes:
        """See Transport."""
        while True:
            try:
                self._port.timeout = min(_SLICE_S, deadline.remaining_s)
                data = self._port.read(max(1, self._waiting()))
            except (OSError, TypeError) as error:  # a port closed under way gives TypeError
                raise _broken(self.name, error) from error
            if data:
                return bytes(data)
            if deadline.expired:
                raise DeadlineError(f"Nothing came from {self.name} before the deadline.")

    def write(self, data: bytes, deadline: Deadline) -> None:
        """See Transport."""
        import serial

        view = memoryview(data)
        while view:
            portion = view[:_PORTION_BYTES]
            try:
                sent = self._port.write(portion)
            except serial.SerialTimeoutException:
                sent = 0
            except (OSError, TypeError) as error:
                raise _broken(self.name, error) from error
            view = view[sent or 0 :]
            if view and deadline.expired:
                raise DeadlineError(f"{self.name} did not take the bytes before the deadline.")

    def drain(self) -> None:
        """See Transport."""
        try:
            self._port.reset_input_buffer()
        except (OSError, TypeError) as error:
            raise _broken(self.name, error) from error

    def close(self) -> None:
        """See Transport."""
        self._port.close()

    def _waiting(self) -> int:
        # Over socket:// this says 0 or 1; the read then returns what fits its own buffer.
        return min(int(self._port.in_waiting), _PORTION_BYTES)


def _cannot_open(url: str, error: Exception) -> TransportError:
    text = str(error)
    what = f"The serial line {url} cannot be opened: {text}."
    if "Permission" in text:
        return TransportError(
            what, "Add yourself to the group that owns the port (often `dialout`) and log in anew."
        )
    if "lock" in text or "busy" in text:
        return TransportError(what, "Another program has the port open: close it.")
    return TransportError(what, "See what is attached with: munas boards scan")


def _broken(name: str, error: Exception) -> TransportError:
    return TransportError(
        f"The line {name} broke: {error}.", "Check the cable, then run the command again."
    )
