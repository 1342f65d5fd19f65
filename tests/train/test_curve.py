"""Learning curves: ending what cannot make it, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from munas.train.curve import FEWEST, best_hope, hopeless


def curve(level: float, drop: float, exponent: float, epochs: int) -> list[float]:
    return [level - drop * t**-exponent for t in range(1, epochs + 1)]


@given(
    st.floats(0.3, 0.99), st.floats(0.01, 0.25), st.sampled_from([0.25, 0.5, 1.0, 2.0]),
    st.integers(FEWEST, 30),
)  # fmt: skip
def test_a_curve_that_will_make_it_is_never_ended(level, drop, exponent, seen):
    """Without noise the hope is at least what the curve really reaches."""
    whole = curve(level, drop, exponent, 45)
    assert best_hope(whole[:seen], 45 - seen) >= whole[-1]
    assert not hopeless(whole[:seen], 45 - seen, whole[-1] - 1e-9)


def test_one_that_has_levelled_off_far_below_is_ended():
    seen = curve(0.5, 0.2, 2.0, 8)
    assert hopeless(seen, 37, 0.9)
    assert not hopeless(seen, 37, 0.5)


def test_noise_widens_the_hope():
    rng = np.random.default_rng(0)
    seen = np.asarray(curve(0.6, 0.2, 1.0, 10))
    noisy = seen + rng.normal(0, 0.03, 10)
    assert best_hope(noisy, 35) > best_hope(seen, 35)


@pytest.mark.parametrize(
    ("accuracies", "left", "wanted"),
    [([0.1, 0.1, 0.1], 40, 0.9), ([0.1] * 10, 0, 0.9), ([0.1] * 9 + [0.91], 30, 0.9)],
    ids=["too few", "at the end", "already there"],
)
def test_nothing_is_ended_where_there_is_nothing_to_save(accuracies, left, wanted):
    assert not hopeless(accuracies, left, wanted)
