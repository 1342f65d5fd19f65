"""Mann-Whitney and Hodges-Lehmann: by hand, against scipy, and consistent with each other."""

from __future__ import annotations

from itertools import combinations
from math import comb, inf

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from munas.stats import IntervalMethod, hodges_lehmann, least_p, mann_whitney_p

samples = st.lists(st.integers(-30, 30), min_size=1, max_size=8)


few = st.lists(st.integers(-5, 5), min_size=2, max_size=5)


@given(few, few)
@settings(deadline=None, max_examples=60)
def test_p_is_scipys_over_all_partings(first: list[int], second: list[int]) -> None:
    theirs = stats.mannwhitneyu(first, second, method=stats.PermutationMethod(1000)).pvalue
    assert mann_whitney_p(first, second) == pytest.approx(theirs)


def test_p_of_a_single_tied_sample() -> None:
    """Of the five places that 9 could have, one is as extreme; 3 shares the lower three."""
    assert mann_whitney_p([9], [3, 3, 3, 4]) == pytest.approx(2 / 5)
    assert mann_whitney_p([3, 3, 4, 9], [3]) == 1.0


def test_p_of_equal_samples() -> None:
    assert mann_whitney_p([3] * 30, [3] * 40) == 1.0


def test_large_samples_are_scipys() -> None:
    first, second = np.random.default_rng(1).integers(0, 50, size=(2, 100))
    theirs = stats.mannwhitneyu(first, second, method="asymptotic").pvalue
    assert mann_whitney_p(first, second) == pytest.approx(theirs)


@pytest.mark.parametrize(("n", "m"), [(1, 1), (3, 3), (4, 6), (8, 8)])
def test_least_p(n: int, m: int) -> None:
    apart = mann_whitney_p(np.arange(n), 100 + np.arange(m))
    assert least_p(n, m) == pytest.approx(apart)
    assert least_p(n, m) == pytest.approx(2 / comb(n + m, n))


def test_interval_by_the_book() -> None:
    """Hollander, Wolfe and Chicken, example 4.1 (permeability of membranes): R's wilcox.test gives
    the estimate -0.305 and the 95 % interval -0.76 to 0.15 for these data."""
    term = [0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46]
    early = [1.15, 0.88, 0.90, 0.74, 1.21]
    found = hodges_lehmann(term, early)
    assert found.value == pytest.approx(-0.305)
    assert (found.low, found.high) == pytest.approx((-0.76, 0.15))
    assert mann_whitney_p(term, early) == pytest.approx(0.2544, abs=1e-4)


@given(samples, samples, st.sampled_from([0.8, 0.9, 0.95]))
def test_the_interval_holds_the_shifts_that_are_not_rejected(
    first: list[int], second: list[int], confidence: float
) -> None:
    """Just inside either end a shift is kept, just outside it is rejected."""
    found = hodges_lehmann(first, second, confidence=confidence)
    before, after = np.array(first, dtype=float), np.array(second, dtype=float)
    if found.method is IntervalMethod.NONE:
        assert least_p(before.size, after.size) > 1 - confidence
        return
    level = 1 - confidence + 1e-9
    for end, outwards in ((found.low, -1e-3), (found.high, 1e-3)):
        assert p_of_shift(before, after, end + outwards) <= level
        if found.low < found.high:
            assert p_of_shift(before, after, end - outwards) > level


def test_the_normal_interval_holds_the_shifts_that_are_not_rejected() -> None:
    """Just outside its end a shift is rejected, one difference further in it is kept."""
    rng = np.random.default_rng(7)
    before, after = rng.normal(size=30), rng.normal(size=40)
    differences = np.sort(np.subtract.outer(after, before).ravel())
    found = hodges_lehmann(before, after)
    low, high = (int(np.searchsorted(differences, end)) for end in (found.low, found.high))
    for outside, inside in ((low - 1, low + 1), (high + 1, high - 1)):
        assert mann_whitney_p(before + differences[outside], after) <= 0.05
        assert mann_whitney_p(before + differences[inside], after) > 0.05


def p_of_shift(before: np.ndarray, after: np.ndarray, shift: float) -> float:
    """Two-sided, by U's place among its values in all ways to part the ranks."""
    n, m = before.size, after.size
    u = (np.subtract.outer(after, before + shift) > 0).sum()
    every = np.array([sum(part) - n * (n - 1) // 2 for part in combinations(range(n + m), n)])
    return 2 * float(min(np.mean(every <= u), np.mean(every >= u)))


@given(samples, samples, st.integers(-50, 50))
def test_shifting_shifts_and_exchanging_turns(first: list[int], second: list[int], by: int) -> None:
    found = hodges_lehmann(first, second, confidence=0.8)
    moved = hodges_lehmann(first, np.add(second, by), confidence=0.8)
    turned = hodges_lehmann(second, first, confidence=0.8)
    assert (moved.value, moved.low, moved.high) == (
        found.value + by,
        found.low + by,
        found.high + by,
    )
    assert (turned.value, turned.low, turned.high) == (-found.value, -found.high, -found.low)


def test_too_few_for_the_confidence() -> None:
    found = hodges_lehmann([1, 2, 3], [4, 5, 6])
    assert (found.low, found.high, found.method) == (-inf, inf, IntervalMethod.NONE)
    assert hodges_lehmann([1, 2, 3], [4, 5, 6], confidence=0.9).method is IntervalMethod.RANK_SUM


@pytest.mark.parametrize(("n", "m"), [(7, 12), (30, 40)])
def test_coverage(n: int, m: int) -> None:
    """Exact and normal, for a skewed distribution: 92 to 98.5 % of 400 hold the shift of 3."""
    rng = np.random.default_rng(6)
    hits = 0
    for _ in range(400):
        found = hodges_lehmann(rng.lognormal(size=n), 3 + rng.lognormal(size=m))
        hits += found.low <= 3 <= found.high
    assert 0.92 <= hits / 400 <= 0.985
