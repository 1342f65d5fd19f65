from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from munas.errors import DataError
from munas.experiment.schema import Data
from munas.train import Dataset, DataUnavailableError, load


def save(folder: Path, **arrays: Any) -> None:
    np.savez(folder / "own.npz", **arrays)


def own(folder: Path) -> Dataset:
    return load(Data(name="own", folder=str(folder)), environ={})


def series(count: int, classes: int = 3) -> dict[str, np.ndarray]:
    """Floats [n, 16, 2] of class 0, 1, 2, 0 …; the first channel is -1 or 1, the second 0 or 10."""
    rng = np.random.default_rng(5)
    values = rng.integers(0, 2, (count, 16, 2)) * [2.0, 10.0] - [1.0, 0.0]
    return {"x": values.astype(np.float32), "y": np.arange(count) % classes}


def halves(train: int = 60, test: int = 30, classes: int = 3) -> dict[str, np.ndarray]:
    first, second = series(train, classes), series(test, classes)
    return {
        "x_train": first["x"],
        "y_train": first["y"],
        "x_test": second["x"],
        "y_test": second["y"],
    }


def test_a_series_of_floats_takes_its_shape_and_classes_from_the_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save(tmp_path, **halves())
    dataset = own(tmp_path)
    assert (dataset.input_shape, dataset.classes) == ((16, 1, 2), 3)
    assert (len(dataset.train), len(dataset.val), len(dataset.test)) == (48, 12, 30)
    assert dataset.test.images.dtype == np.uint8
    assert "low [-1.0, 0.0], high [1.0, 10.0]" in capsys.readouterr().err
    # The training half's own range: its lowest is 0, its highest 255, in both channels.
    np.testing.assert_array_equal(np.unique(dataset.test.images), [0, 255])
    expected = (series(30)["x"] > 0) * 255
    np.testing.assert_array_equal(dataset.test.images[:, :, 0], expected)


def test_a_range_of_the_file_is_taken_and_clips(tmp_path: Path) -> None:
    save(tmp_path, **halves(), low=np.float32(-1.0), high=np.array([1.0, 5.0]))
    images = own(tmp_path).test.images
    np.testing.assert_array_equal(np.unique(images[..., 1]), [round(255 / 6), 255])


def test_a_validation_part_of_the_file_is_kept(tmp_path: Path) -> None:
    val = series(9)
    save(tmp_path, **halves(), x_val=val["x"], y_val=val["y"])
    dataset = own(tmp_path)
    assert (len(dataset.train), len(dataset.val)) == (60, 9)
    np.testing.assert_array_equal(dataset.val.labels, val["y"])


def test_images_stay_as_they_are(tmp_path: Path) -> None:
    images = np.random.default_rng(1).integers(0, 256, (40, 6, 5, 3)).astype(np.uint8)
    labels = np.arange(40) % 2
    save(tmp_path, x_train=images, y_train=labels, x_test=images, y_test=labels)
    dataset = own(tmp_path)
    assert (dataset.input_shape, dataset.classes) == ((6, 5, 3), 2)
    np.testing.assert_array_equal(dataset.test.images, images)


def test_more_test_examples_than_training_examples_are_no_mistake(tmp_path: Path) -> None:
    save(tmp_path, **halves(train=30, test=60))
    assert len(own(tmp_path).test) == 60


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"x_test": np.zeros((30, 8, 2))}, "examples of different shapes"),
        ({"x_train": np.full((60, 16, 2), np.nan)}, "values in x_train that are not finite"),
        ({"x_train": np.zeros((60, 2))}, r"x_train of shape \(60, 2\)"),
        ({"x_train": np.zeros((60, 16, 2), np.int32)}, "x_train of type int32"),
        ({"x_train": np.zeros((60, 16, 2), np.uint8)}, "both of uint8 and of floats"),
        ({"low": np.zeros(3)}, r"low of shape \(3,\), not \(2,\)"),
        ({"low": 2.0, "high": 1.0}, "high is not above its low"),
        ({"y_train": np.arange(60) % 3 - 1}, "labels from -1 to 1"),
        ({"y_train": np.zeros(60)}, "no integer labels"),
        ({"y_train": np.arange(59) % 3}, "60 images and 59 labels"),
        ({"y_train": np.array([{}])}, "cannot be read: .*allow_pickle"),
        ({"x_val": np.zeros((3, 16, 2))}, "has no array y_val"),
    ],
)
def test_what_cannot_be_used_is_named(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    save(tmp_path, **(halves() | changes))
    with pytest.raises(DataError, match=message) as fault:
        own(tmp_path)
    assert "own.npz" in str(fault.value)


def test_a_class_that_a_part_lacks(tmp_path: Path) -> None:
    arrays = halves()
    save(tmp_path, **(arrays | {"y_test": arrays["y_test"] * 2}))
    with pytest.raises(DataError, match=r"training part \(48 examples\) has no example of class 3"):
        own(tmp_path)
    save(tmp_path, **(arrays | {"y_test": np.minimum(arrays["y_test"], 1)}))
    with pytest.raises(DataError, match=r"test part \(30 examples\) has no example of class 2\."):
        own(tmp_path)


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(DataUnavailableError, match=r"no own\.npz there") as fault:
        own(tmp_path)
    assert "docs/data.md" in fault.value.mend
