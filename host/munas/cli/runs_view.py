"""What a person sees of several searches, one after the other, in one folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from munas.cli.messages import show_progress
from munas.cli.view import LiveView, PlainView, console, resumable
from munas.pipeline.events import Observer

Run = TypeVar("Run")


def carry_out_all(
    planned: Sequence[Run],
    out: Path,
    command: str,
    named: Callable[[Run], str],
    carry_out: Callable[[Run, Observer], None],
    check: Callable[[], None] = lambda: None,
) -> None:
    """Run the searches, each under its name; `command` goes on with them.

    Raises BadInputError, before anything is made, where `out` cannot be a folder or `check` does.
    """
    from munas.store.output import require_folder

    show_progress()
    require_folder(out)
    check()
    out.mkdir(parents=True, exist_ok=True)
    with resumable(command):
        for run in planned:
            console.print(named(run), style="bold")
            with LiveView() if console.is_terminal else PlainView() as view:
                carry_out(run, view)
