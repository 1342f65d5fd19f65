"""One process at a time holds a device.

A lease is a lock on a file, so the operating system frees it when its holder dies, however it dies;
the file says who holds it. Must not know what is leased.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from munas.errors import UnreachableError


def lease_folder() -> Path:
    """Where leases lie: the same for all processes of a person."""
    base = os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()
    return Path(base) / f"munas-leases-{os.getuid()}"


@contextmanager
def leased(name: str) -> Iterator[None]:
    """Hold `name` until the context ends.

    Raises UnreachableError that names the holder's process where another one has it. A lease that a
    dead process left behind is taken.
    """
    folder = lease_folder()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / f"{re.sub(r'[^A-Za-z0-9_.-]', '_', name)}.lease"
    with path.open("a+") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _held(name, path) from None
        handle.truncate(0)
        json.dump({"pid": os.getpid(), "command": " ".join(sys.argv)[:200]}, handle)
        handle.flush()
        try:
            yield
        finally:
            handle.truncate(0)
            fcntl.flock(handle, fcntl.LOCK_UN)


def _held(name: str, path: Path) -> UnreachableError:
    try:
        holder = json.loads(path.read_text())
        who = f"process {holder['pid']} ({holder['command']})"
    except (OSError, ValueError, KeyError):
        who = "another process"
    return UnreachableError(f"{name} is in use by {who}.", "Wait for it, or stop it.")
