"""Search behind ask and tell: aging evolution with a fixed lag, and random search.

Candidate n is asked from the results of candidates 1 … n - lag alone, told in any order and counted
in ask order. Each ask has a random stream of its own that follows from the seed and n. So the
history depends on seed, lag and results only: not on which worker was faster, and not on
interruptions, since telling the same results again brings a new Search to the same point.

Aging evolution: Real et al. (2019) as the paper uses it: a population of the newest candidates, a
tournament drawn with replacement, one morphism of the winner; the oldest leaves.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import Literal

from munas.arch import (
    Architecture,
    Sampling,
    Shape,
    Space,
    canonical,
    random_morphism,
    sample,
    sha256,
)
from munas.errors import BadInputError
from munas.search.candidate import Candidate, Evaluation, Result
from munas.search.objective import Objective
from munas.search.screen import Screen

Algorithm = Literal["aging-evolution", "random"]

# Draws until one is new and within the screened bounds; then the nearest miss is taken.
SAMPLE_DRAWS = 300
MORPHISM_DRAWS = 60


@dataclass(frozen=True)
class SearchSettings:
    """What a search's history follows from, besides the results that it is told."""

    input: Shape
    classes: int
    objective: Objective
    space: Space = "cnn"
    sampling: Sampling = "inclusive"
    algorithm: Algorithm = "aging-evolution"
    population: int = 100
    sample: int = 25
    rounds: int = 2000
    seed: int = 0
    lag: int = 1


@dataclass
class Search:
    """Ask for candidates, tell their evaluations.

    `screen` gives an architecture's distance from the bounds that need no training (0 within). With
    it, an ask draws until it finds one within and not asked before; without it (as in the paper)
    the first draw is taken.
    """

    settings: SearchSettings
    screen: Screen | None = None
    _asked: list[Candidate] = field(default_factory=list)
    _results: dict[int, Result] = field(default_factory=dict)
    _seen: set[str] = field(default_factory=set)
    _told: int = 0  # results 1 … _told are all there

    @property
    def asked(self) -> tuple[Candidate, ...]:
        return tuple(self._asked)

    @property
    def finished(self) -> bool:
        """Whether all rounds were asked for."""
        return len(self._asked) >= self.settings.rounds

    @property
    def can_ask(self) -> bool:
        """Whether the results that the next candidate depends on are there."""
        needed = len(self._asked) + 1 - self.settings.lag
        return not self.finished and self._told >= needed

    def ask(self) -> Candidate:
        """The next candidate.

        Raises BadInputError when it depends on results not told yet (see `can_ask`).
        """
        if not self.can_ask:
            raise BadInputError("The next candidate depends on results that are not told yet.")
        number = len(self._asked) + 1
        rng = self._stream(number)
        parent = self._parent(rng, number)
        candidate = self._draw(rng, number, parent)
        self._asked.append(candidate)
        self._seen.add(candidate.architecture_sha256)
        return candidate

    def contested(self) -> Candidate | None:
        """A candidate that has to be measured before the next one can be asked for, if any."""
        number = len(self._asked) + 1
        drawn = self._tournament(self._stream(number), number) if self.can_ask else None
        found = drawn and self.settings.objective.contested(*drawn)
        return found.candidate if found else None

    def tell(self, candidate: Candidate, evaluation: Evaluation) -> None:
        """Take the evaluation of an asked candidate, once."""
        number = candidate.candidate_id
        if number > len(self._asked) or self._asked[number - 1] != candidate:
            raise BadInputError(f"Candidate {number} was not asked for by this search.")
        if number in self._results:
            raise BadInputError(f"Candidate {number} has been told already.")
        self._results[number] = Result(candidate, evaluation)
        while self._told + 1 in self._results:
            self._told += 1

    def revise(self, candidate: Candidate, evaluation: Evaluation) -> None:
        """Replace what was told of a candidate; candidates asked from now on descend from that."""
        number = candidate.candidate_id
        if number not in self._results:
            raise BadInputError(f"Candidate {number} has not been told, so not revised either.")
        self._results[number] = Result(candidate, evaluation)

    def _stream(self, number: int) -> Random:
        return Random(f"munas:{self.settings.seed}:{number}")

    def _parent(self, rng: Random, number: int) -> Candidate | None:
        """The winner of a tournament; null while the population is being filled."""
        drawn = self._tournament(rng, number)
        return self.settings.objective.best(*drawn).candidate if drawn else None

    def _tournament(self, rng: Random, number: int) -> tuple[list[Result], dict[str, float]] | None:
        """Who takes part, and by which weights; null while the population is being filled."""
        settings = self.settings
        if settings.algorithm == "random" or number <= settings.population:
            return None
        usable = range(
            max(1, number - settings.lag - settings.population + 1), number - settings.lag + 1
        )
        population = [self._results[index] for index in usable]
        if not population:
            return None
        chosen = [rng.choice(population) for _ in range(settings.sample)]
        return chosen, settings.objective.draw_weights(rng)

    def _draw(self, rng: Random, number: int, parent: Candidate | None) -> Candidate:
        draws = SAMPLE_DRAWS if parent is None else MORPHISM_DRAWS
        nearest: tuple[float, Candidate] | None = None
        for _ in range(draws):
            candidate = self._draw_one(rng, number, parent)
            if self.screen is None:
                return candidate
            if candidate.architecture_sha256 in self._seen:
                continue
            distance = self.screen(candidate.architecture)
            if distance == 0:
                return candidate
            if nearest is None or distance < nearest[0]:
                nearest = distance, candidate
        # All draws were duplicates: the space around the parent is used up, a repeat is honest.
        return nearest[1] if nearest else self._draw_one(rng, number, parent)

    def _draw_one(self, rng: Random, number: int, parent: Candidate | None) -> Candidate:
        settings = self.settings
        if parent is None:
            drawn = sample(
                rng,
                settings.input,
                settings.classes,
                space=settings.space,
                sampling=settings.sampling,
            )
            return _candidate(number, canonical(drawn))
        morphism = random_morphism(parent.architecture, rng, settings.sampling)
        return _candidate(number, morphism.child, parent.candidate_id, morphism.name)


def _candidate(
    number: int,
    architecture: Architecture,
    parent_id: int | None = None,
    morphism: str | None = None,
) -> Candidate:
    return Candidate(number, architecture, sha256(architecture), parent_id, morphism)
