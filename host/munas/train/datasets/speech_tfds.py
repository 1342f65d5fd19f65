"""The Speech Commands as tensorflow-datasets prepares them.

It makes silence itself: half-overlapping seconds of the noise recordings (one recording's are the
validation's), and takes the official test archive, whose twelve classes are alike in number.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from munas.errors import DataError
from munas.train.datasets.lazy import cached_arrays
from munas.train.datasets.mfcc import BATCH, CLIP, FrontEnd, features
from munas.train.datasets.spec import Raw
from munas.train.datasets.splits import SPLIT_SEED
from munas.train.datasets.tfds import prepared

SPLITS = ("train", "validation", "test")
EXTRA_NAMES = {"_silence_": "silence", "_unknown_": "unknown"}

Arrays = dict[str, npt.NDArray[Any]]


def read_speech_tfds(front_end: FrontEnd, classes: tuple[str, ...], share: float) -> Raw:
    """The three splits; of training's and validation's unknown words `share` of the ten words'."""
    found = prepared("speech_commands", SPLITS)
    names = [EXTRA_NAMES.get(name, name) for name in found.label_names]
    origin = f"tensorflow-datasets' speech_commands {found.version}"
    if sorted(names) != sorted(classes):
        raise DataError(
            f"{origin} has the classes {', '.join(names)}.",
            f"Expected are {', '.join(classes)}: use the version 0.0.3, or the unpacked archive.",
        )
    order = np.array([classes.index(name) for name in names], np.int32)

    def part(split: str) -> Arrays:
        key = hashlib.sha256(f"{origin} {split} {front_end}".encode()).hexdigest()
        what = f"the {split} split of {origin}"
        return cached_arrays(key, what, lambda: _features(found.splits[split], front_end, order))

    parts = {split: part(split) for split in SPLITS}
    for split in ("train", "validation"):
        parts[split] = _thinned(parts[split], classes.index("unknown"), len(classes) - 2, share)
    train, val, test = (parts[split] for split in SPLITS)
    return Raw(
        train["images"],
        train["labels"],
        test["images"],
        test["labels"],
        origin,
        val["images"],
        val["labels"],
    )


def _features(
    examples: Iterable[dict[str, Any]], front_end: FrontEnd, order: npt.NDArray[np.int32]
) -> Arrays:
    labels: list[int] = []
    images = [np.empty((0, front_end.frames, front_end.coefficients, 1), np.uint8)]
    for batch in _batches(examples):
        clips = np.zeros((len(batch), CLIP), np.int16)
        for row, example in zip(clips, batch, strict=True):
            audio = example["audio"][:CLIP]
            row[: len(audio)] = audio
            labels.append(int(order[int(example["label"])]))
        images.append(features(clips, front_end))
    return {"images": np.concatenate(images), "labels": np.array(labels, np.int32)}


def _batches(examples: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    batch: list[dict[str, Any]] = []
    for example in examples:
        batch.append(example)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _thinned(arrays: Arrays, unknown: int, words: int, share: float) -> Arrays:
    """Without most of the unknown words, of which there are far more than of any other class."""
    labels = arrays["labels"]
    where = np.flatnonzero(labels == unknown)
    wanted = math.ceil(share * int((labels < words).sum()))
    chosen = np.random.default_rng(SPLIT_SEED).permutation(where)[:wanted]
    kept = np.sort(np.concatenate([np.flatnonzero(labels != unknown), chosen]))
    return {name: array[kept] for name, array in arrays.items()}
