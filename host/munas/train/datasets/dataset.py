"""What a data set is to the rest of munas: images, labels, splits, and where they came from."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from munas.arch import Shape
from munas.errors import DataError

Images = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float32]


class DataUnavailableError(DataError):
    """A data set is in none of the places that were looked in (as opposed to broken)."""


@dataclass(frozen=True)
class Normalisation:
    """How an image becomes a network's input: (pixel / scale - mean) / std, channel by channel.

    `mean` and `std` have one entry, for all channels, or one a channel.
    """

    scale: float
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)

    @property
    def gain(self) -> Floats:
        """float32 [1] or [channels]: input = pixel * gain + offset."""
        return np.asarray(1.0 / (self.scale * np.asarray(self.std)), np.float32)

    @property
    def offset(self) -> Floats:
        """float32 [1] or [channels]: input = pixel * gain + offset."""
        return np.asarray(-np.asarray(self.mean) / np.asarray(self.std), np.float32)

    def apply(self, images: npt.NDArray[Any]) -> Floats:
        """float32 inputs [n, height, width, channels] of uint8 images of that shape."""
        inputs: Floats = images.astype(np.float32) * self.gain + self.offset
        return inputs


@dataclass(frozen=True, eq=False)
class Split:
    """Images uint8 [n, height, width, channels] and their labels int32 [n], read-only."""

    images: Images
    labels: Labels

    def __post_init__(self) -> None:
        self.images.flags.writeable = False
        self.labels.flags.writeable = False

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, eq=False)
class Dataset:
    """One data set, split and ready to train on.

    `sha256` is over every image and label of the three splits and the normalisation: equal digests
    mean that two trainings saw the same data. `origin` says in one line where the data came from;
    `notice` is what the person should be told (empty if nothing): that a fallback was taken.
    """

    name: str
    input_shape: Shape
    classes: int
    train: Split
    val: Split
    test: Split
    normalisation: Normalisation
    sha256: str
    origin: str
    notice: str = ""


def fingerprint(splits: tuple[Split, ...], normalisation: Normalisation) -> str:
    """SHA-256 of the splits' shapes, images and labels, and of the normalisation."""
    digest = hashlib.sha256(repr(normalisation).encode())
    for split in splits:
        digest.update(repr(split.images.shape).encode())
        digest.update(np.ascontiguousarray(split.images).data)
        digest.update(np.ascontiguousarray(split.labels).data)
    return digest.hexdigest()
