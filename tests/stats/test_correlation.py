"""Correlations: scipy's values and resamples, invariances, coverage."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from munas.errors import BadInputError
from munas.stats import Correlation, CorrelationKind, IntervalMethod, correlation, correlations
from munas.stats.correlation import MOST_KENDALL_POINTS

REFERENCES: dict[CorrelationKind, Callable[[Any, Any], float]] = {
    CorrelationKind.PEARSON: lambda x, y: stats.pearsonr(x, y).statistic,
    CorrelationKind.SPEARMAN: lambda x, y: stats.spearmanr(x, y).statistic,
    CorrelationKind.KENDALL: lambda x, y: stats.kendalltau(x, y).statistic,
    CorrelationKind.R2: lambda x, y: stats.linregress(x, y).rvalue ** 2,
}
RANKED = (CorrelationKind.SPEARMAN, CorrelationKind.KENDALL)
KINDS = pytest.mark.parametrize("kind", list(CorrelationKind))

# Small integers, so that ties are common.
points = st.lists(
    st.tuples(st.integers(-9, 9), st.integers(-9, 9)), min_size=3, max_size=30
).filter(lambda drawn: all(len(set(side)) > 1 for side in zip(*drawn, strict=True)))


def quick(kind: CorrelationKind, x: Any, y: Any) -> Correlation:
    return correlation(kind, x, y, resamples=9)


@KINDS
@given(points)
@settings(deadline=None, max_examples=60)
def test_value_is_scipys(kind: CorrelationKind, drawn: list[tuple[int, int]]) -> None:
    x, y = zip(*drawn, strict=True)
    assert quick(kind, x, y).interval.value == pytest.approx(REFERENCES[kind](x, y), abs=1e-12)


@pytest.mark.filterwarnings("ignore")
@KINDS
@pytest.mark.parametrize("decimals", [0, 6])
def test_interval_is_scipys_with_the_same_resamples(kind: CorrelationKind, decimals: int) -> None:
    """With and without ties: ranks and ties are those of each resample."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=30).round(decimals)
    y = (x + rng.normal(size=30)).round(decimals)
    ours = correlation(kind, x, y, resamples=199, seed=11).interval
    theirs = stats.bootstrap(
        (x, y),
        REFERENCES[kind],
        paired=True,
        vectorized=False,
        n_resamples=199,
        rng=np.random.default_rng(11),
    ).confidence_interval
    assert ours.method is IntervalMethod.BCA
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1e-9)


@pytest.mark.parametrize("kind", RANKED)
@given(points)
@settings(deadline=None, max_examples=30)
def test_monotone_maps_leave_ranks(kind: CorrelationKind, drawn: list[tuple[int, int]]) -> None:
    x, y = (np.array(side, dtype=float) for side in zip(*drawn, strict=True))
    assert quick(kind, np.exp(x), y**3) == quick(kind, x, y)


@KINDS
@given(points, st.floats(0.01, 100), st.floats(-100, 100))
@settings(deadline=None, max_examples=30)
def test_scale_and_shift_leave_all(
    kind: CorrelationKind, drawn: list[tuple[int, int]], scale: float, shift: float
) -> None:
    x, y = (np.array(side, dtype=float) for side in zip(*drawn, strict=True))
    moved = quick(kind, scale * x + shift, y).interval.value
    assert moved == pytest.approx(quick(kind, x, y).interval.value, abs=1e-9)


@KINDS
@given(points)
@settings(deadline=None, max_examples=30)
def test_sides_can_be_exchanged_and_turned(
    kind: CorrelationKind, drawn: list[tuple[int, int]]
) -> None:
    x, y = (np.array(side, dtype=float) for side in zip(*drawn, strict=True))
    value = quick(kind, x, y).interval.value
    turned = value if kind is CorrelationKind.R2 else -value
    assert quick(kind, y, x).interval.value == pytest.approx(value, abs=1e-12)
    assert quick(kind, -x, y).interval.value == pytest.approx(turned, abs=1e-12)


