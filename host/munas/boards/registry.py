"""All board types at hand: those that travel with munas and the person's own.

The person's board files lie in `boards` of the config folder (`$MUNAS_CONFIG`, else
`~/.config/munas`). Must not know of devices.
"""

from __future__ import annotations

import difflib
import os
from pathlib import Path

from munas.boards.types import BoardType, read_boards
from munas.errors import BadInputError
from munas.resources import data_root


def config_root() -> Path:
    """The person's config folder."""
    named = os.environ.get("MUNAS_CONFIG")
    if named:
        return Path(named).expanduser().absolute()
    base = os.environ.get("XDG_CONFIG_HOME")
    return (Path(base) if base else Path.home() / ".config") / "munas"


def user_boards() -> Path:
    """Where the person's own board files lie; may not exist."""
    return config_root() / "boards"


def list_boards() -> list[BoardType]:
    """All board types by name: emulated first. Raises BadInputError for a wrong board file."""
    root = data_root()
    boards = read_boards([root / "boards", user_boards()], root / "firmware" / "platformio.ini")
    return sorted(boards.values(), key=lambda board: (board.kind, board.name))


def find_board(name: str) -> BoardType:
    """The board type `name`. Raises BadInputError that lists the names."""
    boards = {board.name: board for board in list_boards()}
    if name in boards:
        return boards[name]
    near = difflib.get_close_matches(name, boards, n=1)
    meant = f" Did you mean {near[0]}?" if near else ""
    raise BadInputError(
        f"There is no board called {name!r}.{meant}",
        f"There are: {', '.join(boards)}. Your own go into {user_boards()}.",
    )
