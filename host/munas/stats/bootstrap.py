"""Bootstrap intervals of statistics over paired points, fast enough for a thousand points.

A resample is given as counts, how often each point is in it, rather than as a list of points. Sums
over a resample are then matrix products, and so are Kendall's pairs, which makes thousands of
resamples of a thousand points a matter of a second. scipy.stats.bootstrap draws the resamples,
takes the jackknife and finds the ends. Knows nothing of what the points are.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from math import inf
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from munas.errors import BadInputError
from munas.stats.interval import (
    CONFIDENCE,
    Interval,
    IntervalMethod,
    Matrix,
    Vector,
    require_share,
)

RESAMPLES = 4999
SEED = 0

Statistic = Callable[[Matrix], Vector]
"""Of counts (resamples, n) one value a resample (resamples,), nan where it is not defined."""

_BATCH_ENTRIES = 4_000_000
_ROUNDING = 1e-12


def batch_of(n: int) -> int:
    """How many resamples of n points to take at once: some tens of megabytes."""
    return max(1, _BATCH_ENTRIES // n)


def bootstrap_interval(
    statistic: Statistic,
    n: int,
    *,
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> Interval:
    """The BCa bootstrap interval of a statistic of n points, the same for the same seed.

    BCa corrects the percentile interval for bias and skewness (Efron, "Better Bootstrap Confidence
    Intervals", JASA 82, 1987). Where it is not defined, because all resamples lie on one side of
    the estimate or some give no value, the percentile interval of those that do stands, and
    `method` says so. Where all agree, the interval is that point (`constant`); where most give no
    value, there is none (`none`).

    Raises BadInputError for fewer than two points, or a confidence that is not a share.
    """
    require_share(confidence, "The confidence")
    if n < 2:
        raise BadInputError(f"An interval needs at least 2 points, not {n}.")
    value = float(statistic(np.ones((1, n)))[0])

    def of_indices(indices: NDArray[np.int64], axis: int = -1) -> Vector:
        found = statistic(_counts(indices.reshape(-1, indices.shape[axis]), n))
        return found.reshape(indices.shape[:-1])

    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore", stats.DegenerateDataWarning)
        found: Any = stats.bootstrap(
            (np.arange(n),),
            of_indices,
            n_resamples=resamples,
            batch=batch_of(n),
            vectorized=True,
            confidence_level=confidence,
            method="BCa",
            rng=np.random.default_rng(seed),
        )
    low, high = (float(end) for end in found.confidence_interval)
    drawn = np.asarray(found.bootstrap_distribution)
    return _interval(value, low, high, drawn[np.isfinite(drawn)], drawn.size, confidence)


def _interval(
    value: float, low: float, high: float, defined: Vector, drawn: int, confidence: float
) -> Interval:
    if 2 * defined.size < drawn:
        return Interval(value, -inf, inf, confidence, IntervalMethod.NONE)
    if np.ptp(defined) <= _ROUNDING * max(1.0, abs(value)):
        return Interval(value, value, value, confidence, IntervalMethod.CONSTANT)
    if np.isfinite(low) and np.isfinite(high):
        return Interval(value, low, high, confidence, IntervalMethod.BCA)
    tail = (1 - confidence) / 2
    low, high = (float(end) for end in np.quantile(defined, [tail, 1 - tail]))
    return Interval(value, low, high, confidence, IntervalMethod.PERCENTILE)


def _counts(indices: NDArray[np.int64], n: int) -> Matrix:
    """How often each of n points is in each resample, from the points (resamples, drawn)."""
    rows = len(indices)
    flat = (indices + n * np.arange(rows)[:, None]).ravel()
    return np.bincount(flat, minlength=n * rows).reshape(rows, n).astype(np.float64)
