"""A prepared data set as one file, for machines that do not have it."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from typing import Any

import numpy as np

from munas.pipes import pack_arrays, unpack_arrays
from munas.train.datasets.dataset import Dataset, Normalisation, Split, fingerprint

_SPLITS = ("train", "val", "test")


def pack_dataset(dataset: Dataset) -> bytes:
    """The splits as arrays of an .npz file, the rest as JSON in it."""
    arrays: dict[str, Any] = {}
    for name in _SPLITS:
        split: Split = getattr(dataset, name)
        arrays[f"{name}_images"], arrays[f"{name}_labels"] = split.images, split.labels
    rest = {f.name: getattr(dataset, f.name) for f in fields(dataset) if f.name not in _SPLITS}
    rest["normalisation"] = asdict(dataset.normalisation)
    about = np.frombuffer(json.dumps(rest).encode(), np.uint8)
    return pack_arrays({"about": about, **arrays}, compressed=False)


def unpack_dataset(data: bytes) -> Dataset:
    """The inverse of `pack_dataset`; its `sha256` is computed anew. Unpickles nothing."""
    arrays = unpack_arrays(data)
    about = json.loads(arrays["about"].tobytes())
    splits = tuple(Split(arrays[f"{n}_images"], arrays[f"{n}_labels"]) for n in _SPLITS)
    told = about["normalisation"]
    normalisation = Normalisation(told["scale"], tuple(told["mean"]), tuple(told["std"]))
    about |= {"normalisation": normalisation, "input_shape": tuple(about["input_shape"])}
    about |= dict(zip(_SPLITS, splits, strict=True))
    return Dataset(**about | {"sha256": fingerprint(splits, normalisation)})
