"""From a board's name to a board that can be used."""

from __future__ import annotations

from munas.boards.board import Board
from munas.boards.discovery import find_attached
from munas.boards.emulated import EmulatedBoard
from munas.boards.physical import PhysicalBoard, PortBoard
from munas.boards.registry import find_board
from munas.errors import BadInputError


def open_board(name: str, *, unit: str | None = None, port: str | None = None) -> Board:
    """The board `name`; nothing is flashed or leased yet.

    `unit` chooses among attached devices by probe serial or port; `port` is the URL of a firmware
    that runs already. Raises BadInputError for an unknown name, several candidates, or a unit where
    there is none to choose, UnreachableError where the board is not attached.
    """
    board = find_board(name)
    if unit is not None and (board.emulated or port is not None):
        why = f"{name} is emulated" if board.emulated else f"the port {port} says which board it is"
        raise BadInputError(
            f"A unit is named ({unit}), but {why}.", "Leave --unit out: it chooses among probes."
        )
    if port is not None:
        return PortBoard(board, port)
    if board.emulated:
        return EmulatedBoard(board)
    return PhysicalBoard(board, find_attached(board, unit))
