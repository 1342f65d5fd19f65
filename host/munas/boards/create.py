"""New board files of a person's own, as copies of those that are there."""

from __future__ import annotations

import re
from pathlib import Path

from munas.boards.registry import find_board, list_boards, user_boards
from munas.errors import BadInputError


def create_board(name: str, like: str) -> Path:
    """Write `name`.ini into the person's board folder, a copy of `like`; its path.

    Raises BadInputError for a name that is taken or no PlatformIO environment's.
    """
    if not re.fullmatch(r"[A-Za-z0-9_-]+", name):
        raise BadInputError(
            f"{name!r} cannot be a board's name.", "Use letters, digits, underscore and hyphen."
        )
    path = user_boards() / f"{name}.ini"
    if path.exists() or any(board.name == name for board in list_boards()):
        raise BadInputError(f"There is a board called {name} already.", "Choose another name.")
    source = find_board(like)
    text = source.path.read_text(encoding="utf-8")
    text = text.replace(f"[env:{like}]", f"[env:{name}]")
    # The upload command of a bare board names the board.
    text = re.sub(rf"(munas\.boards\.\w+) {re.escape(like)}\b", rf"\1 {name}", text)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path
