"""Where the lines are off, and what a MAC costs: by operator mix, tensor size and placement.

Knows the points' makeup and how far each is from its prediction, not how that was made.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from munas.stats import Interval, correlation, too_few
from munas.stats.correlation import CorrelationKind
from munas.study.operators import (
    WITH_MACS,
    WITHOUT_MACS,
    OperatorKind,
    flattened,
    makeup_of,
)
from munas.study.points import Point
from munas.units import format_bytes

Vector = NDArray[np.float64]

SHARE_EDGES = (0.1, 0.5)
TENSOR_EDGES_BYTES = (2048, 8192, 32768)


@dataclass(frozen=True)
class Spread:
    """Median, 10th and 90th percentile of n values."""

    n: int
    median: float
    p10: float
    p90: float

    @classmethod
    def of(cls, values: Vector) -> Spread:
        p10, median, p90 = (float(found) for found in np.quantile(values, [0.1, 0.5, 0.9]))
        return cls(values.size, median, p10, p90)

    def as_json(self) -> dict[str, float | int]:
        return {"n": self.n, "median": self.median, "p10": self.p10, "p90": self.p90}


@dataclass(frozen=True)
class ResidualGroup:
    """Actual over predicted in one group of points: above 1 they are slower than MACs tell.

    `linear` is null where no point of the group has a predicted latency above zero.
    """

    factor: str
    label: str
    n: int
    linear: Spread | None
    log_log: Spread

    def as_json(self) -> dict[str, Any]:
        return {
            "factor": self.factor,
            "group": self.label,
            "n": self.n,
            "too_few": too_few(self.n),
            "linear": None if self.linear is None else self.linear.as_json(),
            "log_log": self.log_log.as_json(),
        }


@dataclass(frozen=True)
class Trend:
    """Spearman's correlation of a factor with actual over predicted (log-log)."""

    factor: str
    spearman: Interval

    def as_json(self) -> dict[str, Any]:
        return {"factor": self.factor, "spearman": self.spearman.as_json()}


@dataclass(frozen=True)
class Residuals:
    """All groups, all trends; `below_zero` points have a linear prediction that is not above zero
    and stand in no linear spread."""

    groups: tuple[ResidualGroup, ...]
    trends: tuple[Trend, ...]
    below_zero: int

    def as_json(self) -> dict[str, Any]:
        return {
            "of": "actual latency over predicted",
            "groups": [group.as_json() for group in self.groups],
            "trends": [trend.as_json() for trend in self.trends],
            "linear_not_above_zero": self.below_zero,
        }


def residuals_of(
    points: Sequence[Point], actual: Vector, linear: Vector, log_log: Vector, resamples: int
) -> Residuals:
    """Group the ratios of `actual` to both predictions (all (n,), `log_log` above zero)."""
    positive = linear > 0
    ratio = np.where(positive, actual / np.where(positive, linear, 1), np.nan)
    log_ratio = actual / log_log
    makeups = [makeup_of(point.architecture) for point in points]
    labels: dict[str, list[str]] = {"most MACs in": [makeup.dominant.value for makeup in makeups]}
    numbers: dict[str, Vector] = {}
    for kind in WITH_MACS:
        shares = np.array([makeup.shares[kind] for makeup in makeups])
        labels[f"share of MACs in {kind}"] = [_share_label(share) for share in shares]
        numbers[f"share of MACs in {kind}"] = shares
    largest = np.array([float(makeup.largest_tensor_bytes) for makeup in makeups])
    labels["largest tensor"] = [_size_label(int(size)) for size in largest]
    numbers["largest tensor"] = largest
    labels["placement"] = [point.placement for point in points]
    groups = [
        group
        for factor, of_points in labels.items()
        for group in _groups(factor, np.array(of_points), ratio, log_ratio)
    ]
    trends = [
        Trend(factor, _spearman(values, log_ratio, resamples))
        for factor, values in numbers.items()
        if np.ptp(values) > 0 and np.ptp(log_ratio) > 0
    ]
    return Residuals(tuple(groups), tuple(trends), int((~positive).sum()))


