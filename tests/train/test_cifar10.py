from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from munas.errors import DataError
from munas.experiment.schema import Data
from munas.train import Dataset, load
from munas.train.datasets import DataUnavailableError, cifar10

RECORDS = 60


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """CIFAR-10's binary files with 60 records each; pixel bytes tell file, record and plane."""
    monkeypatch.setattr(cifar10, "RECORDS", RECORDS)
    folder = tmp_path / "cifar-10-batches-bin"
    folder.mkdir()
    for number, name in enumerate((*cifar10.TRAINING_FILES, cifar10.TEST_FILE)):
        records = np.zeros((RECORDS, 3073), np.uint8)
        records[:, 0] = np.arange(RECORDS) % 10
        planes = records[:, 1:].reshape(RECORDS, 3, 32, 32)
        planes += np.arange(RECORDS, dtype=np.uint8)[:, None, None, None]
        planes[:, 1] += 100
        planes[:, 2, :, 0] = number
        records.tofile(folder / name)
    return folder


def loaded(name: str, folder: Path) -> Dataset:
    return load(Data(name=name, folder=str(folder)), environ={})


def test_planes_become_channels(folder: Path) -> None:
    raw = cifar10.read_binary_folder(folder)
    assert raw.train_images.shape == (5 * RECORDS, 32, 32, 3)
    record = RECORDS + 7  # the second file's eighth
    assert raw.train_labels[record] == 7
    np.testing.assert_array_equal(raw.train_images[record, 4, 5], [7, 107, 7])
    np.testing.assert_array_equal(raw.train_images[record, 4, 0], [7, 107, 1])
    np.testing.assert_array_equal(raw.test_images[3, 9, 0], [3, 103, 5])


def test_found_in_the_folder_or_in_the_one_above(folder: Path) -> None:
    inside, above = loaded("cifar10", folder), loaded("cifar10", folder.parent)
    assert inside.sha256 == above.sha256
    assert inside.origin == above.origin == str(folder)
    assert (len(inside.train), len(inside.val), len(inside.test)) == (270, 30, 60)


def test_two_classes_have_the_same_splits(folder: Path) -> None:
    ten, two = loaded("cifar10", folder), loaded("cifar10_binary", folder)
    assert two.classes == 2
    for wide, narrow in ((ten.train, two.train), (ten.val, two.val), (ten.test, two.test)):
        np.testing.assert_array_equal(wide.images, narrow.images)
        np.testing.assert_array_equal(narrow.labels, wide.labels < 5)
    assert ten.sha256 != two.sha256


def test_normalisation(folder: Path) -> None:
    normalisation = loaded("cifar10", folder).normalisation
    image = np.array([0, 128, 255], np.uint8).reshape(1, 1, 1, 3)
    expected = (np.array([0, 128, 255]) / 255 - [0.4914, 0.4822, 0.4465]) / [0.2023, 0.1994, 0.201]
    result = normalisation.apply(image)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result.ravel(), expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(("change", "state"), [(-1, "truncated"), (3073, "too long")])
def test_wrong_lengths(folder: Path, change: int, state: str) -> None:
    path = folder / "data_batch_3.bin"
    content = path.read_bytes()
    path.write_bytes(content[:change] if change < 0 else content + bytes(change))
    with pytest.raises(DataError, match=rf"data_batch_3\.bin is {state}"):
        loaded("cifar10", folder)


def test_other_labels(folder: Path) -> None:
    path = folder / "test_batch.bin"
    path.write_bytes(b"\x63" + path.read_bytes()[1:])
    with pytest.raises(DataError, match=r"test_batch\.bin is not one of .* a label 99"):
        loaded("cifar10", folder)


def test_a_missing_file(folder: Path) -> None:
    (folder / "data_batch_2.bin").unlink()
    with pytest.raises(DataError, match=r"but not data_batch_2\.bin"):
        loaded("cifar10", folder)


def test_pickles_are_left_alone(tmp_path: Path) -> None:
    python_version = tmp_path / "cifar-10-batches-py"
    python_version.mkdir()
    (python_version / "data_batch_1").write_bytes(b"not even a pickle")
    for folder in (tmp_path, python_version):
        with pytest.raises(DataUnavailableError, match="pickles are never loaded"):
            cifar10.read_binary_folder(folder)
