"""The record of an estimate with its confidence interval, and what a sample must be.

Knows only numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from math import isfinite

import numpy as np
from numpy.typing import ArrayLike, NDArray

from munas.errors import BadInputError

CONFIDENCE = 0.95

Vector = NDArray[np.float64]
"""One dimension."""

Matrix = NDArray[np.float64]
"""Two dimensions."""


class IntervalMethod(StrEnum):
    """How the ends of an interval came about.

    `percentile` says that BCa was undefined, `constant` that every resample (or every sample) gave
    the same value, `none` that the data bound nothing: the ends are then infinite.
    """

    BCA = "bca"
    PERCENTILE = "percentile"
    CONSTANT = "constant"
    RANK_SUM = "rank-sum"
    BINOMIAL = "binomial"
    NONE = "none"


@dataclass(frozen=True)
class Interval:
    """An estimate and its two-sided confidence interval, in the unit of the estimate."""

    value: float
    low: float
    high: float
    confidence: float
    method: IntervalMethod

    def mapped(self, function: Callable[[float], float]) -> Interval:
        """The interval of an increasing function of what was estimated."""
        ends = (function(self.value), function(self.low), function(self.high))
        return Interval(*ends, self.confidence, self.method)

    def as_json(self) -> dict[str, float | list[float | None] | None]:
        """`{"value": v, "ci95": [low, high]}`; an end that the data do not bound is null."""
        ends = [_finite(self.low), _finite(self.high)]
        return {"value": _finite(self.value), f"ci{100 * self.confidence:g}": ends}


def _finite(number: float) -> float | None:
    return number if isfinite(number) else None


def require_share(share: float, what: str) -> None:
    """Refuse a level (confidence, alpha, quantile) outside the open interval from 0 to 1."""
    if not 0 < share < 1:
        raise BadInputError(f"{what} is {share}; it must lie between 0 and 1.")


def sample_of(values: ArrayLike, what: str, *, least: int = 1, positive: bool = False) -> Vector:
    """`values` (n,) as floats.

    Raises BadInputError where they are not a list of at least `least` finite numbers, or not all
    greater than zero where `positive`. `what` names them.
    """
    sample = np.asarray(values, dtype=np.float64)
    if sample.ndim != 1:
        raise BadInputError(f"{what} must be one list of numbers, not of shape {sample.shape}.")
    if sample.size < least:
        raise BadInputError(f"{what}: {sample.size} given, at least {least} needed.")
    if not np.isfinite(sample).all():
        index = int(np.argmin(np.isfinite(sample)))
        raise BadInputError(f"{what}: entry {index} is {sample[index]}, not a finite number.")
    if positive and sample.min() <= 0:
        index = int(np.argmin(sample))
        raise BadInputError(f"{what}: entry {index} is {sample[index]:g}, not above zero.")
    return sample


def pair_of(
    x: ArrayLike, y: ArrayLike, *, least: int, names: tuple[str, str] = ("x", "y")
) -> tuple[Vector, Vector]:
    """Two samples (n,) whose entries belong together. Raises BadInputError as `sample_of` does."""
    first, second = (
        sample_of(values, name, least=least) for values, name in zip((x, y), names, strict=True)
    )
    if first.size != second.size:
        raise BadInputError(
            f"{names[0]} has {first.size} entries and {names[1]} {second.size}: not in pairs."
        )
    return first, second


def require_spread(sample: Vector, what: str) -> None:
    """Refuse a sample whose entries are all equal."""
    if sample.min() == sample.max():
        raise BadInputError(f"{what}: all {sample.size} entries are {sample[0]:g}; nothing varies.")
