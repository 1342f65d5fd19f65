"""Peak memory against arena: what a model needs by its graph, and what must be reserved for it.

Knows points alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from munas.stats import Interval, LineFit, conformal_quantile, fit_line, proportion
from munas.study.groups import Spread
from munas.study.operators import makeup_of
from munas.study.points import Point, SeriesKey
from munas.study.relation import FEWER_RESAMPLES, Relation, coefficients_json, relate
from munas.study.verdict import Verdict, arena_verdict

EXCESSES = (0.10, 0.25)
MARGIN_ALPHA = 0.01

Vector = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class MemoryResult:
    """How the arena follows peak memory, with and without the input buffer.

    `overhead` is arena less peak memory with input, in bytes; `margin_bytes` is what added to peak
    memory holds 99 % of models drawn alike, null where they are too few to say. `by_operators` is
    the line of the overhead over the number of operators, null where that does not vary.
    """

    with_input: Relation
    without_input: Relation
    overhead: Spread
    overhead_max_bytes: int
    exceeding: tuple[tuple[float, Interval], ...]
    margin_bytes: int | None
    by_operators: LineFit | None
    verdict: Verdict

    @property
    def n(self) -> int:
        return self.with_input.n

    def as_json(self) -> dict[str, Any]:
        return {
            "n": self.n,
            "with_input": _relation_json(self.with_input),
            "without_input": _relation_json(self.without_input),
            "overhead_bytes": {**self.overhead.as_json(), "max": self.overhead_max_bytes},
            "share_above_peak": {
                f"by_more_than_{100 * excess:.0f}_percent": interval.as_json()
                for excess, interval in self.exceeding
            },
            "margin": {"share": 1 - MARGIN_ALPHA, "add_bytes": self.margin_bytes},
            "overhead_by_operators": _operators_json(self.by_operators),
            "verdict": self.verdict.sentence,
            "grades": self.verdict.as_json(),
        }


def analyse_memory(key: SeriesKey, points: Sequence[Point], seed: int = 0) -> MemoryResult | None:
    """Null where fewer than 3 points have an arena, or nothing varies."""
    known = [point for point in points if point.arena_used_bytes]
    arena = np.array([float(point.arena_used_bytes or 0) for point in known])
    peak = np.array([float(point.peak_memory_with_input_bytes) for point in known])
    bare = np.array([float(point.peak_memory_bytes) for point in known])
    if len(known) < 3 or any(np.ptp(values) == 0 for values in (arena, peak, bare)):
        return None
    with_input, without_input = (
        relate(
            values,
            arena,
            names=("Peak memory", "The arena"),
            resamples=FEWER_RESAMPLES,
            seed=seed,
        )
        for values in (peak, bare)
    )
    overhead = arena - peak
    exceeding = tuple(
        (excess, proportion(int((arena > (1 + excess) * peak).sum()), len(known)))
        for excess in EXCESSES
    )
    margin = float(conformal_quantile(overhead, MARGIN_ALPHA))
    margin_bytes = max(0, ceil(margin)) if np.isfinite(margin) else None
    return MemoryResult(
        with_input=with_input,
        without_input=without_input,
        overhead=Spread.of(overhead),
        overhead_max_bytes=int(overhead.max()),
        exceeding=exceeding,
        margin_bytes=margin_bytes,
        by_operators=_by_operators(known, overhead, seed),
        verdict=arena_verdict(key, with_input, exceeding[-1][1].value, margin_bytes),
    )


def _by_operators(points: Sequence[Point], overhead: Vector, seed: int) -> LineFit | None:
    counts = np.array([float(len(makeup_of(point.architecture).operators)) for point in points])
    if np.ptp(counts) == 0:
        return None
    return fit_line(counts, overhead, resamples=FEWER_RESAMPLES, seed=seed)


def _relation_json(found: Relation) -> dict[str, Any]:
    return {
        **coefficients_json(found.coefficients),
        "fit": {
            "intercept_bytes": found.line.intercept.as_json(),
            "slope": found.line.slope.as_json(),
            "r2": found.line.r2,
        },
        "mape": found.mape_percent,
        "by_decade": [decade.as_json("peak_memory_bytes") for decade in found.decades],
        "misordered_pairs": found.misordered.as_json(),
    }


def _operators_json(found: LineFit | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        "intercept_bytes": found.intercept.as_json(),
        "bytes_per_operator": found.slope.as_json(),
        "r2": found.r2,
    }
