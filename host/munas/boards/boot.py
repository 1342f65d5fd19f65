"""`python -m munas.boards.boot BOARD ELF`: the upload command of emulated boards.

Boots the image in the emulator, says HELLO, and exits 0 when it answers.
"""

from __future__ import annotations

import sys
from pathlib import Path

from munas.boards.emulated import EmulatedBoard
from munas.boards.registry import find_board
from munas.errors import MunasError
from munas.firmware.image import FirmwareImage, image_of_elf


def boot(name: str, elf: Path) -> str:
    """What the firmware says of itself, for people. Raises MunasErrors."""
    board = EmulatedBoard(find_board(name))
    image: FirmwareImage = image_of_elf(elf)
    try:
        board.flash(image)
        identity = board.identity()
    finally:
        board.close()
    return (
        f"{identity.board} answers: {identity.mcu} at {identity.clock_hz // 1_000_000} MHz, "
        f"engine {identity.engine} ({identity.engine_revision}), "
        f"{identity.welcome.models} models in the image"
    )


def main() -> int:
    """Exit 0 when the firmware answered."""
    try:
        print(boot(sys.argv[1], Path(sys.argv[2])))
    except MunasError as error:
        print(error, file=sys.stderr)
        return int(error.exit_code)
    return 0


if __name__ == "__main__":
    sys.exit(main())
