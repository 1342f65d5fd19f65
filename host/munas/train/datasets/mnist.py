"""MNIST and Fashion-MNIST: 28x28 grey images, ten classes, four IDX files."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from munas.errors import DataError
from munas.train.datasets.dataset import DataUnavailableError, Normalisation
from munas.train.datasets.idx import read_idx
from munas.train.datasets.spec import DatasetSpec, Raw

# Name without ".gz" and dimensions, in the order of Raw's arrays.
FILES = (
    ("train-images-idx3-ubyte", 3),
    ("train-labels-idx1-ubyte", 1),
    ("t10k-images-idx3-ubyte", 3),
    ("t10k-labels-idx1-ubyte", 1),
)
OFFICIAL_TRAINING_IMAGES = 60_000
FASHION_CLASSES = (
    "T-shirt/top",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle boot",
)


def read_idx_folder(folder: Path) -> Raw:
    """The four IDX files of `folder`, gzipped or not."""
    paths = [_path(folder, name) for name, _ in FILES]
    missing = [name for (name, _), path in zip(FILES, paths, strict=True) if path is None]
    if len(missing) == len(FILES):
        raise DataUnavailableError(f"{folder}: no {FILES[0][0]}[.gz] there")
    if missing:
        raise DataError(
            f"{folder} holds some of the IDX files, but not {', '.join(missing)}.",
            "Put all four files there, plain or gzipped.",
        )
    train_images, train_labels, test_images, test_labels = (
        read_idx(path, rank) for (_, rank), path in zip(FILES, paths, strict=True) if path
    )
    return Raw(train_images, train_labels, test_images, test_labels, str(folder))


def _path(folder: Path, name: str) -> Path | None:
    candidates = (folder / f"{name}.gz", folder / name)
    return next((path for path in candidates if path.is_file()), None)


def _is_fashion(raw: Raw) -> bool | None:
    """Which of the two these are (their files have the same names); None if not the official ones.

    The official Fashion-MNIST has 6,000 images of every class, MNIST has not.
    """
    if len(raw.train_labels) != OFFICIAL_TRAINING_IMAGES:
        return None
    counts = np.bincount(raw.train_labels, minlength=10)
    return bool((counts == OFFICIAL_TRAINING_IMAGES // 10).all())


def _refuse_fashion(raw: Raw) -> None:
    if _is_fashion(raw) is True:
        raise _mixed_up(raw, "Fashion-MNIST", "MNIST", "mnist")


def _refuse_digits(raw: Raw) -> None:
    if _is_fashion(raw) is False:
        raise _mixed_up(raw, "MNIST", "Fashion-MNIST", "fashion-mnist")


def _mixed_up(raw: Raw, found: str, wanted: str, folder: str) -> DataError:
    return DataError(
        f"{raw.origin} holds {found}, not {wanted}; their files have the same names.",
        f"Keep {wanted} in a folder of its own, called {folder}.",
    )


FASHION_MNIST = DatasetSpec(
    name="fashion_mnist",
    title="Fashion-MNIST",
    input_shape=(28, 28, 1),
    classes=10,
    class_names=FASHION_CLASSES,
    normalisation=Normalisation(scale=255.0),
    validation_share=0.1,
    stem="fashion_mnist",
    keras="fashion_mnist",
    folders=("fashion-mnist", "fashion_mnist", "FashionMNIST/raw"),
    system_folders=(Path("/usr/share/datasets/fashion-mnist"),),
    read_folder=read_idx_folder,
    check=_refuse_digits,
    mends=("install Debian's package dataset-fashion-mnist",),
)

MNIST = DatasetSpec(
    name="mnist",
    title="MNIST",
    input_shape=(28, 28, 1),
    classes=10,
    normalisation=Normalisation(scale=255.0),
    validation_share=0.1,
    stem="mnist",
    keras="mnist",
    folders=("mnist", "MNIST/raw"),
    read_folder=read_idx_folder,
    check=_refuse_fashion,
)
