"""Rank agreement and speed-up, against scipy and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from munas.errors import BadInputError
from munas.stats import IntervalMethod, rank_agreement, speed_up

tables = st.integers(3, 12).flatmap(
    lambda n: st.lists(
        st.lists(st.integers(0, 9), min_size=n, max_size=n).filter(lambda row: len(set(row)) > 1),
        min_size=2,
        max_size=5,
    )
)


@given(tables)
@settings(deadline=None, max_examples=60)
def test_w_is_friedmans_statistic(table: list[list[int]]) -> None:
    """chi² = m (n - 1) W, ties included."""
    found = rank_agreement(table, resamples=9)
    friedman = stats.friedmanchisquare(*np.transpose(table))
    assert found.w.value * len(table) * (found.n - 1) == pytest.approx(friedman.statistic, abs=1e-9)
    assert found.p_value == pytest.approx(friedman.pvalue)
    assert found.rankers == len(table)


def test_w_is_the_mean_spearman_without_ties() -> None:
    table = np.random.default_rng(1).normal(size=(4, 30))
    found = rank_agreement(table, resamples=9)
    rhos = stats.spearmanr(table, axis=1).statistic[np.triu_indices(4, 1)]
    assert (4 * found.w.value - 1) / 3 == pytest.approx(rhos.mean())


@given(tables)
@settings(deadline=None, max_examples=30)
def test_monotone_maps_leave_w(table: list[list[int]]) -> None:
    bent = [np.exp(table[0]), *table[1:]]
    assert rank_agreement(bent, resamples=9) == rank_agreement(table, resamples=9)


def test_the_same_order_and_opposite_ones() -> None:
    x = np.arange(30.0)
    same = rank_agreement([x, x**2, np.exp(x)], resamples=99)
    assert same.w.value == pytest.approx(1)
    assert same.w.method is IntervalMethod.CONSTANT
    assert not same.too_few
    assert rank_agreement([x, -x], resamples=99).w.value == pytest.approx(0)


def test_coverage_of_w() -> None:
    """The scores are normal and correlate by 0.5, hence Spearman's rho by Kendall (1949)."""
    rng = np.random.default_rng(2)
    truth = (1 + 2 * (6 / np.pi * np.arcsin(0.25))) / 3
    hits = 0
    for seed in range(150):
        scores = rng.normal(size=80) + rng.normal(size=(3, 80))
        found = rank_agreement(scores, resamples=299, seed=seed).w
        hits += found.low <= truth <= found.high
    assert 0.88 <= hits / 150 <= 0.99


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ([[1, 2, 3]], "at least 2"),
        ([[1, 2], [1, 2]], "Ranking 0: 2 given, at least 3"),
        ([[1, 2, 3], [1, 2, 3, 4]], "Ranking 1 has 4"),
        ([[1, 2, 3], [5, 5, 5]], "Ranking 1: all 3"),
    ],
)
def test_bad_rankings(table: list[list[int]], says: str) -> None:
    with pytest.raises(BadInputError, match=says):
        rank_agreement(table)


def test_speed_up_by_hand() -> None:
    found = speed_up([10, 10, 80], [5, 20, 10])
    assert found.value == pytest.approx(2.0)
    constant = speed_up([10, 20, 30], [5, 10, 15])
    assert (constant.low, constant.high) == pytest.approx((2, 2))
    assert constant.method is IntervalMethod.CONSTANT


def test_exchanging_inverts_the_speed_up() -> None:
    slow, fast = np.random.default_rng(3).lognormal(size=(2, 40))
    one, other = speed_up(slow, fast), speed_up(fast, slow)
    assert one.value == pytest.approx(1 / other.value)
    # The ends mirror up to the rounding of ranks among the resamples.
    assert (one.low, one.high) == pytest.approx((1 / other.high, 1 / other.low), rel=1e-2)


def test_coverage_of_the_speed_up() -> None:
    rng = np.random.default_rng(4)
    hits = 0
    for seed in range(300):
        slow = rng.lognormal(size=50)
        fast = slow / 3 * rng.gamma(2, size=50) / np.exp(np.euler_gamma * -1 + 1)
        found = speed_up(slow, fast, resamples=399, seed=seed)
        hits += found.low <= 3 <= found.high
    assert 0.90 <= hits / 300 <= 0.985


def test_bad_times() -> None:
    with pytest.raises(BadInputError, match="after: entry 1"):
        speed_up([1, 2], [1, 0])
    with pytest.raises(BadInputError, match="before has 2"):
        speed_up([1, 2], [1, 2, 3])
