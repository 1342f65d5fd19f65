"""How often to measure: warm up until stable, then until the mean is known well enough.

Knows only numbers; what gives the samples is handed in.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf, sqrt
from statistics import fmean, median, stdev
from typing import Literal

TARGET_HALF_WIDTH = 0.005
BATCH = 10
MOST_REPEATS = 200
MOST_WARMUP = 30
_WARMUP_BATCH = 3

Repeats = int | Literal["auto"]
Sampler = Callable[[int], Sequence[int]]
"""Takes a number of repeats, gives that many samples in cycles."""


@dataclass(frozen=True)
class Samples:
    """Samples in cycles, in the order they were taken."""

    cycles: tuple[int, ...]
    warmup: int

    @property
    def median(self) -> int:
        return round(median(self.cycles))

    @property
    def half_width(self) -> float:
        """Half-width of the 95 % confidence interval of the mean, in cycles (Student's t)."""
        return half_width(self.cycles)


def half_width(cycles: Sequence[int]) -> float:
    """Infinite for a single sample: nothing is then known of the spread."""
    from scipy.stats import t

    if len(cycles) < 2:
        return inf
    return float(t.ppf(0.975, len(cycles) - 1)) * stdev(cycles) / sqrt(len(cycles))


def take(sample: Sampler, repeats: Repeats, *, deterministic: bool) -> Samples:
    """Warm up and measure.

    A deterministic board gives every repeat alike after one warm-up, so one says it all.
    """
    if deterministic:
        sample(1)
        return Samples(tuple(sample(1 if repeats == "auto" else repeats)), 1)
    warmup = _warm_up(sample)
    if repeats != "auto":
        return Samples(tuple(sample(repeats)), warmup)
    cycles: list[int] = []
    while len(cycles) < MOST_REPEATS:
        cycles += sample(BATCH)
        if half_width(cycles) < TARGET_HALF_WIDTH * fmean(cycles):
            break
    return Samples(tuple(cycles), warmup)


def _warm_up(sample: Sampler) -> int:
    """Runs until two batches in a row have the same median within the target."""
    before = median(sample(_WARMUP_BATCH))
    done = _WARMUP_BATCH
    while done < MOST_WARMUP:
        now = median(sample(_WARMUP_BATCH))
        done += _WARMUP_BATCH
        if abs(now - before) <= TARGET_HALF_WIDTH * max(now, 1):
            break
        before = now
    return done
