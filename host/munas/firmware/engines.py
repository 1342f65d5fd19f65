"""Where the engine tflm's library lies on this machine."""

from __future__ import annotations

import time
from math import inf
from pathlib import Path

from munas.deploy.engines import tflm
from munas.errors import InfrastructureError
from munas.firmware.cache import cache_root, locked

_FORGET_S = 3600


def tflm_library() -> Path | None:
    """The installed TFLM library, if there is one."""
    folder = _folder()
    return folder if tflm.is_library(folder) else None


def install_tflm(source: Path | str | None = None, revision: str | None = None) -> Path:
    """Make the TFLM library from upstream (null), a URL, or a path; see tflm.install.

    Raises InfrastructureError where upstream cannot be reached.
    """
    with locked(_folder().parent):
        return tflm.install(_folder(), source, revision)


def try_install_tflm() -> Path:
    """Like install_tflm from upstream, but does not look again for an hour after it failed."""
    mark = _folder().parent / "unreachable"
    try:
        age_s = time.time() - mark.stat().st_mtime
        said = mark.read_text().split("\n", 1)
    except OSError:
        age_s, said = inf, [""]
    if 0 <= age_s < _FORGET_S:
        raise InfrastructureError(said[0], said[-1])
    try:
        return install_tflm()
    except InfrastructureError as error:
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.write_text(f"{error.what}\n{error.mend}")
        raise


def _folder() -> Path:
    return cache_root() / "engines" / "munas_tflm"
