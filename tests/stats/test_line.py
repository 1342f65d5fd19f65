"""Lines: scipy's fit, equivariance, intervals and bands that hold, degenerate input."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from munas.errors import BadInputError
from munas.stats import IntervalMethod, fit_line, mape_percent

points = st.lists(
    st.tuples(st.integers(-50, 50), st.integers(-50, 50)), min_size=3, max_size=30
).filter(lambda drawn: len({x for x, _ in drawn}) > 1)


@given(points)
@settings(deadline=None, max_examples=60)
def test_fit_is_scipys(drawn: list[tuple[int, int]]) -> None:
    x, y = (np.array(side, dtype=float) for side in zip(*drawn, strict=True))
    ours, theirs = fit_line(x, y, resamples=9), stats.linregress(x, y)
    assert ours.slope.value == pytest.approx(theirs.slope, abs=1e-9)
    assert ours.intercept.value == pytest.approx(theirs.intercept, abs=1e-9)
    assert ours.residuals.sum() == pytest.approx(0, abs=1e-9)
    assert ours.residuals @ x == pytest.approx(0, abs=1e-7)
    np.testing.assert_allclose(ours.at(x) + ours.residuals, y, atol=1e-9)
    if ours.r2 is not None:
        assert ours.r2 == pytest.approx(theirs.rvalue**2, abs=1e-9)
    assert (ours.r2 is None) == (len(set(y)) == 1)


@given(points, st.floats(0.5, 20), st.floats(-20, 20))
@settings(deadline=None, max_examples=30)
def test_moves_with_y(drawn: list[tuple[int, int]], scale: float, shift: float) -> None:
    x, y = (np.array(side, dtype=float) for side in zip(*drawn, strict=True))
    one, moved = fit_line(x, y, resamples=9), fit_line(x, scale * y + shift, resamples=9)
    assert moved.slope.value == pytest.approx(scale * one.slope.value, abs=1e-9)
    assert moved.intercept.value == pytest.approx(scale * one.intercept.value + shift, abs=1e-9)


def test_a_perfect_line() -> None:
    x = np.linspace(1, 9, 40)
    found = fit_line(x, 3 + 2 * x, resamples=99)
    assert (found.intercept.value, found.slope.value) == pytest.approx((3.0, 2.0))
    assert found.slope.method is IntervalMethod.CONSTANT
    assert (found.mape_percent, found.residual_sd) == pytest.approx((0.0, 0.0), abs=1e-9)
    assert (found.r2, found.x_low, found.x_high) == (pytest.approx(1.0), 1.0, 9.0)
    assert (found.n, found.too_few) == (40, False)
    band = found.band([0.0, 20.0])
    np.testing.assert_allclose(band.value, [3, 43])
    np.testing.assert_allclose(band.high - band.low, 0, atol=1e-9)


def test_intervals_hold_where_the_spread_grows() -> None:
    """Of 250 intervals 88.5 to 98.5 % hold the truth (nominal: 95); of Student's far fewer do."""
    rng = np.random.default_rng(8)
    hits, student = np.zeros(2), 0
    for seed in range(250):
        x = rng.uniform(0, 10, 60)
        y = 5 + 2 * x + 0.01 * x**4 * rng.normal(size=60)
        found = fit_line(x, y, resamples=399, seed=seed)
        hits += [
            found.intercept.low <= 5 <= found.intercept.high,
            found.slope.low <= 2 <= found.slope.high,
        ]
        theirs = stats.linregress(x, y)
        student += abs(theirs.slope - 2) <= stats.t.ppf(0.975, 58) * theirs.stderr
    assert all((hits / 250 >= 0.885) & (hits / 250 <= 0.985))
    assert student / 250 < 0.87


def test_the_band_holds_new_points() -> None:
    """At the edge of x and beyond it, where the line itself is least sure."""
    rng = np.random.default_rng(9)
    hits = 0
    for _ in range(400):
        x = rng.uniform(0, 1, 10)
        band = fit_line(x, 1 + x + rng.normal(size=10), resamples=9).band([1.5], confidence=0.9)
        hits += bool(band.low[0] <= 2.5 + rng.normal() <= band.high[0])
    assert 0.86 <= hits / 400 <= 0.94


def test_mape_by_hand() -> None:
    assert mape_percent([100, 200, -50], [110, 190, -50]) == pytest.approx(5.0)
    with pytest.raises(BadInputError, match="entry 1 is 0"):
        mape_percent([1, 0], [1, 1])
    assert fit_line([1, 2, 3], [0, 1, 3], resamples=9).mape_percent is None


@pytest.mark.parametrize(
    ("x", "y", "says"),
    [
        ([1, 2], [1, 2], "x: 2 given, at least 3"),
        ([4, 4, 4], [1, 2, 3], "x: all 3 entries are 4"),
        ([1, 2, 3], [1, 2, 3, 4], "x has 3"),
        ([1, 2, np.inf], [1, 2, 3], "x: entry 2 is inf"),
    ],
)
def test_bad_input(x: list[float], y: list[float], says: str) -> None:
    with pytest.raises(BadInputError, match=says):
        fit_line(x, y)
