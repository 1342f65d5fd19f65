"""CIFAR-10: 32x32 colour images, ten classes; and its two-class form.

Only the official *binary* version is read from a folder: records of one label byte and 3,072 pixel
bytes, the red plane first, then green and blue, each row by row (source: the data set's page,
cs.toronto.edu/~kriz/cifar.html). The Python version consists of pickles, and a pickle can run code.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from munas.errors import DataError
from munas.train.datasets.dataset import DataUnavailableError, Labels, Normalisation
from munas.train.datasets.spec import Array, DatasetSpec, Raw

TRAINING_FILES = tuple(f"data_batch_{number}.bin" for number in range(1, 6))
TEST_FILE = "test_batch.bin"
SIDE = 32
RECORD_BYTES = 1 + 3 * SIDE * SIDE
# Records in each of the six official files.
RECORDS = 10_000

CIFAR_CLASSES = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)

# Mean and deviation of each channel, as the paper's authors take them.
CIFAR_MEAN = (0.4914, 0.4822, 0.4465)
CIFAR_STD = (0.2023, 0.1994, 0.2010)


def read_binary_folder(folder: Path, records: int | None = None) -> Raw:
    """The six binary files of `folder`, each with `records` records (the official number)."""
    names = (*TRAINING_FILES, TEST_FILE)
    missing = [name for name in names if not (folder / name).is_file()]
    if len(missing) == len(names):
        if (folder / "data_batch_1").exists() or (folder / "cifar-10-batches-py").exists():
            raise DataUnavailableError(
                f"{folder}: only the Python version there, whose pickles are never loaded; "
                "the binary version is needed"
            )
        raise DataUnavailableError(f"{folder}: no {TRAINING_FILES[0]} there")
    if missing:
        raise DataError(
            f"{folder} holds some of CIFAR-10's binary files, but not {', '.join(missing)}.",
            "Unpack the whole of cifar-10-binary.tar.gz.",
        )
    expected = RECORDS if records is None else records
    batches = [_read_batch(folder / name, expected) for name in names]
    test_images, test_labels = batches[-1]
    return Raw(
        np.concatenate([images for images, _ in batches[:-1]]),
        np.concatenate([labels for _, labels in batches[:-1]]),
        test_images,
        test_labels,
        str(folder),
    )


def _read_batch(path: Path, records: int) -> tuple[Array, Array]:
    try:
        content = np.fromfile(path, np.uint8)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from None
    if content.size != records * RECORD_BYTES:
        state = "is truncated" if content.size < records * RECORD_BYTES else "is too long"
        raise DataError(
            f"{path} {state}: it has {content.size:,} bytes, {records:,} records make "
            f"{records * RECORD_BYTES:,}.",
            "Unpack it again from cifar-10-binary.tar.gz.",
        )
    table = content.reshape(records, RECORD_BYTES)
    labels = table[:, 0]
    if labels.max(initial=0) > 9:
        raise DataError(
            f"{path} is not one of CIFAR-10's binary files: it has a label {labels.max()}.",
            "Labels go from 0 to 9; CIFAR-100's files are something else.",
        )
    planes = table[:, 1:].reshape(records, 3, SIDE, SIDE)
    return np.ascontiguousarray(planes.transpose(0, 2, 3, 1)), labels


def _first_five(labels: Labels) -> Labels:
    """1 for airplane, automobile, bird, cat and deer; 0 for dog, frog, horse, ship and truck."""
    return (labels < 5).astype(np.int32)


CIFAR10 = DatasetSpec(
    name="cifar10",
    title="CIFAR-10",
    input_shape=(SIDE, SIDE, 3),
    classes=10,
    class_names=CIFAR_CLASSES,
    normalisation=Normalisation(scale=255.0, mean=CIFAR_MEAN, std=CIFAR_STD),
    validation_share=0.1,
    stem="cifar10",
    keras="cifar10",
    folders=("cifar-10-batches-bin", "cifar10/cifar-10-batches-bin", "cifar10"),
    read_folder=read_binary_folder,
    mends=("unpack CIFAR-10's binary version (cifar-10-binary.tar.gz)",),
)

CIFAR10_BINARY = DatasetSpec(
    name="cifar10_binary",
    title="CIFAR-10 in two classes",
    input_shape=CIFAR10.input_shape,
    classes=2,
    normalisation=CIFAR10.normalisation,
    validation_share=CIFAR10.validation_share,
    stem=CIFAR10.stem,
    keras=CIFAR10.keras,
    file_classes=10,
    folders=CIFAR10.folders,
    read_folder=read_binary_folder,
    relabel=_first_five,
    mends=CIFAR10.mends,
)
