"""Pearson, Spearman, Kendall and R² of paired points, each with a bootstrap interval.

Knows only two lists of numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from munas.errors import BadInputError
from munas.stats.bootstrap import RESAMPLES, SEED, Statistic, batch_of, bootstrap_interval
from munas.stats.groups import too_few
from munas.stats.interval import CONFIDENCE, Interval, Matrix, Vector, pair_of, require_spread
from munas.stats.weighted import Levels, pearson_of, ratio

PERMUTATIONS = 1999
MOST_KENDALL_POINTS = 10_000
"""The signs of all pairs of points stand in memory: 400 MB at this number."""


class CorrelationKind(StrEnum):
    """`r2` is that of the least-squares line, the square of Pearson's r."""

    PEARSON = "pearson"
    SPEARMAN = "spearman"
    KENDALL = "kendall"
    R2 = "r2"


@dataclass(frozen=True)
class Correlation:
    """One coefficient of n points; `p_value` is null unless asked for."""

    kind: CorrelationKind
    interval: Interval
    n: int
    p_value: float | None = None

    @property
    def too_few(self) -> bool:
        return too_few(self.n)


@dataclass(frozen=True)
class Correlations:
    """All four coefficients of the same points."""

    pearson: Correlation
    spearman: Correlation
    kendall: Correlation
    r2: Correlation


def correlations(
    x: ArrayLike,
    y: ArrayLike,
    *,
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
    permutations: int = 0,
    seed: int = SEED,
) -> Correlations:
    """All four coefficients of x and y (n,); the arguments are those of `correlation`."""
    return Correlations(
        *(
            correlation(
                kind,
                x,
                y,
                confidence=confidence,
                resamples=resamples,
                permutations=permutations,
                seed=seed,
            )
            for kind in CorrelationKind
        )
    )


def correlation(
    kind: CorrelationKind,
    x: ArrayLike,
    y: ArrayLike,
    *,
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
    permutations: int = 0,
    seed: int = SEED,
) -> Correlation:
    """One coefficient of x and y (n,) with its BCa interval (see `bootstrap_interval`).

    Spearman's rho is Pearson's r of midranks, taken anew in every resample; Kendall's is tau-b,
    which allows for ties (Kendall, "The Treatment of Ties in Ranking Problems", Biometrika 33,
    1945). With `permutations` > 0 the two-sided p-value of no association comes along, from that
    many random pairings (all of them where there are fewer), the observed one counted in (Phipson
    and Smyth, 2010).

    Raises BadInputError for fewer than 3 points, a side that does not vary, or more than
    MOST_KENDALL_POINTS points for Kendall.
    """
    first, second = pair_of(x, y, least=3)
    require_spread(first, "x")
    require_spread(second, "y")
    interval = bootstrap_interval(
        _STATISTICS[kind](first, second),
        first.size,
        confidence=confidence,
        resamples=resamples,
        seed=seed,
    )
    p_value = _permutation_p(kind, first, second, permutations, seed) if permutations else None
    return Correlation(kind, interval, first.size, p_value)


def _pearson(x: Vector, y: Vector) -> Statistic:
    return lambda counts: pearson_of(counts, x, y)


def _r2(x: Vector, y: Vector) -> Statistic:
    return lambda counts: pearson_of(counts, x, y) ** 2


def _spearman(x: Vector, y: Vector) -> Statistic:
    of_x, of_y = Levels(x), Levels(y)
    return lambda counts: pearson_of(counts, of_x.midranks(counts), of_y.midranks(counts))


def _kendall(x: Vector, y: Vector) -> Statistic:
    """tau-b: with w the counts and S the signs of pairs, concordant less discordant is w'Sw.

    Single precision holds the integers of a row of wS exactly.
    """
    if x.size > MOST_KENDALL_POINTS:
        raise BadInputError(
            f"Kendall's tau of {x.size} points: at most {MOST_KENDALL_POINTS} can be taken.",
            "Draw a random part of them.",
        )
    of_x, of_y = Levels(x), Levels(y)
    signs = _signs(of_x.codes, of_y.codes)

    def tau(counts: Matrix) -> Vector:
        agreement = (counts * (counts.astype(np.float32) @ signs)).sum(axis=1)
        return ratio(agreement, np.sqrt(of_x.untied(counts) * of_y.untied(counts)))

    return tau


def _signs(x: NDArray[np.int64], y: NDArray[np.int64]) -> NDArray[np.float32]:
    """1 for a pair (i, j) that x and y order alike, -1 unlike, 0 tied in either."""
    signs = np.empty((x.size, x.size), dtype=np.float32)
    for i in range(x.size):
        signs[i] = np.sign(x[i] - x) * np.sign(y[i] - y)
    return signs


_STATISTICS: dict[CorrelationKind, Callable[[Vector, Vector], Statistic]] = {
    CorrelationKind.PEARSON: _pearson,
    CorrelationKind.SPEARMAN: _spearman,
    CorrelationKind.KENDALL: _kendall,
    CorrelationKind.R2: _r2,
}


def _permutation_p(
    kind: CorrelationKind, x: Vector, y: Vector, permutations: int, seed: int
) -> float:
    """R² is tested as r, whose square it is."""
    if kind is CorrelationKind.SPEARMAN:
        x, y = stats.rankdata(x), stats.rankdata(y)
    unit = (y - y.mean()) / y.std()

    def linear(x: Matrix, axis: int = -1) -> Vector:
        found: Vector = (x * unit).sum(axis=axis)
        return found

    def tau(x: Vector) -> float:
        return float(stats.kendalltau(x, y).statistic)

    by_rank = kind is CorrelationKind.KENDALL
    found: Any = stats.permutation_test(
        (x if by_rank else (x - x.mean()) / x.std(),),
        tau if by_rank else linear,
        permutation_type="pairings",
        vectorized=not by_rank,
        n_resamples=permutations,
        batch=batch_of(x.size),
        alternative="two-sided",
        rng=np.random.default_rng(seed),
    )
    return float(found.pvalue)
