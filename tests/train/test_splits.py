from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from munas.errors import DataError
from munas.experiment.schema import Data
from munas.train import Dataset, load
from munas.train.datasets.splits import stratified, subset, validation_count


def test_digits_are_split_60_20_20(digits: Dataset) -> None:
    sizes = [len(split) for split in (digits.train, digits.val, digits.test)]
    assert sizes == [1078, 360, 359]
    for split in (digits.train, digits.val, digits.test):
        shares = np.bincount(split.labels, minlength=10) / len(split)
        assert 0.09 < shares.min() <= shares.max() < 0.11
    assert digits.train.images.max() == 16
    assert digits.normalisation.apply(digits.train.images).max() == 1.0
    images = np.concatenate([s.images for s in (digits.train, digits.val, digits.test)])
    assert len(images) == 1797


def test_loading_twice_gives_the_same_digest(digits: Dataset) -> None:
    assert load(Data(name="digits"), environ={}).sha256 == digits.sha256
    fewer = load(Data(name="digits", train_samples=500), environ={})
    assert fewer.sha256 != digits.sha256


def test_train_samples_takes_a_stratified_part(digits: Dataset) -> None:
    fewer = load(Data(name="digits", train_samples=500), environ={})
    assert len(fewer.train) == 500
    assert len(fewer.val) == 360  # all there are, being fewer than 1,000
    assert len(fewer.test) == len(digits.test)
    assert np.bincount(fewer.train.labels).min() >= 48


@settings(deadline=None)
@given(data=st.data())
def test_subsets(data: st.DataObject) -> None:
    total = data.draw(st.integers(40, 300))
    count = data.draw(st.integers(10, 400))
    labels = np.arange(total) % 10
    chosen = subset(labels, count)
    assert len(chosen) == min(count, total)
    assert len(np.unique(chosen)) == len(chosen)
    np.testing.assert_array_equal(chosen, subset(labels, count))
    if total - count >= 10:
        counts = np.bincount(labels[chosen], minlength=10)
        assert counts.max() - counts.min() <= 2


@pytest.mark.parametrize("held_out", [3, 38])
def test_a_class_must_be_on_both_sides(held_out: int) -> None:
    with pytest.raises(DataError, match="cannot be split"):
        stratified(np.arange(40) % 10, held_out)


@pytest.mark.parametrize(
    ("train_samples", "expected"),
    [(54_000, 6_000), (99_999, 6_000), (12_000, 1_333), (9_000, 1_000), (500, 1_000)],
)
def test_validation_images_shrink_with_the_training_images(
    train_samples: int, expected: int
) -> None:
    assert validation_count(train_samples, 54_000, 6_000) == expected


def test_a_small_class_is_on_both_sides() -> None:
    labels = np.repeat([0, 1, 2, 3], [500, 500, 3, 2])
    stay, held = stratified(labels, 40)
    assert len(held) == 40
    assert set(labels[held]) == set(labels[stay]) == {0, 1, 2, 3}
    assert sorted([*stay, *held]) == list(range(len(labels)))
    few = subset(labels, 20)
    assert len(set(few)) == 20
    assert set(labels[few]) == {0, 1, 2, 3}
