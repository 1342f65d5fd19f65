"""Pairs that one measure orders the other way round than another, and what that costs.

Knows only two lists of numbers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from munas.errors import BadInputError
from munas.stats.interval import Vector, pair_of, sample_of


@dataclass(frozen=True)
class MisorderedPairs:
    """Pairs of points that x and y order unlike.

    Of all `pairs`, those tied in x or in y are counted apart (a pair may be tied in both);
    `compared` are the others, and `share` is of those. A loss is how much greater the y is that
    x prefers than the y it turns down, relative to the latter; null where no pair is misordered.
    `worst` are the indices of the pair with the greatest loss: the one that x prefers, the other.
    """

    pairs: int
    tied_in_x: int
    tied_in_y: int
    compared: int
    misordered: int
    share: float | None
    loss_median: float | None
    loss_p95: float | None
    loss_max: float | None
    worst: tuple[int, int] | None


def misordered_pairs(x: ArrayLike, y: ArrayLike, *, tolerance: float = 0.0) -> MisorderedPairs:
    """Compare the order of every pair of points by x (n,) with that by y (n,), smaller first.

    y values that differ by no more than the relative `tolerance` are tied: for y whose own error
    is known. The misordered pairs are Kendall's discordant ones (Kendall, Biometrika 30, 1938); the
    loss is the simple regret of choosing by x between the two. O(n²) time, memory in proportion to
    the misordered pairs.

    Raises BadInputError for fewer than 2 points, a y that is not above zero or a negative
    tolerance.
    """
    if tolerance < 0:
        raise BadInputError(f"The tolerance is {tolerance}; it cannot be negative.")
    first, second = pair_of(x, y, least=2)
    sample_of(second, "y", positive=True)
    # By ascending x, so that in every pair the earlier point is the one that x prefers.
    order = np.argsort(first, kind="stable")
    by_x, of_y = first[order], second[order]
    tied_in_x = tied_in_y = compared = 0
    losses: list[Vector] = []
    worst: tuple[int, int] | None = None
    loss_max = 0.0
    for i in range(by_x.size - 1):
        preferred, other = of_y[i], of_y[i + 1 :]
        same_x = by_x[i + 1 :] == by_x[i]
        slack = np.minimum(preferred, other) * (1 + tolerance)
        same_y = np.maximum(preferred, other) <= slack
        tied_in_x += int(same_x.sum())
        tied_in_y += int(same_y.sum())
        comparable = ~(same_x | same_y)
        compared += int(comparable.sum())
        wrong = np.flatnonzero(comparable & (preferred > other))
        lost = preferred / other[wrong] - 1
        losses.append(lost)
        if lost.size and (worst is None or lost.max() > loss_max):
            loss_max = float(lost.max())
            worst = int(order[i]), int(order[i + 1 + wrong[np.argmax(lost)]])
    lost = np.concatenate(losses)
    return MisorderedPairs(
        pairs=by_x.size * (by_x.size - 1) // 2,
        tied_in_x=tied_in_x,
        tied_in_y=tied_in_y,
        compared=compared,
        misordered=lost.size,
        share=lost.size / compared if compared else None,
        loss_median=float(np.median(lost)) if lost.size else None,
        loss_p95=float(np.quantile(lost, 0.95)) if lost.size else None,
        loss_max=loss_max if lost.size else None,
        worst=worst,
    )
