"""Finds the files that travel with munas: the firmware tree, boards and experiments.

In a wheel they lie in `munas/_data`; in a source checkout they are the folders of the repository.
"""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def data_root() -> Path:
    """The folder that holds `firmware`, `boards` and `experiments`."""
    packaged = _PACKAGE / "_data"
    return packaged if packaged.is_dir() else _PACKAGE.parent.parent


def named_files(folder: str, suffix: str) -> dict[str, Path]:
    """The files of one kind by their name without suffix, sorted by name.

    `folder` is "experiments" or "boards"; `suffix` is ".toml" or ".ini".
    """
    return {path.stem: path for path in sorted((data_root() / folder).glob(f"*{suffix}"))}