def _spearman(x: Vector, y: Vector, resamples: int) -> Interval:
    return correlation(CorrelationKind.SPEARMAN, x, y, resamples=resamples).interval


def _groups(
    factor: str, labels: NDArray[np.str_], ratio: Vector, log_ratio: Vector
) -> list[ResidualGroup]:
    found = []
    for label in sorted(set(labels.tolist()), key=_order_of(factor)):
        chosen = labels == label
        known = ratio[chosen][~np.isnan(ratio[chosen])]
        found.append(
            ResidualGroup(
                factor,
                label,
                int(chosen.sum()),
                Spread.of(known) if known.size else None,
                Spread.of(log_ratio[chosen]),
            )
        )
    return found


def _share_label(share: float) -> str:
    low, high = SHARE_EDGES
    if share < low:
        return f"< {low:.0%}"
    return f"{low:.0%} to {high:.0%}" if share < high else f"≥ {high:.0%}"


def _size_label(size: int) -> str:
    edges = TENSOR_EDGES_BYTES
    for low, high in zip((0, *edges), edges, strict=False):
        if size < high:
            return f"{format_bytes(low)} to {format_bytes(high)}" if low else _below(high)
    return f"≥ {format_bytes(edges[-1])}"


def _below(size: int) -> str:
    return f"< {format_bytes(size)}"


def _order_of(factor: str) -> Callable[[str], tuple[int, str]]:
    """Groups in the order of what they stand for, not of their names."""
    if factor == "largest tensor":
        order = [_size_label(size) for size in (0, *TENSOR_EDGES_BYTES)]
    elif factor.startswith("share"):
        order = [_share_label(share) for share in (0.0, *SHARE_EDGES)]
    else:
        order = [kind.value for kind in OperatorKind]
    return lambda label: (order.index(label) if label in order else len(order), label)


@dataclass(frozen=True)
class OperatorCost:
    """What one kind of operator costs, over all points with measured operators.

    `per_mac` are cycles per MAC, one value an operator; null for kinds without MACs.
    """

    kind: OperatorKind
    operators: int
    cycles_share: float
    per_mac: Spread | None

    def as_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind.value,
            "operators": self.operators,
            "share_of_cycles": self.cycles_share,
            "cycles_per_mac": None if self.per_mac is None else self.per_mac.as_json(),
        }


@dataclass(frozen=True)
class OperatorCosts:
    """Cycles by kind of operator; `points` have operators that are those of their graph."""

    kinds: tuple[OperatorCost, ...]
    points: int
    per_mac: dict[OperatorKind, Vector]

    @property
    def without_macs_share(self) -> float:
        """The share of cycles that fall to operators without MACs."""
        return sum(cost.cycles_share for cost in self.kinds if cost.kind in WITHOUT_MACS)

    def as_json(self) -> dict[str, Any]:
        return {
            "points": self.points,
            "share_of_cycles_without_macs": self.without_macs_share if self.points else None,
            "kinds": [cost.as_json() for cost in self.kinds],
        }


def operator_costs(points: Sequence[Point]) -> OperatorCosts:
    """Cycles by kind; empty where no operators were measured."""
    operators, count = flattened(points)
    total = sum(operator.cycles for operator in operators) or 1
    kinds: list[OperatorCost] = []
    per_mac: dict[OperatorKind, Vector] = {}
    for kind in OperatorKind:
        own = [operator for operator in operators if operator.kind is kind]
        if not own:
            continue
        if kind in WITH_MACS:
            per_mac[kind] = np.array([each.cycles / each.macs for each in own if each.macs])
        kinds.append(
            OperatorCost(
                kind,
                len(own),
                sum(operator.cycles for operator in own) / total,
                Spread.of(per_mac[kind]) if kind in per_mac and per_mac[kind].size else None,
            )
        )
    return OperatorCosts(tuple(kinds), count, per_mac)
