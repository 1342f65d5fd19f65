"""Conformal prediction intervals: ranges around predictions that hold whatever the model is.

All is relative: errors are those of logarithms, so that an interval is a factor about a prediction.
They hold on average over points that are exchangeable with those they were calibrated on, not for
every kind of point. Knows predictions, not what makes them.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import ceil

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import KDTree

from munas.errors import BadInputError
from munas.stats.interval import Vector, pair_of, require_share, sample_of


@dataclass(frozen=True)
class SplitConformal:
    """What calibration on n points found: actual values lie within a factor exp(±`log_width`) of
    their prediction in a share of at least 1 - `alpha` of cases. Infinite where n is too small.

    Where `normalised`, the width is per unit of difficulty.
    """

    log_width: float
    alpha: float
    n: int
    normalised: bool

    def around(
        self, predicted: ArrayLike, difficulty: ArrayLike | None = None
    ) -> tuple[Vector, Vector]:
        """The low and the high end at each prediction (m,).

        Raises BadInputError unless difficulties (m,) are given exactly where `normalised`.
        """
        if self.normalised != (difficulty is not None):
            raise BadInputError(
                "Difficulties are needed for calibration and prediction, or neither."
            )
        centre = sample_of(predicted, "predicted", positive=True)
        with np.errstate(over="ignore"):
            factor = np.exp(self.log_width * _difficulty(difficulty, centre.size))
        return centre / factor, centre * factor


def conformal_quantile(scores: NDArray[np.float64], alpha: float) -> NDArray[np.float64]:
    """Of n scores along the first axis (n, …) the ceil((n + 1)(1 - alpha))-th smallest (…), which
    one more exchangeable score does not exceed with a probability of at least 1 - alpha (Vovk,
    Gammerman and Shafer, "Algorithmic Learning in a Random World", 2005; Lei et al., JASA 113,
    2018). Infinite where that rank is above n.
    """
    require_share(alpha, "alpha")
    n = len(scores)
    # As a fraction: 10 * (1 - 0.7) is above 3 in binary, and would round up to 4.
    rank = ceil((n + 1) * (1 - Fraction(alpha).limit_denominator(1_000_000)))
    if rank > n:
        return np.full(scores.shape[1:], np.inf)
    found: NDArray[np.float64] = np.partition(scores, rank - 1, axis=0)[rank - 1]
    return found


def split_conformal(
    actual: ArrayLike,
    predicted: ArrayLike,
    alpha: float,
    *,
    difficulty: ArrayLike | None = None,
) -> SplitConformal:
    """Calibrate on n points (n,) that the model was not fitted to (Papadopoulos et al., ECML 2002;
    Lei et al., JASA 113, 2018).

    `difficulty` (n,), above zero, is how large an error is to be expected at each point, known
    without its actual value; intervals then widen with it (Papadopoulos, Vovk and Gammerman, JAIR
    40, 2011). Raises BadInputError for values not above zero or unequal lengths.
    """
    scores = _scores(actual, predicted, difficulty)
    width = float(conformal_quantile(scores, alpha))
    return SplitConformal(width, alpha, scores.size, normalised=difficulty is not None)


def cv_plus(
    actual: ArrayLike,
    held_out: ArrayLike,
    fold_of: ArrayLike,
    predictions: ArrayLike,
    alpha: float,
    *,
    difficulty: ArrayLike | None = None,
    difficulty_at: ArrayLike | None = None,
) -> tuple[Vector, Vector]:
    """The low and the high end of m predictions (m,) by CV+, which spares no points for
    calibration; jackknife+ where each fold is one point (Barber, Candès, Ramdas and Tibshirani,
    "Predictive Inference with the Jackknife+", Annals of Statistics 49, 2021).

    `held_out` (n,) predicts each `actual` (n,) by the model that was fitted without its fold
    `fold_of` (n,), counted from 0; `predictions` (folds, m) are those of each such model at the new
    points. `difficulty` (n,) and `difficulty_at` (m,), both or neither, as in `split_conformal`.
    Holds in at least 1 - 2·alpha of cases (jackknife+; CV+ slightly less), and typically in about
    1 - alpha. Raises BadInputError for shapes that do not fit or values not above zero.
    """
    if (difficulty is None) != (difficulty_at is None):
        raise BadInputError("Difficulties are needed for the known and for the new points.")
    scores = _scores(actual, held_out, difficulty)
    by_fold = np.asarray(predictions, dtype=np.float64)
    folds = np.asarray(fold_of)
    if by_fold.ndim != 2:
        raise BadInputError(f"predictions must be (folds, points), not of shape {by_fold.shape}.")
    if folds.shape != scores.shape or folds.min() < 0 or folds.max() >= len(by_fold):
        raise BadInputError(f"fold_of must give one of {len(by_fold)} folds for every point.")
    sample_of(by_fold.ravel(), "predictions", positive=True)
    centre = np.log(by_fold)[folds]
    half = np.outer(scores, _difficulty(difficulty_at, by_fold.shape[1]))
    with np.errstate(over="ignore"):
        low = np.exp(-conformal_quantile(half - centre, alpha))
        high = np.exp(conformal_quantile(centre + half, alpha))
    return low, high


def nearest_difficulty(
    features: ArrayLike,
    errors: ArrayLike,
    at: ArrayLike,
    *,
    neighbours: int = 25,
    floor: float = 0.1,
) -> Vector:
    """How large an error is to be expected at new points (m,): the mean size of the errors (n,) of
    the nearest known points (Papadopoulos, Vovk and Gammerman, JAIR 40, 2011, §4).

    `features` (n, d) and `at` (m, d) are compared after each feature is divided by its standard
    deviation. `floor` times the mean error is added, so that no interval shrinks to nothing. The
    known points must not be those that calibrate the intervals.
    """
    known, new = np.asarray(features, dtype=np.float64), np.asarray(at, dtype=np.float64)
    sizes = np.abs(sample_of(errors, "errors"))
    if known.ndim != 2 or new.ndim != 2 or known.shape[1] != new.shape[1]:
        raise BadInputError(f"Features {known.shape} and {new.shape} do not fit together.")
    if len(known) != sizes.size:
        raise BadInputError(f"{len(known)} points have features and {sizes.size} have errors.")
    overall = float(sizes.mean())
    if overall == 0:
        return np.ones(len(new))
    scale = known.std(axis=0)
    scale[scale == 0] = 1.0
    _, nearest = KDTree(known / scale).query(
        new / scale, k=range(1, 1 + min(neighbours, len(known)))
    )
    found: Vector = sizes[nearest].mean(axis=1) + floor * overall
    return found


def _scores(actual: ArrayLike, predicted: ArrayLike, difficulty: ArrayLike | None) -> Vector:
    first, second = pair_of(actual, predicted, least=1, names=("actual", "predicted"))
    sample_of(first, "actual", positive=True)
    sample_of(second, "predicted", positive=True)
    errors = np.abs(np.log(first) - np.log(second))
    found: Vector = errors / _difficulty(difficulty, first.size)
    return found


def _difficulty(difficulty: ArrayLike | None, n: int) -> Vector | float:
    if difficulty is None:
        return 1.0
    given = sample_of(difficulty, "difficulty", positive=True)
    if given.size != n:
        raise BadInputError(f"{given.size} difficulties were given for {n} points.")
    return given
