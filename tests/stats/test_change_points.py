"""Levels of a series: found where they change, not where noise moves."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from munas.errors import BadInputError
from munas.stats import change_points


def noisy(seed: int, n: int, *steps: tuple[int, float]) -> list[float]:
    rng = np.random.default_rng(seed)
    logs = rng.normal(0, 0.004, n)
    for index, change in steps:
        logs[index:] += np.log1p(change)
    return list(1e6 * np.exp(logs))


@given(st.lists(st.tuples(st.integers(2, 9), st.integers(1000, 2000)), min_size=1, max_size=6))
def test_every_step_of_what_repeats_is_found(levels: list[tuple[int, int]]) -> None:
    series = [value for length, value in levels for _ in range(length)]
    expected = [i for i in range(1, len(series)) if series[i] != series[i - 1]]
    assert [point.index for point in change_points(series)] == expected


def test_steps_below_the_minimum_effect_do_not_count() -> None:
    series = [1000, 1000, 1000, 1005, 1005, 1005, 1100, 1100, 1100]
    assert [point.index for point in change_points(series, minimum_effect=0.01)] == [6]


def test_noise_alone_is_hardly_ever_a_change() -> None:
    flagged = sum(bool(change_points(noisy(seed, 60))) for seed in range(200))
    assert flagged <= 4


def test_two_changes_are_found_where_they_are() -> None:
    found = change_points(noisy(3, 60, (20, 0.03), (45, -0.02)), minimum_effect=0.005)
    assert [abs(point.index - at) <= 1 for point, at in zip(found, (20, 45), strict=True)] == [
        True,
        True,
    ]
    assert found[0].change == pytest.approx(0.03, abs=0.005)
    assert found[1].change == pytest.approx(-0.02, abs=0.005)


@pytest.mark.parametrize("series", [[5], [5, 5], [5.0, 5.1, 5.0, 5.2]])
def test_too_few_or_constant_shows_nothing(series: list[float]) -> None:
    assert change_points(series, minimum_effect=0.5) == []


def test_what_is_no_time_is_refused() -> None:
    with pytest.raises(BadInputError):
        change_points([1, 0, 2])
    with pytest.raises(BadInputError):
        change_points([1, 2], minimum_effect=-1)


@given(st.lists(st.integers(1000, 2000), min_size=2, max_size=12))
def test_what_is_deterministic_has_no_noise(series: list[int]) -> None:
    expected = [i for i in range(1, len(series)) if series[i] != series[i - 1]]
    assert [point.index for point in change_points(series, deterministic=True)] == expected
