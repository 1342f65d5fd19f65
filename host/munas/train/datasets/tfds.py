"""What tensorflow-datasets has prepared on this computer, where it is installed.

Nothing is downloaded by it here: preparing the Speech Commands takes gigabytes and half an hour,
which a search must not start on its own.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from munas.train.datasets.dataset import DataUnavailableError


@dataclass(frozen=True)
class Prepared:
    """A prepared data set: its version, its labels' names, and each split's examples."""

    version: str
    label_names: tuple[str, ...]
    splits: dict[str, Iterable[dict[str, Any]]]


def prepared(name: str, splits: tuple[str, ...]) -> Prepared:
    """The examples of `name` as dicts of NumPy arrays, read as they are iterated over.

    Raises DataUnavailableError when the package or the prepared data set is not there.
    """
    try:
        tfds = importlib.import_module("tensorflow_datasets")
    except ImportError:
        raise DataUnavailableError(
            f"tensorflow-datasets' {name}: the package is not installed (pip install 'munas[tfds]')"
        ) from None
    try:
        parts, info = tfds.load(name, split=list(splits), download=False, with_info=True)
        return Prepared(
            str(info.version),
            tuple(info.features["label"].names),
            {split: tfds.as_numpy(part) for split, part in zip(splits, parts, strict=True)},
        )
    except Exception as error:  # AssertionError, or one of its own: it depends on the version
        reason = str(error).strip().split("\n")[0]
        raise DataUnavailableError(
            f"tensorflow-datasets' {name}: not prepared (tfds build {name}): {reason}"
        ) from None
