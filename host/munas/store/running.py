"""Only one process at a time runs a ledger, though several may write to it.

The run holds a lock on a file beside the ledger, so the operating system frees it when its holder
dies, however it dies; the file says who holds it. Not on the ledger itself: closing a second handle
on that would free SQLite's own locks.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from munas.errors import LedgerError

# Whoever only looks holds the lock for a moment, and is not to be taken for a run.
_TRIES, _PAUSE_S = 5, 0.05


@dataclass(frozen=True)
class Runner:
    """Who runs a ledger; `pid` is null where it cannot be told."""

    pid: int | None
    command: str = ""

    def __str__(self) -> str:
        if self.pid is None:
            return "another process"
        return f"process {self.pid} ({self.command})" if self.command else f"process {self.pid}"


class RunLock:
    """The lock of the run of the ledger at `path`. Raises LedgerError where another one has it."""

    def __init__(self, path: Path) -> None:
        self._path = _lock_file(path)
        self._handle = self._acquired(path)
        self._handle.truncate(0)
        json.dump({"pid": os.getpid(), "command": " ".join(sys.argv)[:200]}, self._handle)
        self._handle.flush()

    def _acquired(self, path: Path) -> IO[str]:
        for left in reversed(range(_TRIES)):
            handle = self._opened(path)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                who = _said(handle)
                handle.close()
                if not left:
                    raise LedgerError(
                        f"The ledger {path} is being run by {who}.",
                        f"Wait for it, or stop it; see how far it is with: munas status {path}",
                    ) from None
                time.sleep(_PAUSE_S)
                continue
            if _is_still(handle, self._path):
                return handle
            handle.close()  # its last holder has just removed it
        raise LedgerError(f"The lock {self._path} changes all the time.", "Try again.")

    def _opened(self, path: Path) -> IO[str]:
        try:
            return self._path.open("a+", encoding="utf-8")
        except OSError as error:
            raise LedgerError(
                f"The ledger {path} cannot be run: {self._path} cannot be written: "
                f"{error.strerror}.",
                "Make its folder writable, or work on a copy of the ledger.",
            ) from error

    def release(self) -> None:
        """Let another process run the ledger; releasing again does nothing."""
        if self._handle.closed:
            return
        with contextlib.suppress(OSError):
            self._path.unlink()
        self._handle.close()


def runner_of(path: Path) -> Runner | None:
    """Who runs the ledger at `path` now; null where nobody does."""
    try:
        handle = _lock_file(path).open("r", encoding="utf-8")
    except OSError:
        return None
    with handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return _said(handle)
    return None


def _lock_file(path: Path) -> Path:
    real = Path(os.path.realpath(path))
    return real.with_name(f"{real.name}-run")


def _is_still(handle: IO[str], path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _said(handle: IO[str]) -> Runner:
    try:
        handle.seek(0)
        said = json.load(handle)
        return Runner(int(said["pid"]), str(said["command"]))
    except (OSError, ValueError, KeyError, TypeError):
        return Runner(None)
