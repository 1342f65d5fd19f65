"""Bootstrap intervals: scipy's own, the fallbacks, reproducibility."""

from __future__ import annotations

from math import inf

import numpy as np
import pytest
from scipy import stats

from munas.errors import BadInputError
from munas.stats import IntervalMethod, bootstrap_interval
from munas.stats.interval import Matrix, Vector

VALUES = np.random.default_rng(5).lognormal(size=40)


def mean(counts: Matrix) -> Vector:
    found: Vector = counts @ VALUES / counts.sum(axis=1)
    return found


def test_is_scipys_bca() -> None:
    ours = bootstrap_interval(mean, 40, resamples=499, seed=7)
    theirs = stats.bootstrap(
        (VALUES,), np.mean, n_resamples=499, method="BCa", rng=np.random.default_rng(7)
    ).confidence_interval
    assert ours.method is IntervalMethod.BCA
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high))
    assert ours.value == pytest.approx(VALUES.mean())


def test_same_seed_same_interval() -> None:
    one, again, other = (bootstrap_interval(mean, 40, resamples=99, seed=s) for s in (1, 1, 2))
    assert one == again
    assert one != other


def test_more_confidence_is_wider() -> None:
    narrow, wide = (bootstrap_interval(mean, 40, confidence=c) for c in (0.8, 0.99))
    assert wide.low < narrow.low < narrow.value < narrow.high < wide.high


def test_all_resamples_alike() -> None:
    found = bootstrap_interval(lambda counts: np.full(len(counts), 3.0), 5, resamples=99)
    assert (found.value, found.low, found.high) == (3.0, 3.0, 3.0)
    assert found.method is IntervalMethod.CONSTANT


def test_some_resamples_without_a_value_fall_back_to_percentiles() -> None:
    def undefined_without_the_first(counts: Matrix) -> Vector:
        return np.where(counts[:, 0] > 0, mean(counts), np.nan)

    found = bootstrap_interval(undefined_without_the_first, 40, resamples=999)
    assert found.method is IntervalMethod.PERCENTILE
    assert found.low < found.value < found.high


def test_an_estimate_beyond_all_resamples_falls_back_to_percentiles() -> None:
    """Only the whole sample has 40 distinct points; BCa's bias correction is then infinite."""
    found = bootstrap_interval(
        lambda counts: (counts > 0).sum(axis=1) * 1.0, 40, resamples=999, confidence=0.5
    )
    assert found.method is IntervalMethod.PERCENTILE
    assert found.value == 40
    theirs = stats.bootstrap(
        (np.arange(40),),
        lambda points: float(len(set(points))),
        vectorized=False,
        n_resamples=999,
        confidence_level=0.5,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    assert (found.low, found.high) == (theirs.low, theirs.high)


def test_mostly_undefined_is_no_interval() -> None:
    """A quarter of the resamples hold the first point more than once."""

    def mostly_undefined(counts: Matrix) -> Vector:
        whole = counts.max(axis=1) == 1
        return np.where(whole | (counts[:, 0] > 1), mean(counts), np.nan)

    found = bootstrap_interval(mostly_undefined, 40, resamples=299)
    assert (found.low, found.high, found.method) == (-inf, inf, IntervalMethod.NONE)


def test_one_point() -> None:
    with pytest.raises(BadInputError, match="at least 2"):
        bootstrap_interval(mean, 1)
