"""The hypervolume of a front: how much of the space below a reference point it dominates.

Exact, for minimisation, by the recursion of WFG: a front's volume is the sum over its points of
what each dominates and no earlier one does; what the earlier ones have of it is the volume of those
points raised to this one (their *limit set*). Source: While, Bradstreet, Barone, "A fast way of
calculating exact hypervolumes", IEEE Trans. Evolutionary Computation 16 (1), 2012. Meant for small
fronts of a few objectives: the time grows steeply with both. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import isfinite, prod

Point = tuple[float, ...]


def hypervolume(points: Iterable[Sequence[float]], reference: Sequence[float]) -> float:
    """The volume of what `points` dominate and that dominates `reference`, in the units' product.

    Smaller is better in every place. Points that are not below the reference in every place add
    nothing; an infinite or unknown (NaN) value is above every reference. Raises ValueError where a
    point has another length than the reference, or the reference is not finite.
    """
    end = tuple(float(value) for value in reference)
    if not end or not all(map(isfinite, end)):
        raise ValueError(f"the reference must have finite values, not {end}")
    inside = []
    for point in points:
        if len(point) != len(end):
            raise ValueError(f"a point of {len(point)} values, a reference of {len(end)}")
        if all(value < limit for value, limit in zip(point, end, strict=True)):
            inside.append(tuple(map(float, point)))
    return _volume(_front(inside), end)


def _front(points: Iterable[Point]) -> list[Point]:
    """The points that no other dominates, each once, in the order of their values."""
    kept: list[Point] = []
    for point in sorted(set(points)):
        # In this order a point can be dominated by earlier ones only.
        if not any(_nowhere_larger(other, point) for other in kept):
            kept.append(point)
    return kept


def _nowhere_larger(one: Point, other: Point) -> bool:
    return all(a <= b for a, b in zip(one, other, strict=True))


def _volume(front: Sequence[Point], end: Point) -> float:
    """The volume of a front in the order of its values, all of it below `end`."""
    if len(end) == 1:
        return end[0] - front[0][0] if front else 0.0
    if len(end) == 2:
        return _area(front, end)
    # Earlier points have no larger leading value, so raised to a point they all have its own: that
    # dimension is a factor, and the recursion is on the others.
    rest = end[1:]
    total = 0.0
    for index, (leading, *others) in enumerate(front):
        point = tuple(others)
        box = prod(limit - value for value, limit in zip(point, rest, strict=True))
        raised = _front(_limited((other[1:] for other in front[:index]), point))
        total += (end[0] - leading) * (box - _volume(raised, rest))
    return total


def _limited(points: Iterable[Point], low: Point) -> list[Point]:
    """The points, raised in every place to at least `low`."""
    return [tuple(map(max, point, low)) for point in points]


def _area(front: Sequence[Point], end: Point) -> float:
    """In two dimensions the front is a staircase, down from left to right."""
    total, above = 0.0, end[1]
    for first, second in front:
        total += (end[0] - first) * (above - second)
        above = second
    return total
