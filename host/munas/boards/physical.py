"""Physical boards: OpenOCD flashes them, a serial port speaks with them.

Nothing here was run on silicon yet; see docs/boards.md.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from munas.boards.board import Capabilities
from munas.boards.checks import CLIENT_HELLO_S, ask_identity, check_identity, check_image
from munas.boards.discovery import Attached
from munas.boards.emulated import emulated_capabilities
from munas.boards.lease import leased
from munas.boards.openocd import program, reset
from munas.boards.registry import list_boards
from munas.boards.types import BoardType
from munas.errors import DeadlineError, FlashError, ImplausibleError, TransportError
from munas.firmware.image import FirmwareImage
from munas.link.client import Client, Identity
from munas.link.transport import SerialTransport

_LSE_BOARDS = ("STM32L4R5",)


class PhysicalBoard:
    """See Board. `attached` says which port and probe."""

    def __init__(self, board: BoardType, attached: Attached) -> None:
        self.type = board
        self.unit = attached.serial
        self.capabilities = Capabilities(source="silicon", deterministic=False, flashes=True)
        self._attached = attached
        self._image: FirmwareImage | None = None

    def flash(self, image: FirmwareImage) -> None:
        """See Board. Afterwards the firmware must answer."""
        check_image(image, self.type)
        if self._image == image:
            return
        self._image = None
        program(self.type, image.elf, self._probe_serial)
        self._image = image
        try:
            self.identity()
        except DeadlineError as error:
            self._image = None
            raise silent_after_flash(self.type, self._attached.port) from error

    def open(self) -> SerialTransport:
        """See Board."""
        port = self._attached.port
        try:
            return SerialTransport(port, self.type.baud)
        except TransportError as error:
            raise explain_port(port, error) from error

    def reset(self) -> None:
        """See Board."""
        reset(self.type, self._probe_serial)

    def verify(self, identity: Identity) -> None:
        """See Board."""
        check_identity(identity, self._image, self.type, self._attached.uid)

    def identity(self) -> Identity:
        """See Board."""
        return ask_identity(self)

    @contextmanager
    def lease(self) -> Iterator[None]:
        """See Board."""
        with leased(self.unit):
            yield

    def close(self) -> None:
        """See Board."""
        self._image = None

    @property
    def _probe_serial(self) -> str | None:
        """An external adapter's serial is not the probe's."""
        return self.unit if self.type.probe == "stlink" else None


class PortBoard:
    """A firmware that runs already behind any URL (a port, `socket://`, `rfc2217://`); see Board.

    It is never flashed. Whether it is silicon or emulated is what the board type says; a firmware
    that knows itself to be emulated is not taken for silicon.
    """

    def __init__(self, board: BoardType, url: str) -> None:
        self.type = board
        self.unit = url
        self.capabilities = (
            emulated_capabilities(board, flashes=False)
            if board.emulated
            else Capabilities(source="silicon", deterministic=False, flashes=False)
        )

    def flash(self, image: FirmwareImage) -> None:
        """See Board."""
        del image
        raise FlashError(
            f"The firmware at {self.unit} cannot be flashed from here.", "Leave --port out."
        )

    def open(self) -> SerialTransport:
        """See Board."""
        try:
            return SerialTransport(self.unit, self.type.baud)
        except TransportError as error:
            raise explain_port(self.unit, error) from error

    def reset(self) -> None:
        """See Board: only over the line."""
        client = Client(self.open())
        try:
            client.hello(client.deadline(CLIENT_HELLO_S))
            client.reset(client.deadline(CLIENT_HELLO_S))
        finally:
            client.close()

    def verify(self, identity: Identity) -> None:
        """See Board."""
        check_identity(identity, None, self.type)
        emulated = [board.name for board in list_boards() if board.emulated]
        if identity.board in emulated and not self.type.emulated:
            raise ImplausibleError(
                f"The firmware at {self.unit} is that of {identity.board}, an emulated board; "
                f"{self.type.name} is not one.",
                f"Measure it as what it is: --board {identity.board}",
            )

    def identity(self) -> Identity:
        """See Board."""
        return ask_identity(self)

    @contextmanager
    def lease(self) -> Iterator[None]:
        """See Board."""
        with leased(self.unit):
            yield

    def close(self) -> None:
        """See Board: nothing is held."""


def silent_after_flash(board: BoardType, port: str) -> FlashError:
    """The board was flashed and says nothing."""
    mend = "Press its reset button and try again; check the baud rate and the serial jumpers."
    if board.mcu.startswith(_LSE_BOARDS) and board.name != "nucleo_l4r5zi_bare":
        mend = (
            "Its firmware waits for the 32 kHz crystal (LSE): with a dead crystal it stays silent. "
            "nucleo_l4r5zi_bare does without the crystal. " + mend
        )
    return FlashError(f"{board.name} was flashed but is silent on {port}.", mend)


def explain_port(port: str, error: TransportError) -> TransportError:
    """Why a port does not open, as far as this machine tells."""
    path = Path(port)
    if not path.is_absolute():
        return error
    if not path.exists():
        return TransportError(
            f"There is no serial port {port}.", "See what is attached with: munas boards scan"
        )
    if not os.access(path, os.R_OK | os.W_OK):
        group = "dialout"
        with contextlib.suppress(KeyError, OSError):
            group = path.group()
        return TransportError(
            f"There is no permission to use {port}.",
            f"sudo usermod -a -G {group} $USER, then log in anew.",
        )
    holder = _holder(path)
    if holder is not None:
        return TransportError(
            f"{port} is in use by process {holder[0]} ({holder[1]}).", "Close it and try again."
        )
    return error


def _holder(path: Path) -> tuple[int, str] | None:
    """Another process of this person that has the port open."""
    wanted = path.resolve()
    for process in Path("/proc").glob("[0-9]*"):
        if int(process.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):
            if any(handle.resolve() == wanted for handle in (process / "fd").iterdir()):
                return int(process.name), (process / "comm").read_text().strip()
    return None
