"""Finds a data set, reads it, splits it.

Each data set is one record in the file of its family and one line of REGISTRY. Where it is looked
for, in this order: the experiment's `data.folder`; the folder in $MUNAS_DATA; where the operating
system's packages put it; what tensorflow-datasets has prepared; Keras's cache; and last the
network, through Keras. A data set names which of these have it.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from munas.errors import DataError
from munas.experiment.schema import Data
from munas.train.datasets.chars74k import CHARS74K, CHARS74K_BINARY
from munas.train.datasets.cifar10 import CIFAR10, CIFAR10_BINARY
from munas.train.datasets.dataset import (
    Dataset,
    DataUnavailableError,
    Labels,
    Split,
    fingerprint,
)
from munas.train.datasets.digits import DIGITS
from munas.train.datasets.download import read_keras
from munas.train.datasets.har import HAR
from munas.train.datasets.mnist import FASHION_MNIST, MNIST
from munas.train.datasets.own import OWN
from munas.train.datasets.spec import Array, DatasetSpec, Raw, checked
from munas.train.datasets.speech import SPEECH_COMMANDS, SPEECH_COMMANDS_49X10
from munas.train.datasets.splits import stratified, subset, validation_count
from munas.train.datasets.wake_words import VISUAL_WAKE_WORDS, VISUAL_WAKE_WORDS_192X220

ENVIRONMENT_FOLDER = "MUNAS_DATA"

REGISTRY: dict[str, DatasetSpec] = {
    spec.name: spec
    for spec in (
        FASHION_MNIST,
        MNIST,
        CIFAR10,
        CIFAR10_BINARY,
        CHARS74K,
        CHARS74K_BINARY,
        SPEECH_COMMANDS,
        SPEECH_COMMANDS_49X10,
        VISUAL_WAKE_WORDS,
        VISUAL_WAKE_WORDS_192X220,
        HAR,
        DIGITS,
        OWN,
    )
}


def load(data: Data, environ: Mapping[str, str] = os.environ) -> Dataset:
    """The data set that `data` names, or its fallback, split as docs/data.md says.

    `train_samples` takes a stratified subset of the training images; the validation images are then
    cut by the same share, but not below 1,000 (or all there are). The test images stay as they are.
    The first load may download; where several processes need the data, load it in one first.

    A data set that is nowhere to be had is replaced by `data.fallback`, and the result's `notice`
    says so. Raises DataError: an unknown name, files that are there and broken (these are never
    replaced), or no data set and no fallback; it then names the places looked in and the mends.
    """
    spec = _spec(data.name, "data.name")
    fallback = None if data.fallback is None else _spec(data.fallback, "data.fallback")
    try:
        return _prepare(spec, _find(spec, data, environ), data.train_samples)
    except DataUnavailableError as error:
        if fallback is None:
            raise
        own_folder = data.model_copy(update={"folder": None})
        dataset = _prepare(fallback, _find(fallback, own_folder, environ), data.train_samples)
        notice = f"Used instead of {spec.title}: {fallback.title}.\n{error}"
        return replace(dataset, notice=notice)


def _spec(name: str, field: str) -> DatasetSpec:
    if name not in REGISTRY:
        raise DataError(
            f"There is no data set called {name!r} ({field}).",
            f"Choose one of: {', '.join(REGISTRY)}.",
        )
    return REGISTRY[name]


def _find(spec: DatasetSpec, data: Data, environ: Mapping[str, str]) -> Raw:
    """The first place's contents, checked. Raises DataUnavailableError that lists the places."""
    looked = []
    for read in _attempts(spec, data, environ):
        try:
            return checked(spec, read())
        except DataUnavailableError as error:
            looked.append(error.what)
    mends = [*spec.mends, f"name a folder with its files in data.folder or ${ENVIRONMENT_FOLDER}"]
    if data.fallback is None:
        mends.append("set data.fallback to a data set that is at hand (digits always is)")
    if data.folder is None and not environ.get(ENVIRONMENT_FOLDER):
        looked.insert(0, f"no folder: neither data.folder nor ${ENVIRONMENT_FOLDER} names one")
    raise DataUnavailableError(
        f"{spec.title} cannot be had. Looked in:\n" + "\n".join(f"  {place}" for place in looked),
        "One of these mends it:\n" + "\n".join(f"  {mend}" for mend in mends),
    )


def _attempts(
    spec: DatasetSpec, data: Data, environ: Mapping[str, str]
) -> Iterator[Callable[[], Raw]]:
    if spec.bundled is not None:
        yield spec.bundled
        return
    if data.folder is not None:
        yield from _in_folder(spec, Path(data.folder).expanduser(), "data.folder")
    if shared := environ.get(ENVIRONMENT_FOLDER):
        yield from _in_folder(spec, Path(shared).expanduser(), f"${ENVIRONMENT_FOLDER}")
    if spec.read_folder is not None:
        for folder in spec.system_folders:
            yield partial(spec.read_folder, folder)
    if spec.tfds is not None:
        yield spec.tfds
    if spec.keras is not None:
        yield partial(read_keras, spec.keras)


