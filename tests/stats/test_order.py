"""Misordered pairs, against pairs gone through one by one."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from munas.errors import BadInputError
from munas.stats import misordered_pairs

points = st.lists(st.tuples(st.integers(0, 12), st.integers(1, 40)), min_size=2, max_size=25)


def losses_of(drawn: list[tuple[int, int]]) -> list[float]:
    return [
        max(a[1], b[1]) / min(a[1], b[1]) - 1
        for a, b in combinations(drawn, 2)
        if (a[0] - b[0]) * (a[1] - b[1]) < 0
    ]


@given(points)
def test_by_brute_force(drawn: list[tuple[int, int]]) -> None:
    x, y = zip(*drawn, strict=True)
    found = misordered_pairs(x, y)
    pairs = list(combinations(drawn, 2))
    losses = losses_of(drawn)
    assert found.pairs == len(pairs)
    assert found.tied_in_x == sum(a[0] == b[0] for a, b in pairs)
    assert found.tied_in_y == sum(a[1] == b[1] for a, b in pairs)
    assert found.compared == sum(a[0] != b[0] and a[1] != b[1] for a, b in pairs)
    assert found.misordered == len(losses)
    if losses:
        assert found.share == len(losses) / found.compared
        assert found.loss_median == pytest.approx(np.median(losses))
        assert found.loss_p95 == pytest.approx(np.quantile(losses, 0.95))
        assert found.loss_max == pytest.approx(max(losses))
        assert found.worst is not None
        preferred, other = found.worst
        assert x[preferred] < x[other]
        assert y[preferred] / y[other] - 1 == pytest.approx(max(losses))
    else:
        assert (found.loss_median, found.loss_p95, found.loss_max, found.worst) == (None,) * 4


@given(points)
def test_monotone_x_changes_nothing(drawn: list[tuple[int, int]]) -> None:
    x, y = (np.array(side, dtype=float) for side in zip(*drawn, strict=True))
    assert misordered_pairs(np.exp(x), y) == misordered_pairs(x, y)


def test_is_kendalls_tau_without_ties() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=200)
    y = np.exp(x + rng.normal(size=200))
    found = misordered_pairs(x, y)
    assert found.share is not None
    assert 1 - 2 * found.share == pytest.approx(stats.kendalltau(x, y).statistic)


def test_close_values_are_ties_within_the_tolerance() -> None:
    x, y = [1, 2, 3], [100.0, 95.0, 80.0]
    assert misordered_pairs(x, y).misordered == 3
    found = misordered_pairs(x, y, tolerance=0.1)
    assert (found.misordered, found.tied_in_y, found.compared) == (2, 1, 2)
    assert found.loss_max == pytest.approx(0.25)
    assert found.worst == (0, 2)


def test_neighbouring_floats_are_no_tie() -> None:
    lower = np.nextafter(2.0, 0)
    assert misordered_pairs([1, 2], [2.0, lower]).misordered == 1


def test_nothing_to_compare() -> None:
    found = misordered_pairs([1, 1], [2, 3])
    assert (found.compared, found.tied_in_x, found.share) == (0, 1, None)


@pytest.mark.parametrize(
    ("x", "y", "tolerance", "says"),
    [
        ([1], [1], 0.0, "at least 2"),
        ([1, 2], [1, 0], 0.0, "y: entry 1"),
        ([1, 2], [1, 2], -0.1, "negative"),
    ],
)
def test_bad_input(x: list[int], y: list[int], tolerance: float, says: str) -> None:
    with pytest.raises(BadInputError, match=says):
        misordered_pairs(x, y, tolerance=tolerance)
