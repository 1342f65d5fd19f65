"""A packed data set is the same data set."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from munas.experiment.schema import Data
from munas.train import load
from munas.train.datasets.packed import pack_dataset, unpack_dataset


def test_a_packed_data_set_comes_back_whole():
    dataset = load(Data(name="digits", train_samples=100))
    again = unpack_dataset(pack_dataset(dataset))
    assert again.sha256 == dataset.sha256 and again.normalisation == dataset.normalisation
    assert (again.name, again.input_shape, again.classes) == ("digits", (8, 8, 1), 10)
    assert again.origin == dataset.origin
    for name in ("train", "val", "test"):
        ours, theirs = getattr(again, name), getattr(dataset, name)
        assert np.array_equal(ours.images, theirs.images)
        assert np.array_equal(ours.labels, theirs.labels)


def test_the_digest_is_never_taken_on_trust():
    dataset = load(Data(name="digits", train_samples=100))
    forged = replace(dataset, sha256="0" * 64)
    assert unpack_dataset(pack_dataset(forged)).sha256 == dataset.sha256
