"""Stratified splits, always with seed 0: a data set is split in one way for all experiments."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from munas.errors import DataError

SPLIT_SEED = 0
# A validation set that is cut with `train_samples` keeps at least this many images: with fewer, the
# error of the accuracy itself (1.3 % at 90 % and 500 images) hides what the search looks for.
FEWEST_VALIDATION_IMAGES = 1_000

Indices = npt.NDArray[np.int64]


def stratified(labels: npt.NDArray[np.integer], held_out: int) -> tuple[Indices, Indices]:
    """Indices of the images that stay and of the `held_out` ones, both with the classes' shares.

    Raises DataError when a class has too few images to be in both.
    """
    from sklearn.model_selection import train_test_split

    try:
        stay, held = train_test_split(
            np.arange(len(labels)),
            test_size=held_out,
            stratify=labels,
            random_state=SPLIT_SEED,
        )
    except ValueError as error:
        raise DataError(
            f"{len(labels):,} images cannot be split with {held_out:,} held out and every class "
            f"on both sides: {error}",
            "Use more images.",
        ) from None
    return _swapped(labels, stay, held)


def _swapped(
    labels: npt.NDArray[np.integer], stay: Indices, held: Indices
) -> tuple[Indices, Indices]:
    """Every class on both sides: the shares of a small one can come to none on the smaller side."""
    for side, other in ((stay, held), (held, stay)):
        for label in np.setdiff1d(labels, labels[side]):
            most = np.bincount(labels[side]).argmax()
            give, get = (labels[side] == most).argmax(), (labels[other] == label).argmax()
            side[give], other[get] = other[get], side[give]
    return stay, held


def subset(labels: npt.NDArray[np.integer], count: int) -> Indices:
    """Indices of `count` images with the classes' shares; of all, if there are not more."""
    if count >= len(labels):
        return np.arange(len(labels))
    if len(labels) - count < len(np.unique(labels)):
        # Too few are left out for one of each class, which is what a stratified split asks for.
        order = np.random.default_rng(SPLIT_SEED).permutation(len(labels))
        return np.sort(order[:count])
    return stratified(labels, len(labels) - count)[0]


def validation_count(train_samples: int, train_images: int, validation_images: int) -> int:
    """How many validation images go with `train_samples` of `train_images` training images.

    The same share of them, but not below FEWEST_VALIDATION_IMAGES, or all there are.
    """
    share = min(1.0, train_samples / train_images)
    return min(validation_images, max(FEWEST_VALIDATION_IMAGES, round(share * validation_images)))
