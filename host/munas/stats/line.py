"""The least-squares line y = intercept + slope * x, with intervals and a prediction band.

Knows only two lists of numbers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from munas.stats.bootstrap import RESAMPLES, SEED, bootstrap_interval
from munas.stats.groups import too_few
from munas.stats.interval import (
    CONFIDENCE,
    Interval,
    Matrix,
    Vector,
    pair_of,
    require_share,
    require_spread,
    sample_of,
)
from munas.stats.weighted import moments


@dataclass(frozen=True, eq=False)
class Band:
    """What a line says at each x (n,), and within what it expects one new y (n,)."""

    x: Vector
    value: Vector
    low: Vector
    high: Vector
    confidence: float


@dataclass(frozen=True, eq=False)
class LineFit:
    """A line through n points.

    `residuals` (n,) are y less the line; `residual_sd` is their standard deviation, of n - 2
    degrees of freedom. `r2` is null where y does not vary, `mape_percent` where some y is zero.
    `x_low` and `x_high` are the range that was fitted: beyond it the line extrapolates.
    """

    intercept: Interval
    slope: Interval
    n: int
    r2: float | None
    residual_sd: float
    mape_percent: float | None
    residuals: Vector
    x_low: float
    x_high: float
    _x_mean: float
    _x_squares: float

    @property
    def too_few(self) -> bool:
        return too_few(self.n)

    def at(self, x: ArrayLike) -> Vector:
        """The line at x (n,)."""
        found: Vector = self.intercept.value + self.slope.value * sample_of(x, "x")
        return found

    def band(self, x: ArrayLike, confidence: float = CONFIDENCE) -> Band:
        """Where one new y lies at each x (n,), by Student's t (Draper and Smith, "Applied
        Regression Analysis", 3rd ed., ch. 3).

        Takes the spread about the line as normal and alike at all x. Where it grows with x, fit
        logarithms, or take `split_conformal`, which supposes neither.
        """
        require_share(confidence, "The confidence")
        at = sample_of(x, "x")
        off_centre = (at - self._x_mean) ** 2 / self._x_squares
        t = float(stats.t.ppf((1 + confidence) / 2, self.n - 2))
        half = t * self.residual_sd * np.sqrt(1 + 1 / self.n + off_centre)
        value = self.at(at)
        return Band(at, value, value - half, value + half, confidence)


def fit_line(
    x: ArrayLike,
    y: ArrayLike,
    *,
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> LineFit:
    """Fit x and y (n,) by least squares.

    Intercept and slope carry BCa intervals of the bootstrap over points (Freedman, "Bootstrapping
    Regression Models", Annals of Statistics 9, 1981), which hold where the spread changes with x,
    unlike Student's.

    Raises BadInputError for fewer than 3 points or an x that does not vary.
    """
    first, second = pair_of(x, y, least=3)
    require_spread(first, "x")

    def lines(counts: Matrix) -> tuple[Vector, Vector]:
        found = moments(counts, first, second)
        slope = np.full(found.xx.shape, np.nan)
        np.divide(found.xy, found.xx, out=slope, where=found.xx > 0)
        return found.mean_y - slope * found.mean_x, slope

    intercept, slope = (
        bootstrap_interval(
            lambda counts, part=part: lines(counts)[part],  # type: ignore[misc]
            first.size,
            confidence=confidence,
            resamples=resamples,
            seed=seed,
        )
        for part in (0, 1)
    )
    whole = moments(np.ones((1, first.size)), first, second)
    fitted = intercept.value + slope.value * first
    residuals = second - fitted
    squares = float(residuals @ residuals)
    varies = float(whole.yy[0]) > 0
    return LineFit(
        intercept=intercept,
        slope=slope,
        n=first.size,
        r2=max(0.0, 1 - squares / float(whole.yy[0])) if varies else None,
        residual_sd=float(np.sqrt(squares / (first.size - 2))),
        mape_percent=mape_percent(second, fitted) if second.all() else None,
        residuals=residuals,
        x_low=float(first.min()),
        x_high=float(first.max()),
        _x_mean=float(whole.mean_x[0]),
        _x_squares=float(whole.xx[0]),
    )


def mape_percent(actual: ArrayLike, predicted: ArrayLike) -> float:
    """Mean absolute error of predictions (n,), each relative to the actual value (n,), in percent.

    Punishes predictions above more than those below (Tofallis, JORS 66, 2015). Raises
    BadInputError where an actual value is zero.
    """
    first, second = pair_of(actual, predicted, least=1, names=("actual", "predicted"))
    sample_of(np.abs(first), "The size of actual", positive=True)
    return 100 * float(np.mean(np.abs((first - second) / first)))