def _in_folder(spec: DatasetSpec, folder: Path, option: str) -> Iterator[Callable[[], Raw]]:
    """Subfolders first: a folder of several data sets may hold another one's files itself."""
    if not folder.is_dir():
        raise DataError(f"The folder {folder} ({option}) does not exist.", "Mend the path.")
    for place in (*(folder / name for name in spec.folders), folder):
        if spec.stem is not None and (archive := place / f"{spec.stem}.npz").is_file():
            yield partial(_read_npz, archive)
        elif spec.read_folder is not None and (place == folder or place.is_dir()):
            yield partial(spec.read_folder, place)


def _read_npz(path: Path) -> Raw:
    """An archive as Keras has it, perhaps with a validation part; pickled objects are refused."""
    names = ("x_train", "y_train", "x_test", "y_test")
    val: list[Array | None] = [None, None]
    try:
        with np.load(path, allow_pickle=False) as archive:
            x_train, y_train, x_test, y_test = (archive[name] for name in names)
            if "x_val" in archive.files:
                val = [archive["x_val"], archive["y_val"]]
    except Exception as error:  # zipfile, zlib and numpy each have their own
        raise DataError(
            f"{path} cannot be read: {error}.",
            f"It must be a NumPy archive of plain arrays {', '.join(names)}.",
        ) from None
    return Raw(x_train, y_train, x_test, y_test, str(path), *val)


def _prepare(spec: DatasetSpec, raw: Raw, train_samples: int | None) -> Dataset:
    """The splits. What is not in one of them is never decoded, where the files are `Lazy`."""
    if raw.val_images is None or raw.val_labels is None:
        held_out = round(spec.validation_share * len(raw.train_labels))
        train, val = stratified(raw.train_labels, held_out)
        val_images, val_labels = raw.train_images, raw.train_labels
    else:
        train, val = np.arange(len(raw.train_labels)), np.arange(len(raw.val_labels))
        val_images, val_labels = raw.val_images, raw.val_labels
    if train_samples is not None:
        val_count = validation_count(train_samples, len(train), len(val))
        train = train[subset(raw.train_labels[train], train_samples)]
        val = val[subset(val_labels[val], val_count)]
    relabel = spec.relabel or (lambda labels: labels)
    labels = [relabel(part) for part in (raw.train_labels[train], val_labels[val], raw.test_labels)]
    classes = spec.classes or 1 + max(int(part.max()) for part in labels)
    _refuse_absent(spec, raw.origin, classes, labels)
    count = sum(len(part) for part in labels)
    _refuse_too_large(spec, count, raw.train_images.shape[1:])
    train_split, val_split, test_split = splits = (
        Split(raw.train_images[train], labels[0]),
        Split(val_images[val], labels[1]),
        Split(raw.test_images[:], labels[2]),
    )
    height, width, channels = train_split.images.shape[1:]
    return Dataset(
        name=spec.name,
        input_shape=(height, width, channels),
        classes=classes,
        train=train_split,
        val=val_split,
        test=test_split,
        normalisation=spec.normalisation,
        sha256=fingerprint(splits, spec.normalisation),
        origin=raw.origin,
    )


def _refuse_absent(spec: DatasetSpec, origin: str, classes: int, labels: list[Labels]) -> None:
    """Raises DataError when a split has no example of a class: its accuracy would mean little."""
    for half, part in zip(("training", "validation", "test"), labels, strict=True):
        absent = np.setdiff1d(np.arange(classes), part)
        if len(absent):
            names = (
                f"{label} ({spec.class_names[label]})" if spec.class_names else str(label)
                for label in absent[:10]
            )
            more = f" and {len(absent) - 10} more" if len(absent) > 10 else ""
            raise DataError(
                f"{spec.title} from {origin}: the {half} part ({len(part):,} examples) has no "
                f"example of class {', '.join(names)}{more}.",
                "Use data in which every class is in every part (a larger data.train_samples, if "
                "that is what cut it); labels count from 0 without gaps.",
            )


def _refuse_too_large(spec: DatasetSpec, count: int, shape: tuple[int, ...]) -> None:
    """Raises DataError before anything is decoded that would not fit into half of the memory."""
    needed = count * math.prod(shape)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if needed > memory // 2:
        raise DataError(
            f"{spec.title}: {count:,} images of {'x'.join(map(str, shape))} take {needed:,} bytes "
            f"in every process of a search; this computer has {memory:,}.",
            "Take fewer of them (data.train_samples), or a data set with smaller images.",
        )
