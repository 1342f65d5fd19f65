"""What is checked of an image before it is flashed and of a firmware after it answered."""

from __future__ import annotations

from munas.boards.board import Board
from munas.boards.types import BoardType
from munas.errors import BadInputError, FlashError, ImplausibleError
from munas.firmware.image import FirmwareImage
from munas.link.client import Client, Identity

CLIENT_HELLO_S = 5.0
_FAMILY = len("STM32L4R5")


def ask_identity(board: Board) -> Identity:
    """Who answers on the board's line, verified by the board itself."""
    client = Client(board.open())
    try:
        identity = client.hello(client.deadline(CLIENT_HELLO_S))
    finally:
        client.close()
    board.verify(identity)
    return identity


def check_image(image: FirmwareImage, board: BoardType) -> None:
    """Refuse an image that is for another board or too big for this one.

    Raises FlashError; BadInputError for one of which only the ELF is known, as a person gave it.
    """
    kind = FlashError if image.board else BadInputError
    if image.board and image.board != board.name:
        raise FlashError(
            f"The image was built for {image.board}, not for {board.name}.",
            f"Build it for {board.name}.",
        )
    if not board.mcu.upper().startswith(image.mcu.upper()[:_FAMILY]):
        raise kind(
            f"{image.elf} was built for an {image.mcu}; {board.name} has an {board.mcu}.",
            f"Build it for {board.name}.",
        )
    if image.flash_bytes > board.flash_bytes:
        raise kind(
            f"The image has {image.flash_bytes} bytes; {board.name} has {board.flash_bytes} "
            "bytes of flash.",
            "Use a smaller model or another board.",
        )


def check_identity(
    identity: Identity, image: FirmwareImage | None, board: BoardType, uid: str | None = None
) -> None:
    """Refuse another firmware than the flashed one and another chip than the enrolled one.

    Raises ImplausibleError.
    """
    if image is not None and image.source_digest and identity.source_digest != image.source_digest:
        raise ImplausibleError(
            f"{board.name} runs another firmware (sources {identity.source_digest[:12]}) than was "
            f"flashed ({image.source_digest[:12]}).",
            "Flash it again; if it stays so the wrong board was flashed: see munas boards scan.",
        )
    if image is not None and image.engine and identity.engine != image.engine:
        raise ImplausibleError(
            f"{board.name} runs the engine {identity.engine}, not {image.engine}.",
            "Flash it again.",
        )
    if image is not None and image.board and identity.board != image.board:
        raise ImplausibleError(
            f"The firmware that answers was built for {identity.board}, not for {image.board}.",
            "The wrong board was flashed: see munas boards scan.",
        )
    family = board.mcu.upper()[:_FAMILY]
    if not identity.mcu.upper().startswith(family):
        raise ImplausibleError(
            f"The board that answers has an {identity.mcu}; {board.name} has an {board.mcu}.",
            "Name the board that has this chip with --board: see munas boards list.",
        )
    if uid is not None and identity.uid != uid:
        raise ImplausibleError(
            f"The chip that answers is {identity.uid}; the unit was enrolled with {uid}.",
            "Two boards may be swapped. Enrol this one with: munas boards identify",
        )
