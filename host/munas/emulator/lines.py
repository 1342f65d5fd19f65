"""The host's end of the emulated serial line: a pseudo-terminal or a loopback TCP port.

A client may come, go and come again; what the firmware sends while nobody reads is lost once the
kernel's buffer is full, as on a wire.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import tty
from abc import ABC, abstractmethod

from munas.errors import TransportError

_CHUNK = 65536
_PATIENCE_S = 1.0  # how long a client that reads nothing holds up the firmware


class Line(ABC):
    """One end of a byte stream, with what `select` needs."""

    url: str
    """What pyserial's `serial_for_url` takes."""

    @abstractmethod
    def readable(self) -> list[int]:
        """File descriptors that become readable when `read` may have something."""

    @abstractmethod
    def read(self) -> bytes:
        """What has come; empty when nothing has."""

    @abstractmethod
    def write(self, data: bytes) -> None:
        """Send, waiting for a slow client; drop what a client that does not read will not take."""

    @abstractmethod
    def close(self) -> None:
        """Give the line up."""


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(descriptor, view[:_CHUNK]) :]
        except BlockingIOError:
            _, writable, _ = select.select([], [descriptor], [], _PATIENCE_S)
            if not writable:
                return


class PtyLine(Line):
    """A pseudo-terminal in raw mode. The emulator keeps the client's end open too, so that a
    client that goes away does not hang the line up.
    """

    def __init__(self) -> None:
        self._host, self._client = os.openpty()
        tty.setraw(self._client)
        os.set_blocking(self._host, False)
        self.url = os.ttyname(self._client)

    def readable(self) -> list[int]:
        return [self._host]

    def read(self) -> bytes:
        try:
            return os.read(self._host, _CHUNK)
        except BlockingIOError:
            return b""

    def write(self, data: bytes) -> None:
        _write_all(self._host, data)

    def close(self) -> None:
        os.close(self._host)
        os.close(self._client)


class TcpLine(Line):
    """A listening port on the loopback interface; one client at a time."""

    def __init__(self, port: int = 0) -> None:
        self._server = socket.socket()
        self._server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._server.bind(("127.0.0.1", port))
        except (OSError, OverflowError) as error:
            self._server.close()
            why = error.strerror if isinstance(error, OSError) else "there is no such port"
            raise TransportError(
                f"TCP port {port} cannot be listened on: {why}.",
                "Choose another port, or 0 for any.",
            ) from error
        self._server.listen(1)
        self._server.setblocking(False)
        self._client: socket.socket | None = None
        self.url = f"socket://127.0.0.1:{self._server.getsockname()[1]}"

    def readable(self) -> list[int]:
        return [(self._client or self._server).fileno()]

    def read(self) -> bytes:
        if self._client is None:
            try:
                self._client, _ = self._server.accept()
            except OSError:
                return b""
            self._client.setblocking(False)
            self._client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return b""
        try:
            data = self._client.recv(_CHUNK)
        except BlockingIOError:
            return b""
        except OSError:
            data = b""
        if not data:
            self._hang_up()
        return data

    def write(self, data: bytes) -> None:
        if self._client is None:
            return
        try:
            _write_all(self._client.fileno(), data)
        except OSError as error:
            if error.errno not in (errno.EPIPE, errno.ECONNRESET):
                raise
            self._hang_up()

    def _hang_up(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    def close(self) -> None:
        self._hang_up()
        self._server.close()
