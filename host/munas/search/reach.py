"""Reaching bounds that random architectures hardly ever meet.

The paper's way to networks of a given size (its latency experiment): random morphisms from a random
architecture, taken when they come nearer. For budgets of a few kilobytes, which one random
architecture in hundreds meets, this finds one in a second.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from munas.arch import Architecture, Sampling, random_morphism
from munas.errors import BadInputError

# Morphisms that are tried before bounds count as out of reach.
STEPS = 1_500
# How often a step that is neither nearer nor farther is taken all the same (the authors' code).
P_SIDEWAYS = 0.25


class OutOfReachError(BadInputError):
    """No architecture within the bounds was found.

    `deployed` is the one that came nearest, of `tries`: as it would be deployed, thinned where it
    would be pruned.
    """

    def __init__(self, deployed: Architecture, tries: int) -> None:
        super().__init__(
            f"No architecture within the bounds was found in {tries:,} tries.",
            "Widen the bounds.",
        )
        self.deployed = deployed
        self.tries = tries


@dataclass(frozen=True)
class Reached:
    """Where a walk ended, how far from the bounds (0 within), and after how many tries."""

    architecture: Architecture
    distance: float
    tries: int


def descend(
    start: Architecture,
    distance: Callable[[Architecture], float],
    rng: Random,
    sampling: Sampling,
    steps: int = STEPS,
) -> Reached:
    """Walk from `start` to where `distance` is 0, or as near as `steps` morphisms bring it."""
    here, away = start, distance(start)
    for tried in range(1, steps + 1):
        if away == 0:
            return Reached(here, away, tried - 1)
        child = random_morphism(here, rng, sampling).child
        theirs = distance(child)
        if theirs < away or (theirs == away and rng.random() < P_SIDEWAYS):
            here, away = child, theirs
    return Reached(here, away, steps)
