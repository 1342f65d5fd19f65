"""The calibrated predictor: cycles of a network from its operator graph, with an interval.

A prediction is the sum over operators of what their loops cost, plus what a network costs beyond
its operators. Its interval is that of CV+ (`munas.stats.cv_plus`), wider where the network leans on
operators that are predicted badly, and where they lie outside what was measured; it then
`extrapolates`. Knows neither boards nor files.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from munas.cost import Cost
from munas.latency.predict.examples import Conditions
from munas.latency.predict.features import Features, features_of
from munas.latency.predict.knowledge import CONFIDENCE, Knowledge
from munas.latency.predict.layout import LAYOUT
from munas.stats import cv_plus
from munas.stats.interval import Matrix, Vector
from munas.units import Latency, LatencySource


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
    mac_worst_percent: float
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
    knowledge: Knowledge
    accuracy: Accuracy
    examples_sha256: str
    created_at: str

    @property
    def n(self) -> int:
        return int(self.actual.size)

    def at_clock(self, clock_hz: int) -> Predictor:
        """The same cycles, taken to be those of a core at this clock."""
        return replace(self, conditions=replace(self.conditions, clock_hz=clock_hz))

    def predict(self, costs: Cost) -> Prediction:
        """The cycles of a network by its costs (mode `deployed`)."""
        return self.predict_all([features_of(costs)])[0]

    def cycles(self, costs: Cost) -> float:
        """What `predict` gives, without the interval."""
        return max(float(LAYOUT.network(features_of(costs)) @ self.costs), 1.0)

    def predict_all(self, networks: Sequence[Sequence[Features]]) -> list[Prediction]:
        """As `predict`, of many networks by the features of their operators."""
        rows = np.vstack([LAYOUT.network(features) for features in networks])
        doubts = [self.knowledge.doubts(features, self.costs) for features in networks]
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
            Prediction(
                cycles=float(c),
                low=max(0.0, float(min(a, c - doubt.below))),
                high=float(max(b, c + doubt.above)),
                extrapolates=doubt.reasons,
            )
            for c, a, b, doubt in zip(centre, low, high, doubts, strict=True)
        ]

    def latency(self, found: Prediction, macs: int) -> Latency:
        """A prediction as a value that carries its source; its error is the half-width."""
        return Latency(
            latency_us=round(found.cycles * self.us_a_cycle),
            source=LatencySource.PREDICTED,
            macs=macs,
            cycles=round(found.cycles),
            error_percent=found.error_percent,
            board=self.conditions.board,
            engine=self.conditions.engine,
        )

    @property
    def us_a_cycle(self) -> float:
        """Microseconds a cycle."""
        return 1_000_000 / self.conditions.clock_hz
