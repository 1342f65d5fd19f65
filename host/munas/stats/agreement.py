"""Several boards on the same models: do they rank alike, and how much faster is one?

Knows only tables of numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from munas.errors import BadInputError
from munas.stats.bootstrap import RESAMPLES, SEED, bootstrap_interval
from munas.stats.groups import too_few
from munas.stats.interval import CONFIDENCE, Interval, Matrix, Vector, require_spread, sample_of
from munas.stats.weighted import Levels


@dataclass(frozen=True)
class Agreement:
    """How alike `rankers` (boards, engines) rank n things.

    `w` is 1 for the same order; chance gives about 1 over `rankers`.
    """

    w: Interval
    p_value: float
    rankers: int
    n: int

    @property
    def too_few(self) -> bool:
        return too_few(self.n)


def rank_agreement(
    scores: Sequence[ArrayLike],
    *,
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> Agreement:
    """Kendall's coefficient of concordance W of several scores (n,) of the same n things.

    Ties at midranks with their correction (Kendall and Babington Smith, Annals of Mathematical
    Statistics 10, 1939; Siegel and Castellan, "Nonparametric Statistics", 2nd ed., ch. 9). The
    p-value of no agreement is Friedman's; the interval is a BCa bootstrap over the things.

    Raises BadInputError for fewer than 2 scores or 3 things, unequal lengths, or a score that does
    not vary.
    """
    if len(scores) < 2:
        raise BadInputError(f"Agreement needs at least 2 rankings, not {len(scores)}.")
    table = [sample_of(score, f"Ranking {index}", least=3) for index, score in enumerate(scores)]
    for index, score in enumerate(table):
        if score.size != table[0].size:
            raise BadInputError(
                f"Ranking {index} has {score.size} entries and ranking 0 {table[0].size}."
            )
        require_spread(score, f"Ranking {index}")
    levels = [Levels(score) for score in table]
    interval = bootstrap_interval(
        lambda counts: _concordance(counts, levels),
        table[0].size,
        confidence=confidence,
        resamples=resamples,
        seed=seed,
    )
    friedman: Any = stats.friedmanchisquare(*np.transpose(table))
    return Agreement(interval, float(friedman.pvalue), len(table), table[0].size)


def _concordance(counts: Matrix, levels: Sequence[Levels]) -> Vector:
    """W as a ratio of variances: of the sum of ranks, to what it would be if all agreed.

    With midranks the variances hold the correction for ties in themselves.
    """
    total = counts.sum(axis=1)
    ranks = [level.midranks(counts) - (total[:, None] + 1) / 2 for level in levels]
    own = np.sum([(counts * rank**2).sum(axis=1) for rank in ranks], axis=0)
    whole = (counts * np.sum(ranks, axis=0) ** 2).sum(axis=1)
    found = np.full(own.shape, np.nan)
    np.divide(whole, len(levels) * own, out=found, where=own > 0)
    return np.minimum(found, 1.0)


def speed_up(
    before: ArrayLike,
    after: ArrayLike,
    *,
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> Interval:
    """How many times faster `after` (n,) is than `before` (n,) on the same n things: the geometric
    mean of the ratios before over after (Fleming and Wallace, CACM 29, 1986), with the BCa interval
    of the bootstrap over things.

    It is the typical thing's speed-up, not that of the sum of all. Raises BadInputError for fewer
    than 2 things, unequal lengths or times that are not above zero.
    """
    slow = sample_of(before, "before", least=2, positive=True)
    fast = sample_of(after, "after", least=2, positive=True)
    if slow.size != fast.size:
        raise BadInputError(f"before has {slow.size} entries and after {fast.size}.")
    logs = np.log(slow) - np.log(fast)
    return bootstrap_interval(
        lambda counts: (counts @ logs) / counts.sum(axis=1),
        logs.size,
        confidence=confidence,
        resamples=resamples,
        seed=seed,
    ).mapped(exp)
