"""Intervals as JSON, and what is refused as a sample."""

from __future__ import annotations

import json
from math import exp, inf

import pytest

from munas.errors import BadInputError
from munas.stats import Interval, IntervalMethod, proportion
from munas.stats.interval import pair_of, require_share, sample_of


def test_json() -> None:
    interval = Interval(0.5, 0.25, 0.75, 0.95, IntervalMethod.BCA)
    assert interval.as_json() == {"value": 0.5, "ci95": [0.25, 0.75]}


def test_json_names_the_confidence_and_has_no_infinity() -> None:
    interval = Interval(1.0, -inf, inf, 0.995, IntervalMethod.NONE)
    assert interval.as_json() == {"value": 1.0, "ci99.5": [None, None]}
    json.dumps(interval.as_json(), allow_nan=False)


def test_mapped() -> None:
    interval = Interval(0.0, -inf, 1.0, 0.9, IntervalMethod.RANK_SUM).mapped(exp)
    assert interval == Interval(1.0, 0.0, exp(1), 0.9, IntervalMethod.RANK_SUM)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ([], "0 given, at least 1"),
        ([[1.0, 2.0]], "shape"),
        ([1.0, float("nan")], "entry 1 is nan"),
        ([inf, 1.0], "entry 0 is inf"),
        ([3.0, 0.0], "entry 1 is 0, not above zero"),
    ],
)
def test_bad_samples_are_named(values: list[float], says: str) -> None:
    with pytest.raises(BadInputError, match=f"cycles.*{says}"):
        sample_of(values, "cycles", positive=True)


def test_unequal_lengths() -> None:
    with pytest.raises(BadInputError, match="x has 2 entries and y 3"):
        pair_of([1, 2], [1, 2, 3], least=2)


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, 95.0, float("nan")])
def test_levels_are_shares(share: float) -> None:
    with pytest.raises(BadInputError, match="between 0 and 1"):
        require_share(share, "alpha")


def test_proportion_by_the_book() -> None:
    """No hit in n: the upper end is 1 - (alpha/2)^(1/n)."""
    found = proportion(0, 100)
    assert (found.value, found.low) == (0.0, 0.0)
    assert found.high == pytest.approx(1 - 0.025 ** (1 / 100))
    mirrored = proportion(100, 100)
    assert mirrored.low == pytest.approx(1 - found.high)


@pytest.mark.parametrize(("hits", "n"), [(1, 0), (-1, 5), (6, 5)])
def test_no_share(hits: int, n: int) -> None:
    with pytest.raises(BadInputError, match="no share"):
        proportion(hits, n)
