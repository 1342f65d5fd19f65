"""Where the engine tflm's library lies on this machine."""

from __future__ import annotations

from pathlib import Path

from munas.deploy.engines import tflm
from munas.firmware.cache import cache_root, locked


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


def _folder() -> Path:
    return cache_root() / "engines" / "munas_tflm"
