"""How much runs of the very same thing differ, and what change can be told from that.

Knows only numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, expm1, log, log1p

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from munas.errors import BadInputError
from munas.stats.interval import CONFIDENCE, Vector, require_share, sample_of

QUANTILE = 0.95


@dataclass(frozen=True)
class NoiseFloor:
    """How far two runs of the same thing lie apart, relative to the smaller.

    `observed` is the quantile over all pairs of runs, without any assurance. `floor` is an upper
    bound of that quantile with the given confidence; null where the runs are too few, `runs_needed`
    then says how many would do. `runs` counts all, `pairs` the disjoint ones that the bound is of.
    """

    observed: float
    floor: float | None
    quantile: float
    confidence: float
    runs: int
    pairs: int
    runs_needed: int

    @property
    def minimum_detectable(self) -> float | None:
        """The smallest relative change that is found in a share of at least `quantile` of cases, if
        what exceeds `floor` counts as found: noise takes at most one floor away from it.
        """
        return None if self.floor is None else expm1(2 * log1p(self.floor))


def noise_floor(
    series: Sequence[ArrayLike], *, quantile: float = QUANTILE, confidence: float = CONFIDENCE
) -> NoiseFloor:
    """The noise floor from A/A runs.

    `series` holds one list for each thing that was run (model, board, firmware), with the median of
    every run in the order they were taken, above zero. Of runs 1 … 2k, run i is paired with run
    k + i, so that slow drift counts as noise. The bound is an order statistic of the disjoint
    pairs' differences, which needs no distribution (Conover, "Practical Nonparametric Statistics",
    3rd ed., §3.2), but takes pairs as independent.

    Raises BadInputError where a series has fewer than 2 runs.
    """
    require_share(quantile, "The quantile")
    require_share(confidence, "The confidence")
    if not series:
        raise BadInputError("A noise floor needs runs; none were given.")
    logs = [
        np.log(sample_of(runs, f"Runs of series {index}", least=2, positive=True))
        for index, runs in enumerate(series)
    ]
    every = np.concatenate([_all_pairs(runs) for runs in logs])
    disjoint = np.sort(np.concatenate([_halves(runs) for runs in logs]))
    rank = _bounding_rank(disjoint.size, quantile, confidence)
    pairs_needed = ceil(log(1 - confidence) / log(quantile))
    return NoiseFloor(
        observed=expm1(float(np.quantile(every, quantile, method="higher"))),
        floor=None if rank > disjoint.size else expm1(float(disjoint[rank - 1])),
        quantile=quantile,
        confidence=confidence,
        runs=sum(runs.size for runs in logs),
        pairs=disjoint.size,
        runs_needed=2 * pairs_needed,
    )


def _all_pairs(runs: Vector) -> Vector:
    found: Vector = np.abs(np.subtract.outer(runs, runs)[np.triu_indices(runs.size, 1)])
    return found


def _halves(runs: Vector) -> Vector:
    half = runs.size // 2
    found: Vector = np.abs(runs[half : 2 * half] - runs[:half])
    return found


def _bounding_rank(n: int, quantile: float, confidence: float) -> int:
    """The smallest rank whose order statistic is above the quantile with the confidence."""
    return int(stats.binom.ppf(confidence, n, quantile)) + 1
