"""Emulated boards: the firmware's ELF in an emulator process, behind a serial line.

Must not know Unicorn, nor the messages on the line.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from munas.boards.board import Capabilities
from munas.boards.checks import ask_identity, check_identity, check_image
from munas.boards.types import BoardType
from munas.emulator import (
    MODEL_ERROR_PERCENT,
    MODEL_ERROR_TEXT,
    BoardParameters,
    EmulatorProcess,
    chip_of,
    spawn,
)
from munas.errors import BadInputError, FlashError, InfrastructureError, TransportError
from munas.firmware.image import FirmwareImage
from munas.link.client import Identity
from munas.link.transport import SerialTransport

log = logging.getLogger(__name__)


def emulated_capabilities(board: BoardType, *, flashes: bool) -> Capabilities:
    """What an emulated board of this type can do, and how true its cycles are.

    Of a chip that munas does not emulate (another's emulator, or a PC, at a port) nothing is known:
    neither an error nor that cycles repeat.
    """
    try:
        chip = chip_of(board.mcu).name
    except BadInputError:
        return Capabilities(source="emulated", deterministic=False, flashes=flashes)
    return Capabilities(
        source="emulated",
        deterministic=True,
        flashes=flashes,
        model_error_percent=MODEL_ERROR_PERCENT[chip],
        note=MODEL_ERROR_TEXT[chip],
    )


class EmulatedBoard:
    """One emulated board of `type`; see Board. Every instance is a device of its own."""

    def __init__(self, board: BoardType, transport: Literal["pty", "tcp"] = "pty") -> None:
        if not board.emulated:
            raise BadInputError(f"{board.name} is not an emulated board.")
        self.type = board
        self.unit = "emulated"
        self.parameters = BoardParameters.from_json(
            {"name": board.name, "mcu": board.mcu, "cycles": board.cycles}
        )
        self.capabilities = emulated_capabilities(board, flashes=True)
        self._transport: Literal["pty", "tcp"] = transport
        self._process: EmulatorProcess | None = None
        self._image: FirmwareImage | None = None

    def flash(self, image: FirmwareImage) -> None:
        """See Board: the chip is made anew with the image in its flash."""
        check_image(image, self.type)
        if self._process is not None and self._process.alive and self._image == image:
            return
        if self._process is not None and not self._process.alive:
            log.warning("The emulator of %s had ended and is started anew.", self.type.name)
        self.close()
        try:
            self._process = spawn(self.parameters, image.elf, self._transport)
        except InfrastructureError as error:
            raise FlashError(error.what, error.mend) from error
        self._image = image

    def open(self) -> SerialTransport:
        """See Board."""
        return SerialTransport(self.process.url, self.type.baud)

    def reset(self) -> None:
        """See Board."""
        self.process.reset()

    def verify(self, identity: Identity) -> None:
        """See Board."""
        check_identity(identity, self._image, self.type)

    def identity(self) -> Identity:
        """See Board."""
        return ask_identity(self)

    @contextmanager
    def lease(self) -> Iterator[None]:
        """See Board: nobody else can reach this process' emulator."""
        yield

    def close(self) -> None:
        """See Board."""
        process, self._process, self._image = self._process, None, None
        if process is not None:
            process.close()

    @property
    def process(self) -> EmulatorProcess:
        """The running emulator. Raises FlashError where no image was flashed."""
        if self._process is None:
            raise FlashError(
                f"The emulated board {self.type.name} has no firmware.", "Flash an image first."
            )
        if not self._process.alive:
            raise TransportError(
                f"The emulator of {self.type.name} has ended.",
                "Start it again; if it ends again, see what memory is free, and munas doctor.",
            )
        return self._process
