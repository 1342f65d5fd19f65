"""What a data set tells the loader: its names, its shape, and how its files are read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from munas.arch import Shape
from munas.errors import DataError
from munas.train.datasets.dataset import Labels, Normalisation

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Raw:
    """A data set as its files hold it: images [n, height, width(, channels)] and labels."""

    train_images: Array
    train_labels: Array
    test_images: Array
    test_labels: Array
    origin: str


@dataclass(frozen=True)
class DatasetSpec:
    """One data set that an experiment can name.

    `stem` is what its files are called (several data sets may share them): `<stem>.npz` and
    `keras.datasets.<stem>`. `folders` are the names of folders in which its files usually lie,
    `system_folders` the places where the operating system's packages put them.
    `read_folder` reads one folder: it raises DataUnavailableError when the data set is not there,
    and DataError that names the file when it is there and broken. `bundled` reads a data set that
    comes with a library; where it is given, nothing else is looked at.
    `validation_share` of the training images are held out. `relabel` comes last, so that data sets
    which differ in their labels alone have the same splits. `check` raises DataError when the
    contents cannot be this data set. `mends` are what a person can do who has none of it.
    """

    name: str
    title: str
    input_shape: Shape
    classes: int
    normalisation: Normalisation
    validation_share: float
    stem: str
    folders: tuple[str, ...] = ()
    system_folders: tuple[Path, ...] = ()
    read_folder: Callable[[Path], Raw] | None = None
    bundled: Callable[[], Raw] | None = None
    relabel: Callable[[Labels], Labels] | None = None
    check: Callable[[Raw], None] | None = None
    mends: tuple[str, ...] = ()


# Every data set here has ten classes in its files.
FILE_CLASSES = 10


def checked(spec: DatasetSpec, raw: Raw) -> Raw:
    """`raw` with images uint8 [n, height, width, channels] and labels int32 [n].

    Raises DataError that says what is wrong with the contents, and where they came from.
    """
    for half, images, labels in (
        ("training", raw.train_images, raw.train_labels),
        ("test", raw.test_images, raw.test_labels),
    ):
        if problem := _problem(spec, images, labels):
            raise DataError(
                f"{spec.title} from {raw.origin}: the {half} half has {problem}.",
                f"Expected are uint8 images {'x'.join(map(str, spec.input_shape))} and as many "
                f"labels from 0 to {FILE_CLASSES - 1}: put the original files there.",
            )
    if len(raw.train_labels) < len(raw.test_labels):
        raise DataError(
            f"{spec.title} from {raw.origin} has {len(raw.train_labels):,} training images and "
            f"{len(raw.test_labels):,} test images: the two are swapped.",
            "Give each file its original name.",
        )
    result = replace(
        raw,
        train_images=raw.train_images.reshape(-1, *spec.input_shape),
        train_labels=raw.train_labels.reshape(-1).astype(np.int32),
        test_images=raw.test_images.reshape(-1, *spec.input_shape),
        test_labels=raw.test_labels.reshape(-1).astype(np.int32),
    )
    if spec.check is not None:
        spec.check(result)
    return result


def _problem(spec: DatasetSpec, images: Array, labels: Array) -> str:
    height, width, channels = spec.input_shape
    fitting = [(height, width, channels)] + ([(height, width)] if channels == 1 else [])
    if images.shape[1:] not in fitting:
        return f"images of shape {'x'.join(map(str, images.shape[1:]))}"
    if images.dtype != np.uint8:
        return f"pixels of type {images.dtype}"
    if len(images) != labels.size:
        return f"{len(images):,} images and {labels.size:,} labels"
    if not labels.size or not np.issubdtype(labels.dtype, np.integer):
        return "no integer labels"
    if labels.min() < 0 or labels.max() >= FILE_CLASSES:
        return f"labels from {labels.min()} to {labels.max()}"
    return ""
