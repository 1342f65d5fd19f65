from __future__ import annotations

import socket
import urllib.error
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from munas.errors import DataError
from munas.experiment.schema import Data
from munas.train import REGISTRY, Dataset, DataUnavailableError, load
from munas.train.datasets import mnist
from munas.train.datasets.download import TIMEOUT_S

OFFLINE = Exception("URL fetch failure on https://example.invalid: None -- [Errno -2] unknown name")


@pytest.fixture(autouse=True)
def no_system_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = replace(REGISTRY["fashion_mnist"], system_folders=())
    monkeypatch.setitem(REGISTRY, "fashion_mnist", spec)


@pytest.fixture
def keras_gives(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, Any], list[float | None]]:
    """Makes `keras.datasets.<stem>.load_data` raise or return; lists the time-outs it ran under."""
    import keras

    calls: list[float | None] = []

    def give(stem: str, result: Any) -> list[float | None]:
        def load_data() -> Any:
            calls.append(socket.getdefaulttimeout())
            print("Downloading data from somewhere")
            if isinstance(result, Exception):
                raise result
            return result

        monkeypatch.setattr(getattr(keras.datasets, stem), "load_data", load_data)
        return calls

    return give


def arrays(shape: tuple[int, ...], train: int = 100, test: int = 50) -> Any:
    return tuple(
        (np.full((count, *shape), 3, np.uint8), (np.arange(count) % 10).astype(np.uint8))
        for count in (train, test)
    )


def without_network(name: str, folder: Path, **more: Any) -> Dataset:
    return load(Data(name=name, folder=str(folder), **more), environ={})


def test_unknown_names_are_refused_at_once() -> None:
    with pytest.raises(DataError, match=r"'imagenet' \(data.name\)") as fault:
        load(Data(name="imagenet"), environ={})
    assert "fashion_mnist" in fault.value.mend
    with pytest.raises(DataError, match=r"'digit' \(data.fallback\)"):
        load(Data(name="digits", fallback="digit"), environ={})


