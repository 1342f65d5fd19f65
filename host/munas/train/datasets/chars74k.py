"""Chars74K: digits and letters cut out of photographs (EnglishImg, GoodImg); and in two classes.

Source of the format: T. de Campos, B. R. Babu, M. Varma, "Character recognition in natural images",
VISAPP 2009: one folder a class, Sample001 (0) to Sample062 (z).
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from munas.arch import Shape
from munas.errors import DataError
from munas.train.datasets.dataset import DataUnavailableError, Labels, Normalisation
from munas.train.datasets.pictures import pictures
from munas.train.datasets.spec import DatasetSpec, Raw
from munas.train.datasets.splits import stratified

CHARACTERS = tuple("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
# The paper's parts of the 7,705 pictures: 5,000 to train on, 705 to choose by, 2,000 to test.
ALL, TRAINING, TEST = 7705, 5000, 2000


def read_chars_folder(shape: Shape, folder: Path) -> Raw:
    """Sample001 … Sample062; no part is official, so the test pictures are drawn with seed 0."""
    samples = [folder / f"Sample{number:03}" for number in range(1, len(CHARACTERS) + 1)]
    missing = [sample.name for sample in samples if not sample.is_dir()]
    if len(missing) == len(samples):
        raise DataUnavailableError(f"{folder}: no Sample001 there")
    if missing:
        raise DataError(
            f"{folder} has no folder {', '.join(missing)}.", "Unpack EnglishImg.tgz again."
        )
    found = [(path, i) for i, each in enumerate(samples) for path in sorted(each.glob("*.png"))]
    labels = np.array([label for _, label in found], np.int32)
    if len(empty := np.setdiff1d(np.arange(len(samples)), labels)):
        raise DataError(
            f"{folder / samples[empty[0]].name} has no .png file.", "Unpack EnglishImg.tgz again."
        )
    train, test = stratified(labels, round(TEST / ALL * len(labels)))
    paths = [path for path, _ in found]
    return Raw(
        pictures([paths[i] for i in train], shape),
        labels[train],
        pictures([paths[i] for i in test], shape),
        labels[test],
        str(folder),
    )


def _first_half(labels: Labels) -> Labels:
    """1 for the digits and A to U, 0 for the others."""
    return (labels < len(CHARACTERS) // 2).astype(np.int32)


CHARS74K = DatasetSpec(
    name="chars74k",
    title="Chars74K",
    input_shape=(48, 48, 3),
    classes=len(CHARACTERS),
    class_names=CHARACTERS,
    normalisation=Normalisation(scale=255.0),
    validation_share=(ALL - TRAINING - TEST) / (ALL - TEST),
    stem="chars74k",
    folders=("English/Img/GoodImg/Bmp", "chars74k/English/Img/GoodImg/Bmp", "GoodImg/Bmp"),
    read_folder=partial(read_chars_folder, (48, 48, 3)),
    mends=("unpack Chars74K's EnglishImg.tgz, so that there is a folder English/Img/GoodImg/Bmp",),
)

CHARS74K_BINARY = DatasetSpec(
    name="chars74k_binary",
    title="Chars74K in two classes",
    input_shape=(32, 32, 3),
    classes=2,
    file_classes=len(CHARACTERS),
    normalisation=CHARS74K.normalisation,
    validation_share=CHARS74K.validation_share,
    stem="chars74k_binary",
    folders=CHARS74K.folders,
    read_folder=partial(read_chars_folder, (32, 32, 3)),
    relabel=_first_half,
    mends=CHARS74K.mends,
)
