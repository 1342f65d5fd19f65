"""Where a series of times changed its level: between which two of its points.

Knows only numbers in their order.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log, log1p
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from munas.errors import BadInputError
from munas.stats.interval import Vector, require_share, sample_of
from munas.stats.two_samples import ALPHA, Verdict, compare

_FEWEST = 3  # points on each side: fewer show no level
_MAD_OF_NORMAL = 0.6745
# Times log n, in units of the noise's variance. BIC's is 2 (Yao, Statistics & Probability Letters
# 6, 1988); noise that is not normal has more false peaks.
_PENALTY = 6.0
_ROUNDING = 1e-12


@dataclass(frozen=True)
class ChangePoint:
    """The level is another from point `index` (counted from 0) on; medians of both levels."""

    index: int
    before: float
    after: float

    @property
    def change(self) -> float:
        """Relative change, 0.03 for three percent more."""
        return self.after / self.before - 1


def change_points(
    series: ArrayLike,
    *,
    minimum_effect: float = 0.0,
    alpha: float = ALPHA,
    deterministic: bool = False,
) -> list[ChangePoint]:
    """Where the level of a series (n,) of values above zero, in their order, changed by more than
    the relative `minimum_effect`.

    Of what is `deterministic` every step beyond the minimum effect is a change; so it is where most
    steps are exactly nothing. Otherwise levels are parted by PELT (Killick, Fearnhead and
    Eckley, JASA 107, 2012, as in ruptures) on the logarithm, in units of the noise that its steps
    show, and a part is kept where both sides also differ by munas.stats.compare.

    Raises BadInputError for values that are not above zero or a negative minimum effect.
    """
    require_share(alpha, "alpha")
    if minimum_effect < 0:
        raise BadInputError(f"The minimum effect is {minimum_effect}; it cannot be negative.")
    values = sample_of(series, "A series", positive=True)
    logs = np.log(values)
    steps = np.abs(np.diff(logs))
    if not steps.size or not steps.any():
        return []
    if deterministic:
        return _steps(values, steps, minimum_effect)
    noise = float(np.median(steps)) / (_MAD_OF_NORMAL * np.sqrt(2))
    if noise == 0:
        return _steps(values, steps, minimum_effect)
    return _levels(values, logs / noise, minimum_effect, alpha)


def _steps(values: Vector, steps: Vector, minimum_effect: float) -> list[ChangePoint]:
    least = log1p(minimum_effect) + _ROUNDING
    return [
        ChangePoint(int(index) + 1, float(values[index]), float(values[index + 1]))
        for index in np.flatnonzero(steps > least)
    ]


def _levels(
    values: Vector, scaled: Vector, minimum_effect: float, alpha: float
) -> list[ChangePoint]:
    if values.size < 2 * _FEWEST:
        return []
    ends = _pelt(scaled, _PENALTY * log(values.size))
    # A part that the test does not keep joins its neighbour, and the rest is asked again.
    while True:
        edges = [0, *ends, values.size]
        found = []
        for start, middle, end in zip(edges, edges[1:], edges[2:], strict=False):
            before, after = values[start:middle], values[middle:end]
            verdict = compare(before, after, minimum_effect=minimum_effect, alpha=alpha).verdict
            if verdict not in (Verdict.SLOWER, Verdict.FASTER):
                ends = [each for each in ends if each != middle]
                break
            found.append(ChangePoint(middle, float(np.median(before)), float(np.median(after))))
        else:
            return found


def _pelt(scaled: Vector, penalty: float) -> list[int]:
    import ruptures

    search: Any = ruptures.KernelCPD(kernel="linear", min_size=_FEWEST)
    ends: list[int] = search.fit(scaled.reshape(-1, 1)).predict(pen=penalty)
    return [int(end) for end in ends[:-1]]