def test_the_folder_of_the_experiment(mnist_folder: Path) -> None:
    dataset = without_network("mnist", mnist_folder)
    assert (dataset.name, dataset.input_shape, dataset.classes) == ("mnist", (28, 28, 1), 10)
    assert (len(dataset.train), len(dataset.val), len(dataset.test)) == (540, 60, 200)
    assert dataset.origin == str(mnist_folder)
    assert dataset.notice == ""
    for split in (dataset.train, dataset.val, dataset.test):
        assert split.images.dtype == np.uint8
        assert split.labels.dtype == np.int32
        assert split.images.shape == (len(split.labels), 28, 28, 1)
        np.testing.assert_array_equal(np.bincount(split.labels), len(split) // 10)
        with pytest.raises(ValueError, match="read-only"):
            split.images[0] = 0


def test_the_folder_of_the_environment(mnist_folder: Path) -> None:
    home = mnist_folder.parent
    mnist_folder.rename(home / "mnist")
    dataset = load(Data(name="mnist"), environ={"MUNAS_DATA": str(home)})
    assert dataset.origin == str(home / "mnist")


def test_the_experiments_folder_comes_before_the_environments(
    mnist_folder: Path, tmp_path: Path
) -> None:
    np.savez(
        tmp_path / "mnist.npz",
        **dict(zip(("x_train", "y_train"), arrays((28, 28))[0], strict=True)),
        **dict(zip(("x_test", "y_test"), arrays((28, 28))[1], strict=True)),
    )
    environ = {"MUNAS_DATA": str(mnist_folder)}
    dataset = load(Data(name="mnist", folder=str(tmp_path)), environ)
    assert dataset.origin == str(tmp_path / "mnist.npz")
    assert len(dataset.train) == 90
    assert load(Data(name="mnist"), environ).origin == str(mnist_folder)


def test_a_folder_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none \(data.folder\) does not exist") as fault:
        without_network("mnist", tmp_path / "none", fallback="digits")
    assert not isinstance(fault.value, DataUnavailableError)


def test_the_system_folder_is_found_untold(
    mnist_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = replace(REGISTRY["fashion_mnist"], system_folders=(mnist_folder,))
    monkeypatch.setitem(REGISTRY, "fashion_mnist", spec)
    assert load(Data(name="fashion_mnist"), environ={}).origin == str(mnist_folder)


def test_archives_with_objects_are_refused(tmp_path: Path) -> None:
    objects = np.array([{}], dtype=object)
    np.savez(tmp_path / "mnist.npz", x_train=objects, y_train=[1], x_test=objects, y_test=[1])
    with pytest.raises(DataError, match=r"mnist\.npz cannot be read: .*allow_pickle"):
        without_network("mnist", tmp_path)


def test_archives_that_lack_an_array(tmp_path: Path) -> None:
    np.savez(tmp_path / "mnist.npz", x_train=[1])
    with pytest.raises(DataError, match=r"mnist\.npz cannot be read: .*y_train"):
        without_network("mnist", tmp_path)


def test_some_files_are_missing(mnist_folder: Path) -> None:
    (mnist_folder / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(DataError, match="but not t10k-labels-idx1-ubyte"):
        without_network("mnist", mnist_folder, fallback="digits")


def test_counts_that_differ(mnist_folder: Path, write_idx) -> None:
    write_idx(mnist_folder / "train-labels-idx1-ubyte.gz", np.arange(599) % 10)
    with pytest.raises(DataError, match="training half has 600 images and 599 labels"):
        without_network("mnist", mnist_folder)


def test_images_and_labels_swapped(mnist_folder: Path) -> None:
    images = mnist_folder / "train-images-idx3-ubyte.gz"
    labels = mnist_folder / "train-labels-idx1-ubyte.gz"
    images.rename(mnist_folder / "x")
    labels.rename(images)
    (mnist_folder / "x").rename(labels)
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte\.gz holds labels, not images"):
        without_network("mnist", mnist_folder)


def test_training_and_test_swapped(mnist_folder: Path) -> None:
    for kind in ("images-idx3", "labels-idx1"):
        train, test = (mnist_folder / f"{half}-{kind}-ubyte.gz" for half in ("train", "t10k"))
        train.rename(mnist_folder / "x")
        test.rename(train)
        (mnist_folder / "x").rename(test)
    with pytest.raises(DataError, match="200 training images and 600 test images: the two are"):
        without_network("mnist", mnist_folder)


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        ("train-images-idx3-ubyte.gz", np.zeros((600, 32, 32)), "images of shape 32x32"),
        ("t10k-labels-idx1-ubyte.gz", np.full(200, 26), "test half has labels from 26 to 26"),
        ("train-labels-idx1-ubyte.gz", np.arange(600) // 599, "cannot be split"),
    ],
)
def test_contents_of_another_data_set(
    mnist_folder: Path, write_idx, name: str, array: np.ndarray, message: str
) -> None:
    write_idx(mnist_folder / name, array)
    with pytest.raises(DataError, match=message):
        without_network("mnist", mnist_folder)


def test_mnist_and_fashion_are_told_apart(
    mnist_folder: Path, write_idx, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mnist, "OFFICIAL_TRAINING_IMAGES", 600)
    assert without_network("fashion_mnist", mnist_folder).name == "fashion_mnist"
    with pytest.raises(DataError, match="holds Fashion-MNIST, not MNIST"):
        without_network("mnist", mnist_folder)
    uneven = np.arange(600) % 10
    uneven[:20] = 3
    write_idx(mnist_folder / "train-labels-idx1-ubyte.gz", uneven)
    assert without_network("mnist", mnist_folder).name == "mnist"
    with pytest.raises(DataError, match="holds MNIST, not Fashion-MNIST"):
        without_network("fashion_mnist", mnist_folder)


def test_keras_is_asked_last(keras_gives, tmp_path: Path, capsys) -> None:
    timeouts = keras_gives("mnist", arrays((28, 28)))
    dataset = without_network("mnist", tmp_path)
    assert dataset.origin == "keras.datasets.mnist"
    assert timeouts == [TIMEOUT_S]
    assert socket.getdefaulttimeout() is None
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "Downloading" in captured.err


@pytest.mark.parametrize(
    "error", [OFFLINE, TimeoutError("timed out"), urllib.error.URLError("refused")]
)
def test_offline(keras_gives, tmp_path: Path, error: Exception) -> None:
    timeouts = keras_gives("fashion_mnist", error)
    with pytest.raises(DataUnavailableError) as fault:
        without_network("fashion_mnist", tmp_path)
    assert len(timeouts) == 1
    message = str(fault.value)
    for part in (
        "Fashion-MNIST cannot be had",
        f"{tmp_path}: no train-images-idx3-ubyte[.gz] there",
        "keras.datasets.fashion_mnist: ",
        "dataset-fashion-mnist",
        "data.folder or $MUNAS_DATA",
        "data.fallback",
    ):
        assert part in message


def test_the_fallback_is_taken_and_said(keras_gives, tmp_path: Path, digits: Dataset) -> None:
    keras_gives("fashion_mnist", OFFLINE)
    dataset = without_network("fashion_mnist", tmp_path, fallback="digits", train_samples=12_000)
    assert dataset.name == "digits"
    assert dataset.sha256 == digits.sha256
    assert dataset.notice.startswith("Used instead of Fashion-MNIST: scikit-learn's digits.")
    assert "dataset-fashion-mnist" in dataset.notice


def test_the_fallback_is_not_taken_for_broken_files(keras_gives, mnist_folder: Path) -> None:
    path = mnist_folder / "train-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte\.gz is truncated"):
        without_network("mnist", mnist_folder, fallback="digits")


def test_a_fallback_that_cannot_be_had_either(keras_gives, tmp_path: Path) -> None:
    keras_gives("mnist", OFFLINE)
    keras_gives("cifar10", OFFLINE)
    with pytest.raises(DataUnavailableError, match="CIFAR-10 cannot be had"):
        without_network("mnist", tmp_path, fallback="cifar10")


def test_a_damaged_cache_of_keras(keras_gives, tmp_path: Path) -> None:
    keras_gives("fashion_mnist", EOFError("Compressed file ended"))
    with pytest.raises(DataError, match="cached copy of fashion_mnist is damaged") as fault:
        without_network("fashion_mnist", tmp_path, fallback="digits")
    assert not isinstance(fault.value, DataUnavailableError)
