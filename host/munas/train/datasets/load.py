"""Finds a data set, reads it, splits it.

Each data set is one record in the file of its family and one line of REGISTRY. Where it is looked
for, in this order: the experiment's `data.folder`; the folder in $MUNAS_DATA; where the operating
system's packages put it; Keras's cache; and last the network, through Keras.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from munas.errors import DataError
from munas.experiment.schema import Data
from munas.train.datasets.cifar10 import CIFAR10, CIFAR10_BINARY
from munas.train.datasets.dataset import Dataset, DataUnavailableError, Split, fingerprint
from munas.train.datasets.digits import DIGITS
from munas.train.datasets.download import read_keras
from munas.train.datasets.mnist import FASHION_MNIST, MNIST
from munas.train.datasets.spec import DatasetSpec, Raw, checked
from munas.train.datasets.splits import stratified, subset, validation_count

ENVIRONMENT_FOLDER = "MUNAS_DATA"

REGISTRY: dict[str, DatasetSpec] = {
    spec.name: spec
    for spec in (
        FASHION_MNIST,
        MNIST,
        CIFAR10,
        CIFAR10_BINARY,
        DIGITS,
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
    yield partial(read_keras, spec.stem)


def _in_folder(spec: DatasetSpec, folder: Path, option: str) -> Iterator[Callable[[], Raw]]:
    """Subfolders first: a folder of several data sets may hold another one's files itself."""
    if not folder.is_dir():
        raise DataError(f"The folder {folder} ({option}) does not exist.", "Mend the path.")
    for place in (*(folder / name for name in spec.folders), folder):
        if (archive := place / f"{spec.stem}.npz").is_file():
            yield partial(_read_npz, archive)
        elif spec.read_folder is not None and (place == folder or place.is_dir()):
            yield partial(spec.read_folder, place)


def _read_npz(path: Path) -> Raw:
    """The four arrays of an archive as Keras has it; one with pickled objects is refused."""
    names = ("x_train", "y_train", "x_test", "y_test")
    try:
        with np.load(path, allow_pickle=False) as archive:
            x_train, y_train, x_test, y_test = (archive[name] for name in names)
    except Exception as error:  # zipfile, zlib and numpy each have their own
        raise DataError(
            f"{path} cannot be read: {error}.",
            f"It must be a NumPy archive of plain arrays {', '.join(names)}.",
        ) from None
    return Raw(x_train, y_train, x_test, y_test, str(path))


def _prepare(spec: DatasetSpec, raw: Raw, train_samples: int | None) -> Dataset:
    held_out = round(spec.validation_share * len(raw.train_labels))
    train, val = stratified(raw.train_labels, held_out)
    if train_samples is not None:
        val_count = validation_count(train_samples, len(train), len(val))
        train = train[subset(raw.train_labels[train], train_samples)]
        val = val[subset(raw.train_labels[val], val_count)]
    relabel = spec.relabel or (lambda labels: labels)
    train_split, val_split, test_split = splits = (
        Split(raw.train_images[train], relabel(raw.train_labels[train])),
        Split(raw.train_images[val], relabel(raw.train_labels[val])),
        Split(raw.test_images, relabel(raw.test_labels)),
    )
    return Dataset(
        name=spec.name,
        input_shape=spec.input_shape,
        classes=spec.classes,
        train=train_split,
        val=val_split,
        test=test_split,
        normalisation=spec.normalisation,
        sha256=fingerprint(splits, spec.normalisation),
        origin=raw.origin,
    )
