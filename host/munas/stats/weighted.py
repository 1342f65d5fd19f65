"""Moments, ranks and ties of many resamples at once, each given as counts (resamples, n).

Knows nothing of intervals.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from munas.stats.interval import Matrix, Vector

_ROUNDING = 1e-14


@dataclass(frozen=True)
class Moments:
    """Of each resample (resamples,): points, means, and sums of squares and products about them.

    A sum of squares that is nothing but rounding is 0.
    """

    total: Vector
    mean_x: Vector
    mean_y: Vector
    xx: Vector
    yy: Vector
    xy: Vector


def moments(counts: Matrix, x: Matrix | Vector, y: Matrix | Vector) -> Moments:
    """Moments of x and y, each (n,) or, where resamples differ, (resamples, n)."""
    total = counts.sum(axis=1)
    mean_x = (counts * x).sum(axis=1) / total
    mean_y = (counts * y).sum(axis=1) / total
    dx = x - mean_x[:, None]
    dy = y - mean_y[:, None]
    weighted = counts * dx
    xx = _above_rounding((weighted * dx).sum(axis=1), x, total)
    yy = _above_rounding((counts * dy * dy).sum(axis=1), y, total)
    return Moments(total, mean_x, mean_y, xx, yy, (weighted * dy).sum(axis=1))


def _above_rounding(squares: Vector, values: Matrix | Vector, total: Vector) -> Vector:
    least = total * (_ROUNDING * np.abs(values).max(initial=0.0)) ** 2
    return np.where(squares > least, squares, 0.0)


def pearson_of(counts: Matrix, x: Matrix | Vector, y: Matrix | Vector) -> Vector:
    """Pearson's r of each resample, nan where one side does not vary."""
    found = moments(counts, x, y)
    return ratio(found.xy, np.sqrt(found.xx) * np.sqrt(found.yy))


def ratio(above: Vector, below: Vector) -> Vector:
    """A correlation as a ratio: within -1 and 1, nan over zero."""
    found = np.full(below.shape, np.nan)
    np.divide(above, below, out=found, where=below > 0)
    clipped: Vector = np.clip(found, -1.0, 1.0)
    return clipped


class Levels:
    """The distinct values of one variable, by which resamples are ranked."""

    def __init__(self, values: Vector) -> None:
        self._order = np.argsort(values, kind="stable")
        ordered = values[self._order]
        first = np.r_[True, ordered[1:] != ordered[:-1]]
        self._starts = np.flatnonzero(first)
        self.codes: NDArray[np.int64] = np.empty(values.size, dtype=np.int64)
        self.codes[self._order] = np.cumsum(first) - 1

    def midranks(self, counts: Matrix) -> Matrix:
        """Ranks from 1 of every point within each resample, ties at the mean of their ranks.

        Points outside a resample get the rank they would stand at; they count nothing.
        """
        at_level = self._per_level(counts)
        ranks = np.cumsum(at_level, axis=1) - at_level / 2 + 0.5
        found: Matrix = ranks[:, self.codes]
        return found

    def untied(self, counts: Matrix) -> Vector:
        """Ordered pairs (i, j) of each resample whose values differ."""
        at_level = self._per_level(counts)
        untied: Vector = at_level.sum(axis=1) ** 2 - (at_level**2).sum(axis=1)
        return untied

    def _per_level(self, counts: Matrix) -> Matrix:
        found: Matrix = np.add.reduceat(counts[:, self._order], self._starts, axis=1)
        return found
