"""Writes files on a person's word: whole or not at all, and never over what cannot be had again.

A pipe or a device is written to as it stands, a symbolic link to its target, `-` to standard
output. This module knows how to tell a ledger from other files, nothing of what it writes.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterable
from pathlib import Path

from munas.errors import BadInputError

STANDARD_OUTPUT = Path("-")

_SQLITE = b"SQLite format 3\0"
# What SQLite keeps beside a ledger while it is open; a ledger without its log loses rows.
_BESIDE_A_LEDGER = ("-wal", "-shm", "-run")


def write_output(path: Path, data: bytes, *, inputs: Iterable[Path] = ()) -> None:
    """Write `data` to `path`; see `require_writable` for what is refused.

    Raises BadInputError, leaving no trace. A reader of standard output that went away raises
    BrokenPipeError.
    """
    require_writable(path, inputs=inputs)
    if is_standard_output(path):
        sys.stdout.flush()
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return
    try:
        if path.exists() and not path.is_file():
            with path.open("wb") as stream:
                stream.write(data)
        else:
            _replace(Path(os.path.realpath(path)), data)
    except OSError as error:
        raise _not_written(path, error) from error


def require_writable(path: Path, *, inputs: Iterable[Path] = ()) -> None:
    """Raise BadInputError where an output must not take the place of what is at `path`.

    Refused are folders, ledgers and what SQLite keeps beside them, and the command's own `inputs`.
    Commands that work for long ask this before they begin.
    """
    if is_standard_output(path):
        return
    try:
        found = path.stat()
    except FileNotFoundError:
        return
    except OSError as error:
        raise _not_written(path, error) from error
    if stat.S_ISDIR(found.st_mode):
        raise BadInputError(f"{path} is a folder and cannot be written.", "Give a file's path.")
    if not stat.S_ISREG(found.st_mode):
        return
    for source in inputs:
        if source.exists() and os.path.samestat(found, source.stat()):
            raise BadInputError(
                f"{path} is what this command reads and would be overwritten.",
                "Give another path for the output.",
            )
    if _is_of_a_ledger(path):
        raise BadInputError(
            f"{path} is a ledger or belongs to one, and would be overwritten.",
            "Give another path for the output; if it is of no more use, delete it first.",
        )


def require_folder(path: Path) -> None:
    """Raise BadInputError where no folder of results can be made or written at `path`.

    Makes nothing. Commands that work for long ask this before they begin.
    """
    if is_standard_output(path):
        raise BadInputError(
            "The results are several files, which standard output cannot take.",
            "Give a folder's path with --out.",
        )
    # What is above exists in the end, since / and . do.
    nearest = next(each for each in (path, *path.absolute().parents) if os.path.lexists(each))
    if not nearest.is_dir():
        raise BadInputError(
            f"The folder {path} cannot be made: {nearest} is not a folder.",
            "Give another folder with --out.",
        )
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise BadInputError(
            f"The folder {path} cannot be written: {nearest} does not permit it.",
            "Make it writable, or give another folder with --out.",
        )


def is_standard_output(path: Path) -> bool:
    """Whether it is `-`, or a name such as /dev/stdout of what standard output goes to."""
    if path == STANDARD_OUTPUT:
        return True
    try:
        return str(path).startswith("/dev/") and os.path.samestat(path.stat(), os.fstat(1))
    except OSError:
        return False


def _is_of_a_ledger(path: Path) -> bool:
    real = Path(os.path.realpath(path))
    files = [real]
    for ending in _BESIDE_A_LEDGER:
        if real.name.endswith(ending) and real.name != ending:
            files.append(real.with_name(real.name.removesuffix(ending)))
    return any(_is_sqlite(file) for file in files)


def _is_sqlite(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(_SQLITE)) == _SQLITE
    except OSError:
        return False  # what cannot be read is told when it is written


def _replace(path: Path, data: bytes) -> None:
    """Write beside `path`, then put it in its place."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with beside.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def _not_written(path: Path, error: OSError) -> BadInputError:
    return BadInputError(
        f"The file {path} cannot be written: {error.strerror}.",
        "Give a file in a folder that exists and can be written, on a disk with free space.",
    )
