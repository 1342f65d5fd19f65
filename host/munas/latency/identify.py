"""Enrolling an attached board: what `munas boards identify` does."""

from __future__ import annotations

from munas.boards.discovery import find_attached
from munas.boards.physical import PhysicalBoard
from munas.boards.registry import find_board
from munas.boards.units import Unit, enrol
from munas.errors import BadInputError
from munas.latency.engine import empty_firmware, parse_engine


def identify_unit(name: str, unit: str | None, engine: str) -> Unit:
    """Flash munas' firmware, ask the chip for its UID, and keep probe and UID together.

    A probe that was enrolled with another chip is enrolled anew. Raises MunasErrors.
    """
    board = find_board(name)
    if board.emulated:
        raise BadInputError(f"{name} is emulated: there is nothing to enrol.")
    attached = find_attached(board, unit).unenrolled()
    image = empty_firmware(board, parse_engine(engine))
    device = PhysicalBoard(board, attached)
    with device.lease():
        device.flash(image)
        found = Unit(serial=attached.serial, uid=device.identity().uid, board=name)
    enrol(found)
    return found
