"""Where builds and engines lie: a versioned cache folder of the user.

Never inside the installed package. `MUNAS_CACHE` names another folder. This module must not know
what is put there.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


def cache_root() -> Path:
    """The folder of all that munas can make again: `$MUNAS_CACHE`, else the user's cache folder.

    It has a part per version of munas, so that two versions never share a build.
    """
    named = os.environ.get("MUNAS_CACHE")
    base = Path(named) if named else _user_cache() / "munas"
    return base.expanduser().absolute() / _version()


def _user_cache() -> Path:
    named = os.environ.get("XDG_CACHE_HOME")
    return Path(named) if named else Path.home() / ".cache"


def _version() -> str:
    try:
        return version("munas")
    except PackageNotFoundError:
        return "source"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold `folder` (made when missing) for one process; others wait. Ends with the process."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(handle, fcntl.LOCK_UN)
