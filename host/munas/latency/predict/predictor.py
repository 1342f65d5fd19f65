"""The calibrated predictor: cycles of a network from its operator graph, with an interval.

A prediction is the sum over operators of what their loops cost, plus what a network costs beyond
its operators. Its interval is that of CV+ (`munas.stats.cv_plus`), wider where the network leans on
operators that are predicted badly, and where they lie outside what was measured; it then
`extrapolates`. Knows neither boards nor files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from munas.cost import Cost
from munas.latency.predict.examples import Conditions
from munas.latency.predict.features import Features, features_of
from munas.latency.predict.layout import LAYOUT
from munas.stats import cv_plus
from munas.stats.interval import Matrix, Vector

CONFIDENCE = 0.95
# Beyond what was seen by less than this factor a prediction does not count as extrapolating.
SLACK = 1.5
# Operators that matter less than this to a network's cycles are no reason to distrust it.
_NEGLIGIBLE = 0.01
# What no interval falls below, as a share of the mean difficulty.
_FLOOR = 0.25

Range = tuple[float, float]


@dataclass(frozen=True)
class Path:
    """What is known of a code path.

    `operators` took it; their predictions are off by `error` (root mean square of the relative
    error, held out); `ranges` are those of their traits, and `loops` those that ran in any.
    """

    operators: int
    error: float
    ranges: Mapping[str, Range]
    loops: tuple[str, ...]


@dataclass(frozen=True)
class Accuracy:
    """How true predictions of held-out networks are, and a line on MACs fitted and judged alike.

    `mape_high_percent` is the upper end of the 95 % interval of the mean. Of `coverage_n` networks
    the share `coverage` lay within their interval of `CONFIDENCE`; null where not found out.
    """

    mape_percent: float
    mape_high_percent: float
    spearman: float
    worst_percent: float
    mac_mape_percent: float
    mac_spearman: float
    coverage: float | None = None
    coverage_n: int = 0


@dataclass(frozen=True)
class Prediction:
    """Cycles of one network and the interval that holds them in `CONFIDENCE` of cases.

    The interval is not valid where `extrapolates` gives reasons, although it is widened there; an
    end that nothing bounds is infinite.
    """

    cycles: float
    low: float
    high: float
    extrapolates: tuple[str, ...]

    @property
    def error_percent(self) -> float:
        """The half-width of the interval, of its wider side, in percent of the prediction."""
        return 100 * max(self.high / self.cycles - 1, 1 - self.low / self.cycles)


@dataclass(frozen=True, eq=False)
class Predictor:
    """See `munas.latency.predict.build` for how one comes about.

    `costs` (columns,) are cycles a turn of each loop, `fold_costs` (folds, columns) the same
    without each fold. Of the n networks measured, `actual` (n,) are the cycles, `held_out` (n,)
    what they are predicted by the fold `fold_of` (n,) that is without them, `difficulty` (n,) as in
    CV+.
    """

    conditions: Conditions
    units: tuple[str, ...]
    costs: Vector
    fold_costs: Matrix
    fold_of: NDArray[np.int64]
    actual: Vector
    held_out: Vector
    difficulty: Vector
    paths: Mapping[str, Path]
    unseen_path_error: float
    accuracy: Accuracy
    examples_sha256: str
    created_at: str

    @property
    def n(self) -> int:
        return int(self.actual.size)

    def predict(self, costs: Cost) -> Prediction:
        """The cycles of a network by its costs (mode `deployed`)."""
        return self.predict_all([features_of(costs)])[0]

    def cycles(self, costs: Cost) -> float:
        """What `predict` gives, without the interval."""
        return max(float(LAYOUT.network(features_of(costs)) @ self.costs), 1.0)

    def predict_all(self, networks: Sequence[Sequence[Features]]) -> list[Prediction]:
        """As `predict`, of many networks by the features of their operators."""
        rows = np.vstack([LAYOUT.network(features) for features in networks])
        doubts = [self.doubts(features) for features in networks]
        centre = np.maximum(rows @ self.costs, 1.0)
        low, high = cv_plus(
            self.actual,
            self.held_out,
            self.fold_of,
            np.maximum(self.fold_costs @ rows.T, 1.0),
            1 - CONFIDENCE,
            difficulty=self.difficulty,
            difficulty_at=[doubt.difficulty for doubt in doubts],
        )
        return [
            Prediction(float(c), float(min(a, c)), float(max(b, c)), doubt.reasons)
            for c, a, b, doubt in zip(centre, low, high, doubts, strict=True)
        ]

    def doubts(self, features: Sequence[Features]) -> Doubts:
        return doubts_of(features, self.costs, self.paths, self.unseen_path_error)

    @property
    def us_a_cycle(self) -> float:
        """Microseconds a cycle."""
        return 1_000_000 / self.conditions.clock_hz


@dataclass(frozen=True)
class Doubts:
    """How large an error is to be expected (a share of the cycles), and why it may be larger."""

    difficulty: float
    reasons: tuple[str, ...]


def doubts_of(
    features: Sequence[Features],
    costs: Vector,
    paths: Mapping[str, Path],
    unseen_path_error: float,
) -> Doubts:
    """Errors of one path's operators are taken to go together, those of paths to be independent."""
    cycles = np.maximum(LAYOUT.operators(features) @ costs, 0.0)
    total = max(float(cycles.sum()), 1.0)
    by_path: dict[str, float] = {}
    reasons: list[str] = []
    for operator, spent in zip(features, cycles, strict=True):
        seen = paths.get(operator.path)
        if seen is None:
            expected = unseen_path_error
            reasons.append(f"{operator.name}: no {operator.path} was measured")
        else:
            beyond, why = _beyond(operator, seen)
            expected = min(seen.error * beyond, max(unseen_path_error, seen.error))
            if beyond > SLACK and spent > _NEGLIGIBLE * total:
                reasons.append(f"{operator.name}: {why}")
        by_path[operator.path] = by_path.get(operator.path, 0.0) + spent * expected
    usual = np.mean([path.error for path in paths.values()]) if paths else 0.0
    spread = float(np.hypot.reduce(list(by_path.values()))) / total
    return Doubts(spread + _FLOOR * float(usual) + 1e-6, tuple(reasons))


def _beyond(operator: Features, seen: Path) -> tuple[float, str]:
    """By which factor a trait lies outside its range (1 within), and which one."""
    worst, why = 1.0, ""
    for name, (low, high) in seen.ranges.items():
        value = operator.traits[name]
        factor = max(value / max(high, 1), low / max(value, 1))
        if factor > worst:
            worst = factor
            why = f"{value:,} {name}, {low:,.0f} to {high:,.0f} were measured"
    new = [name for name, count in operator.terms.items() if count and name not in seen.loops]
    if new:
        return float("inf"), f"no {operator.path} was measured that runs its loop {new[0]}"
    return worst, why
