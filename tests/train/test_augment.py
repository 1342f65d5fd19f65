from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from munas.experiment.schema import Augment
from munas.train.augment import augmented, flip, rotate, shift


@st.composite
def batches(draw: st.DrawFn) -> np.ndarray:
    count = draw(st.integers(1, 4))
    height, width = draw(st.integers(1, 9)), draw(st.integers(1, 9))
    channels = draw(st.sampled_from([1, 3]))
    dtype = draw(st.sampled_from([np.uint8, np.float32]))
    elements = st.integers(0, 255) if dtype == np.uint8 else st.floats(0, 1, width=32)
    return draw(arrays(dtype, (count, height, width, channels), elements=elements))


settings_of_augment = st.builds(
    Augment,
    flip=st.booleans(),
    shift_pixels=st.integers(0, 4),
    rotate_radians=st.sampled_from([0.0, 0.2, 3.0]),
    rotate_probability=st.sampled_from([0.0, 0.3, 1.0]),
)


@settings(deadline=None)
@given(images=batches(), augment=settings_of_augment, seed=st.integers(0, 2**32))
def test_same_shape_type_and_range_and_same_for_a_seed(
    images: np.ndarray, augment: Augment, seed: int
) -> None:
    before = images.copy()
    result = augmented(images, augment, np.random.default_rng(seed))
    np.testing.assert_array_equal(images, before)
    assert result.shape == images.shape
    assert result.dtype == images.dtype
    assert result.max() <= images.max()
    np.testing.assert_array_equal(result, augmented(images, augment, np.random.default_rng(seed)))


@given(images=batches(), seed=st.integers(0, 99))
def test_flipping_twice_is_nothing(images: np.ndarray, seed: int) -> None:
    chosen = np.random.default_rng(seed).random(len(images)) < 0.5
    flipped = flip(images, chosen)
    np.testing.assert_array_equal(flip(flipped, chosen), images)
    np.testing.assert_array_equal(flipped[chosen], images[chosen][:, :, ::-1])
    np.testing.assert_array_equal(flipped[~chosen], images[~chosen])


@given(images=batches())
def test_no_shift_and_no_angle_are_nothing(images: np.ndarray) -> None:
    np.testing.assert_array_equal(shift(images, np.zeros((len(images), 2), int)), images)
    np.testing.assert_array_equal(rotate(images, np.zeros(len(images))), images)


def test_shift_moves_down_and_right_and_mirrors_the_border_in() -> None:
    image = np.arange(12, dtype=np.uint8).reshape(1, 3, 4, 1)
    moved = shift(np.repeat(image, 2, axis=0), np.array([[1, 2], [-1, 0]]))
    np.testing.assert_array_equal(moved[0, ..., 0], [[1, 0, 0, 1], [1, 0, 0, 1], [5, 4, 4, 5]])
    np.testing.assert_array_equal(moved[1, ..., 0], [[4, 5, 6, 7], [8, 9, 10, 11], [8, 9, 10, 11]])


@given(images=batches().filter(lambda batch: batch.shape[1] == batch.shape[2]))
def test_quarter_and_half_turns(images: np.ndarray) -> None:
    half = rotate(images, np.full(len(images), np.pi))
    np.testing.assert_allclose(half, images[:, ::-1, ::-1], atol=1e-5)
    quarter = rotate(images, np.full(len(images), np.pi / 2))
    np.testing.assert_allclose(quarter, np.rot90(images, 1, axes=(1, 2)), atol=1e-5)


def test_rotation_does_not_bleed_from_one_image_into_another() -> None:
    rng = np.random.default_rng(1)
    images = rng.integers(1, 256, (1100, 3, 11, 1), dtype=np.uint8)
    angles = rng.uniform(-3, 3, len(images))
    alone = np.concatenate(
        [rotate(images[i : i + 1], angles[i : i + 1]) for i in range(0, len(images), 50)]
    )
    np.testing.assert_array_equal(rotate(images, angles)[::50], alone)


def test_everything_off_costs_nothing() -> None:
    images = np.zeros((5, 4, 4, 1), np.uint8)
    rng = np.random.default_rng(0)
    state: Any = rng.bit_generator.state
    assert augmented(images, Augment(), rng) is images
    assert rng.bit_generator.state == state


@pytest.mark.parametrize(
    ("augment", "low", "high"),
    [
        (Augment(flip=True), 0.45, 0.55),
        (Augment(rotate_radians=0.5, rotate_probability=0.3), 0.25, 0.35),
        (Augment(shift_pixels=1), 8 / 9 - 0.04, 8 / 9 + 0.04),
    ],
)
def test_how_many_images_change(augment: Augment, low: float, high: float) -> None:
    image = np.random.default_rng(3).integers(0, 256, (1, 8, 8, 1), dtype=np.uint8)
    images = np.repeat(image, 2000, axis=0)
    changed = (augmented(images, augment, np.random.default_rng(4)) != images).any(axis=(1, 2, 3))
    assert low < changed.mean() < high


def test_rows_alone_are_shifted() -> None:
    """A series of 12 rows, one wide: rows move, channels and columns do not."""
    images = np.arange(12, dtype=np.uint8).reshape(1, 12, 1, 1).repeat(200, axis=0)
    moved = augmented(images, Augment(shift_rows=3), np.random.default_rng(0))[:, :, 0, 0]
    assert set(moved[:, 5].tolist()) == {2, 3, 4, 5, 6, 7, 8}
    assert moved[moved[:, 5] == 2][0].tolist() == [2, 1, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8]
    wide = np.broadcast_to(np.arange(5, dtype=np.uint8)[:, None], (9, 12, 5, 1))
    unmoved = augmented(wide.copy(), Augment(shift_rows=3), np.random.default_rng(0))
    np.testing.assert_array_equal(unmoved, wide)
