"""What several commands read: architectures from files or standard input, and paths to write."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from munas.errors import BadInputError

if TYPE_CHECKING:
    from munas.arch import Architecture

ArchitectureFile = Annotated[
    str, typer.Argument(metavar="[FILE|-]", help="Architecture(s) as JSON; - is standard input.")
]
JsonFlag = Annotated[bool, typer.Option("--json", help="Machine-readable output on stdout.")]

OnBoardLossOption = Annotated[
    Literal["pause", "rescore"] | None,
    typer.Option(help="A board lost in mid-run: pause, or score all anew by the next source."),
]
ExecutorOption = Annotated[
    Literal["local", "ray"],
    typer.Option(help="Train on this machine, or on the nodes of a Ray cluster."),
]
AddressOption = Annotated[
    str | None,
    typer.Option(help="The Ray cluster: auto, HOST:PORT or ray://HOST:PORT. None: one of its own."),
]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", help="section.key=value, may be repeated.")
]
LedgerFile = Annotated[Path, typer.Argument(metavar="LEDGER", help="The ledger of a run.")]


def read_text(source: str) -> str:
    """The text of a file, or of standard input for `-`. Raises BadInputError."""
    if source == "-":
        return sys.stdin.read()
    try:
        return Path(source).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise BadInputError(f"There is no file {source}.") from None
    except UnicodeDecodeError:
        raise BadInputError(f"{source} is not a text file.") from None
    except OSError as error:
        raise BadInputError(f"{source} cannot be read: {error.strerror}.") from None


def read_architectures(source: str) -> list[Architecture]:
    """One architecture (which may span lines), or one a line. BadInputError names the place."""
    from munas.arch import Architecture

    text = read_text(source)
    name = "standard input" if source == "-" else source
    if not text.strip():
        raise BadInputError(f"{name} is empty.", "Give an architecture as JSON (munas sample).")
    try:
        whole = json.loads(text)
    except json.JSONDecodeError:
        whole = None
    found = []
    lines = [(0, text)] if whole is not None else enumerate(text.splitlines(), start=1)
    for number, line in lines:
        if not line.strip():
            continue
        try:
            found.append(Architecture.from_json(line))
        except BadInputError as error:
            place = f"{name}, line {number}" if number else name
            raise BadInputError(f"{place}: {error.what}", error.mend) from None
    return found


def one_architecture(source: str) -> Architecture:
    """The single architecture of a file. Raises BadInputError when there are more."""
    found = read_architectures(source)
    if len(found) != 1:
        raise BadInputError(f"{source} holds {len(found)} architectures; give one.")
    return found[0]


def told_path(out: Path) -> str:
    """What messages call an output file."""
    from munas.store.output import is_standard_output

    return "standard output" if is_standard_output(out) else str(out)
