"""The noise floor bounds what it says, and needs enough runs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from munas.errors import BadInputError
from munas.stats import noise_floor


def test_needs_enough_runs_and_says_how_many() -> None:
    """0.95 to the power of 59 is the first below 0.05."""
    runs = np.random.default_rng(1).normal(1000, 1, size=118)
    enough = noise_floor([runs])
    assert (enough.runs, enough.pairs, enough.runs_needed) == (118, 59, 118)
    assert enough.floor is not None
    short = noise_floor([runs[:117]])
    assert (short.pairs, short.floor, short.minimum_detectable) == (58, None, None)
    assert short.observed > 0


def test_the_bound_holds_in_nineteen_of_twenty() -> None:
    """And is not above the truth always: it is the quantile's bound, not the maximum of all."""
    rng = np.random.default_rng(2)
    truth = np.sqrt(2) * 0.01 * stats.norm.ppf(0.95)  # of |difference|, at 0.9
    held = 0
    for _ in range(400):
        found = noise_floor([np.exp(0.01 * rng.normal(size=200))], quantile=0.9)
        assert found.floor is not None
        held += np.log1p(found.floor) >= truth
    assert 0.93 <= held / 400 < 1


def test_minimum_detectable_is_detected() -> None:
    rng = np.random.default_rng(3)
    found = noise_floor([np.exp(0.01 * rng.normal(size=300))])
    assert found.floor is not None
    assert found.minimum_detectable is not None
    assert found.minimum_detectable == pytest.approx((1 + found.floor) ** 2 - 1)
    before, after = np.exp(0.01 * rng.normal(size=(2, 2000)))
    seen = np.mean(after * (1 + found.minimum_detectable) / before > 1 + found.floor)
    assert seen >= 0.95


def test_drift_counts_as_noise() -> None:
    """Neighbouring runs differ by 0.01 %, the first from the last by 2 %."""
    drifting = 1000 * (1 + 0.0001 * np.arange(200))
    found = noise_floor([drifting])
    assert found.floor == pytest.approx(0.01, rel=0.1)


def test_a_board_without_noise() -> None:
    found = noise_floor([[500] * 200])
    assert (found.observed, found.floor, found.minimum_detectable) == (0.0, 0.0, 0.0)


@given(st.lists(st.floats(0.1, 10), min_size=2, max_size=9), st.integers(-20, 20))
def test_series_are_relative_and_pooled(runs: list[float], scale: int) -> None:
    """A model that takes twice as long adds pairs, not spread."""
    one = noise_floor([runs], quantile=0.5, confidence=0.5)
    both = noise_floor([runs, np.multiply(runs, 2.0**scale)], quantile=0.5, confidence=0.5)
    assert (both.runs, both.pairs) == (2 * one.runs, 2 * one.pairs)
    assert both.observed == pytest.approx(one.observed, abs=1e-9)


@pytest.mark.parametrize(
    ("series", "says"),
    [([], "none were"), ([[1.0]], "series 0: 1 given"), ([[1, 0]], "above zero")],
)
def test_bad_input(series: list[list[float]], says: str) -> None:
    with pytest.raises(BadInputError, match=says):
        noise_floor(series)
