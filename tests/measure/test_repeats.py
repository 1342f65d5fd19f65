from __future__ import annotations

import random
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from munas.latency.repeats import (
    MOST_REPEATS,
    MOST_WARMUP,
    TARGET_HALF_WIDTH,
    Sampler,
    half_width,
    take,
)


def noisy(spread: float, seed: int = 0, start: int = 0) -> tuple[Sampler, list[int]]:
    """Around 100,000 cycles; the first `start` runs are twice as slow."""
    rng = random.Random(seed)
    taken: list[int] = []

    def sample(count: int) -> list[int]:
        portion = []
        for _ in range(count):
            slow = 2 if len(taken) < start else 1
            taken.append(round(slow * 100_000 * (1 + rng.gauss(0, spread))))
            portion.append(taken[-1])
        return portion

    return sample, taken


def test_a_deterministic_board_is_asked_once_after_one_warm_up() -> None:
    sample, taken = noisy(0)
    found = take(sample, "auto", deterministic=True)
    assert (found.cycles, found.warmup, len(taken)) == ((100_000,), 1, 2)
    assert found.half_width == inf


@pytest.mark.parametrize("spread", [0.001, 0.01, 0.02])
def test_repeats_end_when_the_mean_is_known(spread: float) -> None:
    sample, _ = noisy(spread)
    found = take(sample, "auto", deterministic=False)
    assert found.half_width < TARGET_HALF_WIDTH * found.median
    assert len(found.cycles) < MOST_REPEATS


def test_repeats_end_at_the_limit_when_it_never_is() -> None:
    sample, _ = noisy(0.3)
    assert len(take(sample, "auto", deterministic=False).cycles) == MOST_REPEATS


def test_slow_first_runs_are_warmed_away() -> None:
    sample, _ = noisy(0.001, start=4)
    found = take(sample, 20, deterministic=False)
    assert found.warmup >= 6
    assert max(found.cycles) < 110_000


def test_warming_up_ends() -> None:
    sample, _ = noisy(0.5)
    assert take(sample, 1, deterministic=False).warmup <= MOST_WARMUP


@given(st.lists(st.integers(1, 10**9), min_size=2, max_size=30))
def test_the_half_width_scales_with_the_samples(cycles: list[int]) -> None:
    assert half_width([3 * value for value in cycles]) == pytest.approx(3 * half_width(cycles))