@pytest.mark.parametrize("kind", RANKED)
def test_perfect_order_is_a_constant(kind: CorrelationKind) -> None:
    x = np.arange(50.0)
    found = correlation(kind, x, x**5, resamples=499).interval
    assert (found.low, found.high) == (found.value, found.value) == pytest.approx((1.0, 1.0))
    assert found.method is IntervalMethod.CONSTANT


def test_one_point_off_a_constant() -> None:
    """A third of the resamples miss the only point that differs and have no correlation."""
    x = np.r_[np.zeros(29), 1.0]
    y = np.r_[np.linspace(0, 1, 29), 3.0]
    for kind in CorrelationKind:
        assert correlation(kind, x, y, resamples=499).interval.method is IntervalMethod.PERCENTILE


@pytest.mark.parametrize(
    ("kind", "truth"),
    [
        (CorrelationKind.PEARSON, 0.6),
        (CorrelationKind.R2, 0.36),
        # For the normal distribution: Kendall (1949).
        (CorrelationKind.SPEARMAN, 6 / np.pi * np.arcsin(0.3)),
        (CorrelationKind.KENDALL, 2 / np.pi * np.arcsin(0.6)),
    ],
)
def test_coverage(kind: CorrelationKind, truth: float) -> None:
    """Of 250 intervals 90 to 98.5 % hold the truth (nominal: 95)."""
    rng = np.random.default_rng(20)
    hits = 0
    for seed in range(250):
        x, noise = rng.normal(size=(2, 60))
        found = correlation(kind, x, 0.6 * x + 0.8 * noise, resamples=399, seed=seed).interval
        hits += found.low <= truth <= found.high
    assert 0.90 <= hits / 250 <= 0.985


@KINDS
def test_p_value_of_few_points_is_exact(kind: CorrelationKind) -> None:
    """Of 5! orders, the two perfect ones are as extreme."""
    x = np.arange(5.0)
    assert correlation(kind, x, x, permutations=999).p_value == pytest.approx(2 / 120)


def test_p_value_of_rank_is_scipys_exact_one() -> None:
    x = np.arange(7.0)
    y = np.array([2.0, 1, 4, 3, 7, 5, 6])
    ours = correlation(CorrelationKind.KENDALL, x, y, permutations=9999).p_value
    assert ours == pytest.approx(stats.kendalltau(x, y, method="exact").pvalue)


@KINDS
def test_p_value_with_and_without_association(kind: CorrelationKind) -> None:
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(2, 100))
    related = correlation(kind, x, x + y, permutations=499, resamples=9).p_value
    unrelated = correlation(kind, x, y, permutations=499, resamples=9).p_value
    assert related == pytest.approx(2 / 500)
    assert unrelated is not None
    assert unrelated > 0.05


def test_all_four_together() -> None:
    rng = np.random.default_rng(4)
    x, y = rng.normal(size=(2, 29))
    found = correlations(x, y, resamples=99, seed=3)
    for kind in CorrelationKind:
        assert getattr(found, kind) == correlation(kind, x, y, resamples=99, seed=3)
    assert found.r2.interval.value == pytest.approx(found.pearson.interval.value**2)
    assert found.pearson.p_value is None
    assert found.pearson.too_few
    assert not correlation(CorrelationKind.PEARSON, np.r_[x, 1], np.r_[y, 2], resamples=9).too_few


@pytest.mark.parametrize(
    ("x", "y", "says"),
    [
        ([1, 2], [1, 2], "at least 3"),
        ([1, 1, 1], [1, 2, 3], "x: all 3 entries are 1"),
        ([1, 2, 3], [7, 7, 7], "y: all 3 entries are 7"),
        ([1, 2, 3], [1, 2, np.nan], "y: entry 2 is nan"),
    ],
)
def test_bad_input(x: list[float], y: list[float], says: str) -> None:
    with pytest.raises(BadInputError, match=says):
        correlations(x, y)


def test_too_many_for_kendall() -> None:
    x = np.arange(MOST_KENDALL_POINTS + 1)
    with pytest.raises(BadInputError, match="at most"):
        correlation(CorrelationKind.KENDALL, x, x)
