"""Hypervolume: known values, inclusion and exclusion, Monte Carlo, and how it must behave."""

from __future__ import annotations

from itertools import combinations
from math import inf, nan, prod

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from munas.stats.hypervolume import hypervolume

Points = list[tuple[float, ...]]


def fronts(most: int) -> st.SearchStrategy[tuple[Points, int]]:
    """Up to `most` points of two to four values, ties and dominated ones among them."""
    values = st.one_of(st.sampled_from([0.0, 0.25, 0.5, 1.0, 1.5]), st.floats(0, 1.2))
    return st.integers(2, 4).flatmap(
        lambda size: st.tuples(st.lists(st.tuples(*[values] * size), max_size=most), st.just(size))
    )


def by_inclusion_and_exclusion(points: Points, reference: tuple[float, ...]) -> float:
    inside = [p for p in points if all(v < r for v, r in zip(p, reference, strict=True))]
    total = 0.0
    for count in range(1, len(inside) + 1):
        for chosen in combinations(inside, count):
            worst = [max(values) for values in zip(*chosen, strict=True)]
            sign = 1 if count % 2 else -1
            total += sign * prod(r - w for r, w in zip(reference, worst, strict=True))
    return total


def test_known_values():
    assert hypervolume([], (1.0, 1.0)) == 0
    assert hypervolume([(0.25, 0.5)], (1.0, 1.0)) == 0.375
    assert hypervolume([(0.0, 0.5), (0.5, 0.0)], (1.0, 1.0)) == 0.75
    assert hypervolume([(0.2,), (0.4,)], (1.0,)) == pytest.approx(0.8)
    corners = [(0.0, 0.5, 0.5), (0.5, 0.0, 0.5), (0.5, 0.5, 0.0)]
    assert hypervolume(corners, (1.0, 1.0, 1.0)) == pytest.approx(1 / 8 * 4)
    assert hypervolume([(1, 2)], (3, 4)) == 4


@given(fronts(most=7))
def test_equals_inclusion_and_exclusion(drawn: tuple[Points, int]):
    points, size = drawn
    reference = (1.0,) * size
    expected = by_inclusion_and_exclusion(points, reference)
    assert hypervolume(points, reference) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("size", [2, 3, 4])
def test_equals_monte_carlo(size: int):
    rng = np.random.default_rng(size)
    points = rng.random((20, size)) ** 0.5
    thrown = rng.random((40_000, size))
    dominated = (points[:, None, :] <= thrown[None]).all(axis=2).any(axis=0).mean()
    found = hypervolume([tuple(map(float, point)) for point in points], (1.0,) * size)
    # Four standard errors of the share.
    assert abs(found - dominated) < 4 * (dominated * (1 - dominated) / len(thrown)) ** 0.5


@given(fronts(most=8), st.randoms(use_true_random=False))
def test_order_and_dominated_points_do_not_count_and_more_points_never_lose(
    drawn: tuple[Points, int], random: object
):
    points, size = drawn
    reference = (1.0,) * size
    whole = hypervolume(points, reference)
    mixed = list(points) * 2
    random.shuffle(mixed)  # type: ignore[attr-defined]
    assert hypervolume(mixed, reference) == pytest.approx(whole, abs=1e-12)
    worse = [tuple(value + 0.1 for value in point) for point in points]
    assert hypervolume([*points, *worse], reference) == pytest.approx(whole, abs=1e-12)
    assert hypervolume(points[1:], reference) <= whole + 1e-12
    assert 0 <= whole <= 1


def test_scales_with_the_units():
    points = [(0.1, 0.7, 0.3), (0.4, 0.2, 0.6)]
    scaled = [(10 * a, b, 4 * c) for a, b, c in points]
    assert hypervolume(scaled, (10, 1, 4)) == pytest.approx(40 * hypervolume(points, (1, 1, 1)))


def test_points_beyond_the_reference_and_unknown_ones_add_nothing():
    beyond = [(1.0, 0.0), (2.0, 0.1), (inf, 0.0), (nan, 0.0)]
    assert hypervolume(beyond, (1.0, 1.0)) == 0
    assert hypervolume([*beyond, (0.5, 0.5)], (1.0, 1.0)) == 0.25


@pytest.mark.parametrize(
    ("points", "reference"), [([(1.0,)], (1.0, 1.0)), ([], ()), ([], (inf, 1.0))]
)
def test_what_cannot_be_is_refused(points: Points, reference: tuple[float, ...]):
    with pytest.raises(ValueError, match="reference"):
        hypervolume(points, reference)
