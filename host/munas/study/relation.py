"""One quantity held against another: how well it orders and how well a line of it predicts.

The same for MACs against latency and for peak memory against arena. Knows names and numbers, not
what they are of.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from munas.errors import BadInputError
from munas.stats import (
    Correlations,
    LineFit,
    MisorderedPairs,
    by_decade,
    correlations,
    fit_line,
    mape_percent,
    misordered_pairs,
    too_few,
)

RESAMPLES = 1999
FEWER_RESAMPLES = 999
"""For decades and memory, so that a thousand points of several boards take seconds."""

Vector = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class PowerFit:
    """y = factor · x^exponent, a line through logarithms, and how far off it is."""

    line: LineFit
    mape_percent: float

    def at(self, x: Vector) -> Vector:
        found: Vector = np.exp(self.line.at(np.log(x)))
        return found

    def band(self, x: Vector) -> tuple[Vector, Vector]:
        """Within what one new y is expected at each x, with 95 %."""
        band = self.line.band(np.log(x))
        return np.exp(band.low), np.exp(band.high)

    def as_json(self) -> dict[str, Any]:
        return {
            "factor": self.line.intercept.mapped(lambda end: float(np.exp(end))).as_json(),
            "exponent": self.line.slope.as_json(),
            "r2": self.line.r2,
            "mape": self.mape_percent,
        }


@dataclass(frozen=True, eq=False)
class DecadeRelation:
    """The relation within one decade of x; `coefficients` are null where points do not allow any.

    `mape_percent` is that of the line through all points, not of one through the decade's.
    """

    low: int
    high: int
    n: int
    coefficients: Correlations | None
    mape_percent: float
    misordered: MisorderedPairs | None

    def as_json(self, x: str) -> dict[str, Any]:
        return {
            f"{x}_from": self.low,
            f"{x}_below": self.high,
            "n": self.n,
            "too_few": too_few(self.n),
            **coefficients_json(self.coefficients),
            "mape": self.mape_percent,
            "misordered_share": None if self.misordered is None else self.misordered.share,
        }


@dataclass(frozen=True, eq=False)
class Misordered:
    """Pairs that x orders wrongly; `beyond_error` are those whose y differ by more than their own
    known error (`error_percent`; both null where y has none that is known)."""

    pairs: MisorderedPairs
    beyond_error: int | None
    error_percent: float | None

    @property
    def share(self) -> float:
        return self.pairs.share or 0.0

    @property
    def beyond_error_share(self) -> float | None:
        """Of all compared pairs."""
        if self.beyond_error is None:
            return None
        return self.beyond_error / self.pairs.compared if self.pairs.compared else 0.0

    def as_json(self) -> dict[str, Any]:
        """A ratio is that of the greater y, which x preferred, to the lesser."""
        pairs = self.pairs
        return {
            "share": pairs.share,
            "misordered": pairs.misordered,
            "compared": pairs.compared,
            "tied": pairs.pairs - pairs.compared,
            "ratio_median": _ratio(pairs.loss_median),
            "ratio_p95": _ratio(pairs.loss_p95),
            "ratio_max": _ratio(pairs.loss_max),
            "error_percent": self.error_percent,
            "beyond_error": self.beyond_error,
            "beyond_error_share": self.beyond_error_share,
        }


@dataclass(frozen=True, eq=False)
class Relation:
    """How y follows x over n points (both (n,), above zero)."""

    x: Vector
    y: Vector
    coefficients: Correlations
    line: LineFit
    power: PowerFit
    decades: tuple[DecadeRelation, ...]
    misordered: Misordered

    @property
    def n(self) -> int:
        return self.x.size

    @property
    def mape_percent(self) -> float:
        """Of the line; y is above zero, so there is one."""
        assert self.line.mape_percent is not None
        return self.line.mape_percent


def relate(
    x: Vector,
    y: Vector,
    *,
    names: tuple[str, str],
    error_percent: float | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Relation:
    """The relation of x and y (n,). `error_percent` is the known error of y.

    Raises BadInputError, by `names`, for fewer than 3 points, values not above zero, or a side that
    does not vary.
    """
    for values, name in zip((x, y), names, strict=True):
        _check(values, name)
    line = fit_line(x, y, resamples=resamples, seed=seed)
    through_logs = fit_line(np.log(x), np.log(y), resamples=resamples, seed=seed)
    fitted = np.exp(through_logs.at(np.log(x)))
    return Relation(
        x=x,
        y=y,
        coefficients=correlations(x, y, resamples=resamples, seed=seed),
        line=line,
        power=PowerFit(through_logs, mape_percent(y, fitted)),
        decades=_decades(x, y, line, min(resamples, FEWER_RESAMPLES), seed),
        misordered=_misordered(x, y, error_percent),
    )


def _check(values: Vector, name: str) -> None:
    if values.size < 3:
        raise BadInputError(f"{name}: {values.size} values; at least 3 are needed.")
    if values.min() <= 0:
        raise BadInputError(
            f"{name} of point {int(np.argmin(values))} is {values.min():g}, not above zero.",
            "Leave that architecture out.",
        )
    if values.min() == values.max():
        raise BadInputError(
            f"{name} is {values[0]:g} for all {values.size} points: nothing can be told from it.",
            "Measure architectures of different sizes.",
        )


def _decades(
    x: Vector, y: Vector, line: LineFit, resamples: int, seed: int
) -> tuple[DecadeRelation, ...]:
    return tuple(
        DecadeRelation(
            low=10**decade.exponent,
            high=10 ** (decade.exponent + 1),
            n=decade.n,
            coefficients=_if_any(x[decade.indices], y[decade.indices], resamples, seed),
            mape_percent=mape_percent(y[decade.indices], line.at(x[decade.indices])),
            misordered=misordered_pairs(x[decade.indices], y[decade.indices])
            if decade.n > 1
            else None,
        )
        for decade in by_decade(x)
    )


def _if_any(x: Vector, y: Vector, resamples: int, seed: int) -> Correlations | None:
    if x.size < 3 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return None
    return correlations(x, y, resamples=resamples, seed=seed)


def _misordered(x: Vector, y: Vector, error_percent: float | None) -> Misordered:
    beyond = None
    if error_percent is not None:
        beyond = misordered_pairs(x, y, tolerance=error_percent / 100).misordered
    return Misordered(misordered_pairs(x, y), beyond, error_percent)


def coefficients_json(found: Correlations | None) -> dict[str, Any]:
    """The four coefficients, each `{value, ci95}` or null."""
    names = ("pearson", "spearman", "kendall", "r2")
    return {
        name: None if found is None else getattr(found, name).interval.as_json() for name in names
    }


def _ratio(loss: float | None) -> float | None:
    return None if loss is None else 1 + loss
