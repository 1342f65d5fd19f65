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
from munas.train.datasets.lazy import Lazy

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Raw:
    """A data set as its files hold it: images [n, height, width(, channels)] and labels.

    Images may be `Lazy`: read only once it is known which are needed. `val_images` and `val_labels`
    are the validation images where the files themselves set them apart; otherwise both are None,
    and a share of the training images is held out.
    """

    train_images: Array | Lazy
    train_labels: Array
    test_images: Array | Lazy
    test_labels: Array
    origin: str
    val_images: Array | Lazy | None = None
    val_labels: Array | None = None


@dataclass(frozen=True)
class DatasetSpec:
    """One data set that an experiment can name.

    `input_shape` and `classes` are None where the files decide both. `file_classes` is how many
    classes the files have, where `relabel` makes fewer of them; `class_names` are for messages.
    `stem` is what its archive is called (several data sets may share it), `<stem>.npz`; `keras` the
    module of `keras.datasets` that has it, `tfds` reads it from tensorflow-datasets. `folders` are
    the names of folders in which its files usually lie, `system_folders` the places where the
    operating system's packages put them.
    `read_folder` reads one folder: it raises DataUnavailableError when the data set is not there,
    and DataError that names the file when it is there and broken. `bundled` reads a data set that
    comes with a library; where it is given, nothing else is looked at.
    `validation_share` of the training images are held out where the files set none apart. `relabel`
    comes last, so that data sets which differ in their labels alone have the same splits. `check`
    raises DataError when the contents cannot be this data set. `mends` are what a person can do who
    has none of it.
    """

    name: str
    title: str
    input_shape: Shape | None
    classes: int | None
    normalisation: Normalisation
    validation_share: float
    stem: str | None = None
    keras: str | None = None
    tfds: Callable[[], Raw] | None = None
    folders: tuple[str, ...] = ()
    system_folders: tuple[Path, ...] = ()
    read_folder: Callable[[Path], Raw] | None = None
    bundled: Callable[[], Raw] | None = None
    file_classes: int | None = None
    class_names: tuple[str, ...] = ()
    relabel: Callable[[Labels], Labels] | None = None
    check: Callable[[Raw], None] | None = None
    mends: tuple[str, ...] = ()


def checked(spec: DatasetSpec, raw: Raw) -> Raw:
    """`raw` with images uint8 [n, height, width, channels] and labels int32 [n].

    Raises DataError that says what is wrong with the contents, and where they came from.
    """
    halves = [
        ("training", raw.train_images, raw.train_labels),
        ("test", raw.test_images, raw.test_labels),
    ]
    if raw.val_images is not None and raw.val_labels is not None:
        halves.append(("validation", raw.val_images, raw.val_labels))
    shape = spec.input_shape or raw.train_images.shape[1:]
    classes = spec.file_classes or spec.classes
    for half, images, labels in halves:
        if problem := _problem(shape, classes, images, labels):
            upto = "" if classes is None else f" to {classes - 1}"
            raise DataError(
                f"{spec.title} from {raw.origin}: the {half} half has {problem}.",
                f"Expected are uint8 images {'x'.join(map(str, shape))} and as many "
                f"labels from 0{upto}: put the original files there.",
            )
    if spec.classes is not None and len(raw.train_labels) < len(raw.test_labels):
        raise DataError(
            f"{spec.title} from {raw.origin} has {len(raw.train_labels):,} training images and "
            f"{len(raw.test_labels):,} test images: the two are swapped.",
            "Give each file its original name.",
        )
    result = replace(
        raw,
        train_images=_full_rank(raw.train_images, shape),
        train_labels=_flat(raw.train_labels),
        test_images=_full_rank(raw.test_images, shape),
        test_labels=_flat(raw.test_labels),
        val_images=None if raw.val_images is None else _full_rank(raw.val_images, shape),
        val_labels=None if raw.val_labels is None else _flat(raw.val_labels),
    )
    if spec.check is not None:
        spec.check(result)
    return result


def _full_rank(images: Array | Lazy, shape: tuple[int, ...]) -> Array | Lazy:
    return images if isinstance(images, Lazy) else images.reshape(-1, *shape)


def _flat(labels: Array) -> Labels:
    return labels.reshape(-1).astype(np.int32)


def _problem(
    shape: tuple[int, ...], classes: int | None, images: Array | Lazy, labels: Array
) -> str:
    fitting = [shape] + ([shape[:2]] if shape[-1] == 1 else [])
    if images.shape[1:] not in fitting:
        return f"images of shape {'x'.join(map(str, images.shape[1:]))}"
    if images.dtype != np.uint8:
        return f"pixels of type {images.dtype}"
    if len(images) != labels.size:
        return f"{len(images):,} images and {labels.size:,} labels"
    if not labels.size or not np.issubdtype(labels.dtype, np.integer):
        return "no integer labels"
    if labels.min() < 0 or (classes is not None and labels.max() >= classes):
        return f"labels from {labels.min()} to {labels.max()}"
    return ""
