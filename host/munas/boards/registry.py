"""All board types at hand: those that travel with munas and the person's own.

The person's board files lie in `boards` of the config folder (`$MUNAS_CONFIG`, else
`~/.config/munas`). Must not know of devices.
"""

from __future__ import annotations

import difflib
import os
from pathlib import Path

from munas.boards.types import BoardFiles, BoardType, read_boards
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
    """All board types by name: emulated first; without those whose file is wrong."""
    return _in_order(_read())


def faulty_boards() -> dict[str, BadInputError]:
    """What is wrong with board files, by board (or file, where no board can be read in it)."""
    return _read().faults


def _in_order(found: BoardFiles) -> list[BoardType]:
    return sorted(found.boards.values(), key=lambda board: (board.kind, board.name))


def _read() -> BoardFiles:
    root = data_root()
    return read_boards([root / "boards", user_boards()], root / "firmware" / "platformio.ini")


def find_board(name: str) -> BoardType:
    """The board type `name`.

    Raises BadInputError that names file and key where its file is wrong, or that lists the names
    where there is none.
    """
    found = _read()
    if name in found.faults:
        raise found.faults[name]
    if name in found.boards:
        return found.boards[name]
    names = [board.name for board in _in_order(found)]
    near = difflib.get_close_matches(name, names, n=1)
    meant = f" Did you mean {near[0]}?" if near else ""
    wrong = f" With faults: {', '.join(found.faults)}." if found.faults else ""
    raise BadInputError(
        f"There is no board called {name!r}.{meant}",
        f"There are: {', '.join(names)}.{wrong} Your own go into {user_boards()}.",
    )
