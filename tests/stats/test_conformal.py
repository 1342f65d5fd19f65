"""Conformal intervals hold on exchangeable data, whatever the model; infinite when they must be."""

from __future__ import annotations

from math import ceil, inf

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from munas.errors import BadInputError
from munas.stats import (
    SplitConformal,
    conformal_quantile,
    cv_plus,
    nearest_difficulty,
    proportion,
    split_conformal,
)

Arrays = tuple[np.ndarray, np.ndarray]


@example([float(n) for n in range(9)], 70)
@example([float(n) for n in range(24)], 84)
@given(st.lists(st.floats(0, 10), min_size=1, max_size=60), st.integers(1, 99))
def test_quantile_by_its_rank(scores: list[float], percent: int) -> None:
    """In integers, so that no rounding moves a rank."""
    rank = -((-(len(scores) + 1) * (100 - percent)) // 100)
    found = conformal_quantile(np.array(scores), percent / 100)
    assert found == (sorted(scores)[rank - 1] if rank <= len(scores) else inf)


@pytest.mark.parametrize(("alpha", "least"), [(0.1, 9), (0.05, 19), (0.01, 99)])
def test_too_few_points_bound_nothing(alpha: float, least: int) -> None:
    scores = np.arange(float(least))
    assert conformal_quantile(scores, alpha) == least - 1
    assert conformal_quantile(scores[1:], alpha) == inf
    ones = np.ones(least - 1)
    low, high = split_conformal(ones, ones, alpha).around([5.0])
    assert (low[0], high[0]) == (0.0, inf)


def test_split_by_hand() -> None:
    found = split_conformal([110, 100, 100, 100], [100, 100, 120, 100], 0.2)
    assert found == SplitConformal(pytest.approx(np.log(1.2)), 0.2, 4, normalised=False)
    low, high = found.around([60.0, 1.0])
    np.testing.assert_allclose(low, [50, 1 / 1.2])
    np.testing.assert_allclose(high, [72, 1.2])


def world(rng: np.random.Generator, n: int) -> Arrays:
    """x, and a time that grows with it, with a spread that does too and a heavy tail."""
    x = rng.uniform(0, 1, n)
    return x, np.exp(2 * x + (0.02 + 0.3 * x) * rng.standard_t(3, n))


def wrong_model(x: np.ndarray) -> np.ndarray:
    """The intervals must hold even for this."""
    return 1.0 + x


@pytest.mark.parametrize("alpha", [0.1, 0.3])
def test_split_coverage_is_neither_too_low_nor_too_high(alpha: float) -> None:
    """Between 1 - alpha and 1 - alpha + 1/(n + 1) on average over calibrations."""
    rng = np.random.default_rng(1)
    hits = 0
    for _ in range(4000):
        x, y = world(rng, 30)
        low, high = split_conformal(y[:-1], wrong_model(x[:-1]), alpha).around(wrong_model(x[-1:]))
        hits += bool(low[0] <= y[-1] <= high[0])
    found = proportion(hits, 4000, confidence=0.999)
    assert found.high >= 1 - alpha
    assert found.low <= 1 - alpha + 1 / 30


def test_difficulty_keeps_coverage_and_evens_it_out() -> None:
    """Easy points get narrow intervals, hard ones wide, and both hold."""
    rng = np.random.default_rng(2)
    hits, plain_hits = np.zeros(2), np.zeros(2)
    counts = np.zeros(2)
    for _ in range(60):
        (x, y), (x_new, y_new) = world(rng, 400), world(rng, 400)
        model, at = np.exp(2 * x), np.exp(2 * x_new)
        hard = (x_new > 0.5).astype(int)
        plain = split_conformal(y, model, 0.1).around(at)
        even = split_conformal(y, model, 0.1, difficulty=0.02 + 0.3 * x).around(
            at, 0.02 + 0.3 * x_new
        )
        counts += np.bincount(hard, minlength=2)
        hits += np.bincount(hard[(even[0] <= y_new) & (y_new <= even[1])], minlength=2)
        plain_hits += np.bincount(hard[(plain[0] <= y_new) & (y_new <= plain[1])], minlength=2)
    assert (np.abs(hits / counts - 0.9) < 0.02).all()
    assert plain_hits[0] / counts[0] > 0.95
    assert plain_hits[1] / counts[1] < 0.88


def fit(x: np.ndarray, y: np.ndarray) -> np.poly1d:
    return np.poly1d(np.polyfit(x, np.log(y), 1))


@pytest.mark.parametrize("folds", [5, 20])
def test_cv_plus_coverage(folds: int) -> None:
    """At 20 folds of 20 points it is the jackknife+. Promised is 1 - 2 alpha, usual 1 - alpha."""
    rng = np.random.default_rng(3)
    hits = 0
    for _ in range(600):
        x, y = world(rng, 21)
        fold_of = np.arange(20) % folds
        models = [fit(x[:20][fold_of != k], y[:20][fold_of != k]) for k in range(folds)]
        held_out = np.array([np.exp(models[k](v)) for k, v in zip(fold_of, x[:20], strict=True)])
        new = np.array([np.exp(model(x[20:])) for model in models])
        low, high = cv_plus(y[:20], held_out, fold_of, new, 0.1)
        hits += bool(low[0] <= y[20] <= high[0])
    assert 0.86 <= hits / 600 <= 0.97


def test_jackknife_plus_by_its_definition() -> None:
    """Barber et al., equation 1.2, in logarithms."""
    rng = np.random.default_rng(4)
    n, alpha = 29, 0.1
    actual, held_out = rng.lognormal(size=(2, n))
    new = rng.lognormal(size=(n, 3))
    low, high = cv_plus(actual, held_out, np.arange(n), new, alpha)
    errors = np.abs(np.log(actual / held_out))[:, None]
    rank = ceil(0.9 * 30)
    np.testing.assert_allclose(low, np.sort(new / np.exp(errors), axis=0)[30 - rank - 1])
    np.testing.assert_allclose(high, np.sort(new * np.exp(errors), axis=0)[rank - 1])


def test_cv_plus_with_one_model_is_split_conformal() -> None:
    rng = np.random.default_rng(5)
    actual, predicted, difficulty = rng.lognormal(size=(3, 50))
    new, at = rng.lognormal(size=(2, 4))
    split = split_conformal(actual, predicted, 0.1, difficulty=difficulty)
    found = cv_plus(
        actual,
        predicted,
        np.zeros(50, dtype=int),
        new[None],
        0.1,
        difficulty=difficulty,
        difficulty_at=at,
    )
    np.testing.assert_allclose(found, split.around(new, at))


def test_cv_plus_of_too_few_points() -> None:
    low, high = cv_plus([1, 2], [1, 2], [0, 1], [[3.0], [4.0]], 0.1)
    assert (low[0], high[0]) == (0.0, inf)


@given(st.floats(0.01, 100))
def test_the_unit_of_time_does_not_matter(unit: float) -> None:
    rng = np.random.default_rng(6)
    actual, predicted = rng.lognormal(size=(2, 40))
    one = split_conformal(actual, predicted, 0.1)
    other = split_conformal(unit * actual, unit * predicted, 0.1)
    assert other.log_width == pytest.approx(one.log_width)


def test_nearest_difficulty_finds_where_errors_are_large() -> None:
    rng = np.random.default_rng(7)
    # The second feature is noise of another scale; it must not drown the first.
    features = np.c_[rng.uniform(0, 1, 2000), rng.uniform(0, 1e6, 2000)]
    spread = np.where(features[:, 0] > 0.5, 1.0, 0.1)
    found = nearest_difficulty(features, spread * rng.normal(size=2000), [[0.2, 5e5], [0.8, 5e5]])
    assert found[1] > 3 * found[0] > 0


def test_nearest_difficulty_by_hand() -> None:
    features = [[0.0], [1.0], [10.0]]
    found = nearest_difficulty(features, [1, -3, 8], [[0.4], [9.0]], neighbours=2, floor=0.5)
    np.testing.assert_allclose(found, [2 + 2, 5.5 + 2])
    few = nearest_difficulty(features, [1, -3, 8], [[0.4]], neighbours=9, floor=0)
    np.testing.assert_allclose(few, [4])
    np.testing.assert_array_equal(nearest_difficulty(features, [0, 0, 0], [[1.0]]), [1.0])


def test_bad_input() -> None:
    with pytest.raises(BadInputError, match="actual: entry 0"):
        split_conformal([0, 1], [1, 1], 0.1)
    with pytest.raises(BadInputError, match=r"1 difficulties .* 2 points"):
        split_conformal([1, 1], [1, 1], 0.1, difficulty=[1])
    with pytest.raises(BadInputError, match="difficulty: entry 1"):
        split_conformal([1, 1], [1, 1], 0.1, difficulty=[1, 0])
    with pytest.raises(BadInputError, match="or neither"):
        split_conformal([1, 1], [1, 1], 0.1).around([1], [1])
    with pytest.raises(BadInputError, match="known and for the new"):
        cv_plus([1, 1], [1, 1], [0, 0], [[1]], 0.1, difficulty=[1, 1])
    with pytest.raises(BadInputError, match="one of 1 folds"):
        cv_plus([1, 1], [1, 1], [0, 1], [[1]], 0.1)
    with pytest.raises(BadInputError, match="folds, points"):
        cv_plus([1, 1], [1, 1], [0, 0], [1], 0.1)
    with pytest.raises(BadInputError, match="do not fit"):
        nearest_difficulty([[1.0]], [1], [[1.0, 2.0]])
    with pytest.raises(BadInputError, match="alpha"):
        split_conformal([1, 1], [1, 1], 0)
