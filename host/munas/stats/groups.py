"""When points are too few to say anything, and their groups by decade.

Knows only numbers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from munas.stats.interval import Vector, sample_of

TOO_FEW = 30
"""Fewer points than this are called too few. A convention: bootstrap intervals get too narrow and
intervals of correlations too wide to say much (Bonett and Wright, "Sample Size Requirements for
Estimating Pearson, Kendall and Spearman Correlations", Psychometrika 65, 2000)."""

_LEAST_EXPONENT = -307
_POWERS = np.array([float(f"1e{exponent}") for exponent in range(_LEAST_EXPONENT, 309)])


def too_few(n: int) -> bool:
    """Whether n points are too few to be spoken of without that warning."""
    return n < TOO_FEW


@dataclass(frozen=True, eq=False)
class Decade:
    """The points with 10**exponent <= x < 10**(exponent + 1), by their indices (n,)."""

    exponent: int
    indices: NDArray[np.intp]

    @property
    def n(self) -> int:
        return self.indices.size

    @property
    def too_few(self) -> bool:
        return too_few(self.n)


def by_decade(x: ArrayLike) -> tuple[Decade, ...]:
    """The decades of x (n,) that hold points, smallest first.

    Raises BadInputError where x holds something that is not above zero.
    """
    exponents = _exponents(sample_of(x, "x", positive=True))
    return tuple(
        Decade(int(exponent), np.flatnonzero(exponents == exponent))
        for exponent in np.unique(exponents)
    )


def _exponents(x: Vector) -> NDArray[np.int64]:
    """floor(log10 x), but exact: a logarithm may be rounded up to the next power of ten."""
    return np.searchsorted(_POWERS, x, side="right") - 1 + _LEAST_EXPONENT
