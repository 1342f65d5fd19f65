"""The digits of scikit-learn: 1,797 grey images 8x8 with 17 levels; always at hand."""

from __future__ import annotations

import numpy as np

from munas.train.datasets.dataset import Normalisation
from munas.train.datasets.spec import DatasetSpec, Raw
from munas.train.datasets.splits import stratified

TEST_SHARE = 0.2


def read_digits() -> Raw:
    """The bundled images; a fifth of them, stratified, are set aside for the test."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    images, labels = bunch.images.astype(np.uint8), bunch.target
    train, test = stratified(labels, round(TEST_SHARE * len(labels)))
    origin = "scikit-learn's load_digits"
    return Raw(images[train], labels[train], images[test], labels[test], origin)


DIGITS = DatasetSpec(
    name="digits",
    title="scikit-learn's digits",
    input_shape=(8, 8, 1),
    classes=10,
    normalisation=Normalisation(scale=16.0),
    validation_share=0.25,  # of what the test has left: 60 / 20 / 20 of the whole
    stem="digits",
    bundled=read_digits,
)
