"""Human activity from a phone's accelerometer and gyroscope: 128 samples of nine channels.

Source of the format: the README.txt of the archive (UCI Machine Learning Repository, "Human
Activity Recognition Using Smartphones", D. Anguita et al., 2013). One text file a channel, a window
of 2.56 s at 50 Hz a line; windows overlap by half.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from munas.errors import DataError
from munas.train.datasets.dataset import DataUnavailableError, Normalisation
from munas.train.datasets.own import steps
from munas.train.datasets.spec import Array, DatasetSpec, Raw
from munas.train.datasets.splits import SPLIT_SEED

SAMPLES = 128
# Each channel's file, and the value that uint8 255 stands for (0 stands for its negative).
CHANNELS = (
    ("body_acc_x", 2.0),  # g, without gravity
    ("body_acc_y", 2.0),
    ("body_acc_z", 2.0),
    ("body_gyro_x", 6.0),  # radians a second
    ("body_gyro_y", 6.0),
    ("body_gyro_z", 6.0),
    ("total_acc_x", 2.0),  # g
    ("total_acc_y", 2.0),
    ("total_acc_z", 2.0),
)
ACTIVITIES = (
    "walking",
    "walking upstairs",
    "walking downstairs",
    "sitting",
    "standing",
    "laying",
)
# Of the people in the training half: 4 of the official 21.
VALIDATION_PEOPLE_SHARE = 0.2


def read_har_folder(folder: Path) -> Raw:
    """The unpacked archive; whole people of the training half make the validation examples."""
    if not (folder / "train" / "y_train.txt").is_file():
        raise DataUnavailableError(f"{folder}: no train/y_train.txt there")
    images, labels, people = _read_half(folder, "train")
    test_images, test_labels, test_people = _read_half(folder, "test")
    if len(shared := np.intersect1d(people, test_people)):
        raise DataError(
            f"{folder}: person {shared[0]} is in both halves.", "Unpack the archive again."
        )
    known = np.unique(people)
    if len(known) < 2:
        raise DataError(f"{folder} has one person alone in train.", "Unpack the archive again.")
    count = max(1, round(VALIDATION_PEOPLE_SHARE * len(known)))
    chosen = np.random.default_rng(SPLIT_SEED).permutation(known)[:count]
    val = np.isin(people, chosen)
    return Raw(
        images[~val],
        labels[~val],
        test_images,
        test_labels,
        str(folder),
        images[val],
        labels[val],
    )


def _read_half(folder: Path, half: str) -> tuple[npt.NDArray[np.uint8], Array, Array]:
    """Windows uint8 [n, 128, 1, 9], labels from 0, and who each is of."""
    labels = _column(folder / half / f"y_{half}.txt") - 1
    people = _column(folder / half / f"subject_{half}.txt")
    signals = folder / half / "Inertial Signals"
    windows = np.empty((len(labels), SAMPLES, 1, len(CHANNELS)), np.uint8)
    if len(people) != len(labels):
        raise DataError(
            f"{folder}: {len(labels):,} labels of {half} and {len(people):,} lines of who it was.",
            "Unpack the archive again.",
        )
    for channel, (name, limit) in enumerate(CHANNELS):
        path = signals / f"{name}_{half}.txt"
        table = _table(path)
        if table.shape != (len(labels), SAMPLES):
            raise DataError(
                f"{path} has {table.shape[0]:,} lines of {table.shape[1]} values; expected are "
                f"{len(labels):,} of {SAMPLES}.",
                "Unpack the archive again.",
            )
        windows[:, :, 0, channel] = steps(table, -limit, limit)
    return windows, labels, people


def _column(path: Path) -> npt.NDArray[np.int32]:
    return _table(path)[:, 0].astype(np.int32)


def _table(path: Path) -> npt.NDArray[np.float32]:
    import pandas as pd

    try:
        table = pd.read_csv(path, sep=r"\s+", header=None, dtype=np.float32).to_numpy()
    except OSError as error:
        raise DataError(
            f"{path} cannot be read: {error.strerror}.", "Unpack the archive again."
        ) from None
    except ValueError as error:
        raise DataError(
            f"{path} is not a table of numbers: {error}.", "Unpack the archive again."
        ) from None
    if not np.isfinite(table).all():
        raise DataError(f"{path} has lines of different lengths.", "Unpack the archive again.")
    return table


HAR = DatasetSpec(
    name="har",
    title="Human Activity Recognition Using Smartphones",
    input_shape=(SAMPLES, 1, len(CHANNELS)),
    classes=len(ACTIVITIES),
    class_names=ACTIVITIES,
    normalisation=Normalisation(scale=255.0, mean=(0.5,), std=(0.25,)),
    validation_share=VALIDATION_PEOPLE_SHARE,
    stem="har",
    folders=("UCI HAR Dataset", "har/UCI HAR Dataset", "har"),
    read_folder=read_har_folder,
    mends=("unpack the UCI repository's archive, so that there is a folder 'UCI HAR Dataset'",),
)
