"""Small data sets in the real formats, and networks that train in a second."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from munas.arch import Architecture, Block, CnnArchitecture, Layer, Pooling
from munas.experiment.schema import Data
from munas.train import Dataset, Split, load

WriteIdx = Callable[..., None]


@pytest.fixture(scope="session")
def write_idx() -> WriteIdx:
    """Writes an array as an IDX file of unsigned bytes, gzipped if the name ends in .gz."""

    def write(path: Path, array: np.ndarray) -> None:
        header = struct.pack(">BBBB", 0, 0, 8, array.ndim) + struct.pack(
            f">{array.ndim}I", *array.shape
        )
        content = header + array.astype(np.uint8).tobytes()
        path.write_bytes(gzip.compress(content, 1) if path.suffix == ".gz" else content)

    return write


@pytest.fixture
def mnist_folder(tmp_path: Path, write_idx: WriteIdx) -> Path:
    """A folder with MNIST's four files: 600 training and 200 test images of random pixels."""
    folder = tmp_path / "idx"
    folder.mkdir()
    rng = np.random.default_rng(7)
    for half, count in (("train", 600), ("t10k", 200)):
        images = rng.integers(0, 256, (count, 28, 28))
        write_idx(folder / f"{half}-images-idx3-ubyte.gz", images)
        write_idx(folder / f"{half}-labels-idx1-ubyte.gz", np.arange(count) % 10)
    return folder


@pytest.fixture(scope="session")
def digits() -> Dataset:
    return load(Data(name="digits"), environ={})


@pytest.fixture(scope="session")
def binary_digits(digits: Dataset) -> Dataset:
    """The digits in two classes: below five, and the others."""
    halves = {
        name: Split(split.images, (split.labels < 5).astype(np.int32))
        for name, split in (("train", digits.train), ("val", digits.val), ("test", digits.test))
    }
    return replace(digits, classes=2, **halves)


@pytest.fixture(scope="session")
def tiny_cnn() -> Callable[..., Architecture]:
    """A CNN for the digits: one convolution, with or without batch normalisation."""

    def make(classes: int = 10, *, bn: bool = False, filters: int = 8) -> Architecture:
        layer = Layer("conv", bn=bn, relu=True, prepool=False, filters=filters, kernel=3, stride=1)
        blocks = (Block(False, (layer,)),)
        return CnnArchitecture((8, 8, 1), classes, (16,), blocks, Pooling("max", 2))

    return make
