from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from munas.errors import DataError
from munas.experiment.schema import Data
from munas.train import Dataset, load
from munas.train.datasets.har import CHANNELS, SAMPLES

WINDOWS = 6  # a person's, one of each activity


def write_half(folder: Path, half: str, people: list[int]) -> None:
    """The archive's files: all values of person p are p / 10 + channel / 100."""
    signals = folder / half / "Inertial Signals"
    signals.mkdir(parents=True)
    who = np.repeat(people, WINDOWS)
    np.savetxt(folder / half / f"subject_{half}.txt", who, fmt="%d")
    np.savetxt(folder / half / f"y_{half}.txt", np.tile(np.arange(WINDOWS) + 1, len(people)), "%d")
    for channel, (name, _) in enumerate(CHANNELS):
        values = np.repeat(who[:, np.newaxis] / 10 + channel / 100, SAMPLES, axis=1)
        np.savetxt(signals / f"{name}_{half}.txt", values, fmt=" %.7e")


@pytest.fixture
def har_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "UCI HAR Dataset"
    write_half(folder, "train", [1, 3, 5, 6, 7])
    write_half(folder, "test", [2, 4])
    return folder


def har(folder: Path) -> Dataset:
    return load(Data(name="har", folder=str(folder)), environ={})


def people_of(images: np.ndarray) -> set[int]:
    """Who the windows are of, from the first channel (2 g at 255)."""
    values = images[:, 0, 0, 0] / 255 * 4 - 2
    return set(np.rint(values * 10).astype(int).tolist())


def test_people_are_never_in_two_parts(har_folder: Path) -> None:
    dataset = har(har_folder.parent)
    assert (dataset.input_shape, dataset.classes) == ((128, 1, 9), 6)
    assert (len(dataset.train), len(dataset.val), len(dataset.test)) == (24, 6, 12)
    parts = [people_of(part.images) for part in (dataset.train, dataset.val, dataset.test)]
    assert set.union(*parts) == {1, 2, 3, 4, 5, 6, 7}
    assert sum(map(len, parts)) == 7
    assert parts[2] == {2, 4}


def test_each_channel_has_its_range(har_folder: Path) -> None:
    window = har(har_folder).test.images[0]
    for channel, (_, limit) in enumerate(CHANNELS):
        value = 0.2 + channel / 100
        expected = round((value + limit) / (2 * limit) * 255)
        assert (window[:, 0, channel] == expected).all()


def test_a_person_in_both_halves(har_folder: Path) -> None:
    (har_folder / "test" / "subject_test.txt").write_text("3\n" * 12)
    with pytest.raises(DataError, match="person 3 is in both halves"):
        har(har_folder)


def test_files_that_are_broken(har_folder: Path) -> None:
    path = har_folder / "train" / "Inertial Signals" / "body_gyro_z_train.txt"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:-1]))
    with pytest.raises(DataError, match=r"body_gyro_z_train\.txt has 29 lines of 128 values"):
        har(har_folder)
    path.write_text("".join([*lines[:-1], "1.0 x\n"]))
    with pytest.raises(DataError, match=r"body_gyro_z_train\.txt is not a table of numbers"):
        har(har_folder)
    path.unlink()
    with pytest.raises(DataError, match=r"body_gyro_z_train\.txt cannot be read"):
        har(har_folder)


def test_an_activity_that_nobody_does(har_folder: Path) -> None:
    (har_folder / "test" / "y_test.txt").write_text("1\n2\n3\n4\n5\n5\n" * 2)
    with pytest.raises(DataError, match=r"test part \(12 examples\).*class 5 \(laying\)"):
        har(har_folder)
