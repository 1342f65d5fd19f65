"""What was measured of each code path, and so how far a prediction can be trusted.

Knows features and costs, not how either came about.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp, expm1, inf

import numpy as np
from scipy.stats import norm

from munas.latency.predict.features import Features
from munas.latency.predict.layout import LAYOUT
from munas.stats.interval import Vector

CONFIDENCE = 0.95
# Beyond what was seen by less than this factor a prediction does not count as extrapolating.
SLACK = 1.5
# Operators that matter less than this to a network's cycles are no reason to distrust it.
_NEGLIGIBLE = 0.01
# What no expected error falls below, as a share of that of the usual path.
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

    def beyond(self, operator: Features) -> tuple[float, str]:
        """By which factor a trait of `operator` lies outside its range (1 within), and which one;
        infinite where it runs a loop that none did."""
        new = [name for name, count in operator.terms.items() if count and name not in self.loops]
        if new:
            return inf, f"no {operator.path} was measured that runs its loop {new[0]}"
        worst, why = 1.0, ""
        for name, (low, high) in self.ranges.items():
            value = operator.traits[name]
            factor = max(value / max(high, 1), low / max(value, 1))
            if factor > worst:
                worst = factor
                why = f"{value:,} {name}, {low:,.0f} to {high:,.0f} were measured"
        return worst, why


@dataclass(frozen=True)
class Doubts:
    """What speaks against a prediction.

    `difficulty` is how large an error is to be expected, as a share of the cycles. What was never
    measured may take `below` less or `above` more cycles than it was priced at, and `reasons` say
    what was not.
    """

    difficulty: float
    below: float
    above: float
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Knowledge:
    """The paths that were measured; `unseen_error` is how far off the price of one is that was not
    (root mean square of the logarithm)."""

    paths: Mapping[str, Path]
    unseen_error: float

    def beyond(self, operator: Features) -> tuple[float, str]:
        """As `Path.beyond`; infinite too for a path that was not measured."""
        path = self.paths.get(operator.path)
        return path.beyond(operator) if path else (inf, f"no {operator.path} was measured")

    def doubts(self, features: Sequence[Features], costs: Vector) -> Doubts:
        """Doubts about a network that is priced by `costs` (columns,).

        Errors of one path's operators are taken to go together, those of paths to be independent;
        an operator outside the range by a factor is that much less sure.
        """
        cycles = np.maximum(LAYOUT.operators(features) @ costs, 1.0)
        total = float(cycles.sum())
        by_path: dict[str, float] = {}
        unmeasured = 0.0
        reasons: list[str] = []
        for operator, spent in zip(features, cycles, strict=True):
            beyond, why = self.beyond(operator)
            if beyond == inf:
                unmeasured += spent
                expected = expm1(self.unseen_error)
            else:
                expected = self.paths[operator.path].error * beyond
            if beyond == inf or (beyond > SLACK and spent > _NEGLIGIBLE * total):
                reasons.append(f"{operator.name}: {why}")
            by_path[operator.path] = by_path.get(operator.path, 0.0) + spent * expected
        spread = float(np.hypot.reduce(list(by_path.values()))) / total
        usual = float(np.median([path.error for path in self.paths.values()]))
        factor = exp(float(norm.ppf((1 + CONFIDENCE) / 2)) * self.unseen_error)
        return Doubts(
            difficulty=spread + _FLOOR * usual + 1e-6,
            below=unmeasured * (1 - 1 / factor),
            above=unmeasured * (factor - 1),
            reasons=tuple(reasons),
        )
