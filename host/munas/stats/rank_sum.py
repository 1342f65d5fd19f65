"""The shift between two samples by ranks: Mann-Whitney's test, Hodges and Lehmann's estimate.

Knows only two lists of numbers.
"""

from __future__ import annotations

from functools import cache
from itertools import combinations
from math import comb, floor, inf, isnan, sqrt
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from munas.stats.interval import (
    CONFIDENCE,
    Interval,
    IntervalMethod,
    Vector,
    require_share,
    sample_of,
)

MOST_EXACT = 20
"""Up to this size of both samples the null distribution is exact, above it normal."""

_MOST_ENUMERATED = 20_000
_ROUNDING = 1e-12


def mann_whitney_p(before: ArrayLike, after: ArrayLike) -> float:
    """Two-sided p-value of no shift between two samples (n,), (m,) (Mann and Whitney, Annals of
    Mathematical Statistics 18, 1947).

    Exact without ties up to MOST_EXACT samples a side; with ties, exact where all ways to part the
    samples can be gone through (8 and 8), otherwise normal with correction for ties and continuity.
    """
    first, second = sample_of(before, "before"), sample_of(after, "after")
    n, m = first.size, second.size
    tied = np.unique(np.r_[first, second]).size < n + m
    if tied and comb(n + m, n) <= _MOST_ENUMERATED:
        return _enumerated_p(first, second)
    method: Any = "asymptotic" if tied or max(n, m) > MOST_EXACT else "exact"
    p_value = float(stats.mannwhitneyu(first, second, method=method).pvalue)
    # Where all samples are equal the normal approximation divides zero by zero.
    return 1.0 if isnan(p_value) else p_value


def _enumerated_p(first: Vector, second: Vector) -> float:
    """By the rank sum of the smaller sample in every way to part all ranks."""
    fewer, more = sorted((first, second), key=len)
    # Twice the midranks are integers, so that equal sums are equal.
    ranks = np.rint(2 * stats.rankdata(np.r_[fewer, more])).astype(np.int64)
    parts = np.array(list(combinations(range(ranks.size), fewer.size)))
    sums = ranks[parts].sum(axis=1)
    own = ranks[: fewer.size].sum()
    return min(1.0, 2 * float(min(np.mean(sums <= own), np.mean(sums >= own))))


def least_p(n: int, m: int) -> float:
    """The smallest two-sided p-value that samples of n and m can give by ranks."""
    return min(1.0, 2 / comb(n + m, n))


def hodges_lehmann(
    before: ArrayLike, after: ArrayLike, *, confidence: float = CONFIDENCE
) -> Interval:
    """The shift from `before` (n,) to `after` (m,): the median of all n·m differences.

    The interval is that of all shifts which Mann-Whitney's test does not reject (Hodges and
    Lehmann, Annals of Mathematical Statistics 34, 1963; Hollander, Wolfe and Chicken,
    "Nonparametric Statistical Methods", 3rd ed., §4.2 and 4.3). Distribution-free where both
    samples have one shape; its ends are infinite (`none`) where the samples are too few for the
    confidence. Takes memory for n·m differences.
    """
    require_share(confidence, "The confidence")
    first, second = sample_of(before, "before"), sample_of(after, "after")
    differences = np.subtract.outer(second, first).ravel()
    rank = _lower_rank(first.size, second.size, (1 - confidence) / 2)
    value = float(np.median(differences))
    if rank < 1:
        return Interval(value, -inf, inf, confidence, IntervalMethod.NONE)
    ends = rank - 1, differences.size - rank
    low, high = np.partition(differences, ends)[list(ends)]
    return Interval(value, float(low), float(high), confidence, IntervalMethod.RANK_SUM)


def _lower_rank(n: int, m: int, tail: float) -> int:
    """Which of the ordered differences bounds the shift from below; 0 where none does.

    The greatest c for which Mann and Whitney's U is below c with a probability of at most `tail`.
    """
    if max(n, m) <= MOST_EXACT:
        below = np.cumsum(_u_distribution(n, m))
        return int(np.searchsorted(below, tail + _ROUNDING, side="right"))
    spread = sqrt(n * m * (n + m + 1) / 12)
    return floor(n * m / 2 + 0.5 + float(stats.norm.ppf(tail)) * spread)


@cache
def _u_distribution(n: int, m: int) -> Vector:
    """Probability of each U from 0 to n·m under no shift: Mann and Whitney's recursion over which
    sample the greatest value comes from.
    """
    if n == 0 or m == 0:
        return np.ones(1)
    found = np.zeros(n * m + 1)
    found[m:] += n / (n + m) * _u_distribution(n - 1, m)
    found[: n * (m - 1) + 1] += m / (n + m) * _u_distribution(n, m - 1)
    return found
