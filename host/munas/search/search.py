"""Search behind ask and tell: aging evolution with a fixed lag, random search, other proposers.

Ask n follows from the results of asks 1 … n - lag alone, told in any order and counted in ask
order. Each ask has a random stream of its own that follows from the seed and n. So the history
depends on seed, lag and results only: not on which worker was faster, and not on interruptions,
since telling the same results again brings a new Search to the same point.

Aging evolution: Real et al. (2019) as the paper uses it: a population of the newest candidates, a
tournament drawn with replacement, one morphism of the winner; the oldest leaves. Other algorithms
are proposers: behind the first, random population they say where the next architectures come from.

Where there are several rungs, an ask is a candidate that goes on to its next rung if there is one
that deserves it, else a new candidate; tournaments take place within the highest rung that has as
many members as they draw. When all candidates were asked for, asks wait for what may still go on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Literal

from munas.arch import (
    Architecture,
    Sampling,
    Shape,
    Space,
    canonical,
    evenly_thinned,
    random_morphism,
    sample,
    sha256,
)
from munas.errors import BadInputError
from munas.search.candidate import Candidate, Evaluation, Result
from munas.search.objective import Objective
from munas.search.reach import OutOfReachError, descend
from munas.search.rungs import in_order
from munas.search.screen import Screen

Algorithm = Literal["aging-evolution", "random", "nsga2", "tpe"]
# From the number of an ask and the results it may see, in the order of asking: what to try, first
# proposal first.
Proposer = Callable[[int, Sequence[Result]], Iterator[Architecture]]

# Draws until one is new and within the screened bounds. Then random candidates begin at the nearest
# miss and walk towards the bounds; of morphisms the nearest miss is taken.
SAMPLE_DRAWS = 300
MORPHISM_DRAWS = 60
PROPOSAL_DRAWS = 20
# By how much a child's sparsity differs from its parent's (standard deviation; the authors' code).
SPARSITY_STEP = 0.05


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
    rungs: int = 1
    reduction: int = 3
    sparsity: tuple[float, float] | None = None


@dataclass
class Search:
    """Ask for candidates, tell their evaluations.

    `screen` gives an architecture's distance from the bounds that need no training (0 within). With
    it, an ask draws until it finds one within and not asked before; without it (as in the paper)
    the first draw is taken. What will be pruned is screened as if it were already, evenly.
    `proposer` takes the place of tournaments and morphisms.
    """

    settings: SearchSettings
    screen: Screen | None = None
    proposer: Proposer | None = None
    _asked: list[Candidate] = field(default_factory=list)
    _news: list[Candidate] = field(default_factory=list)
    _places: dict[tuple[int, int], int] = field(default_factory=dict)  # (id, rung) → ask
    _results: dict[int, Result] = field(default_factory=dict)  # by ask
    _seen: set[tuple[str, float | None]] = field(default_factory=set)
    _told: int = 0  # results of asks 1 … _told are all there

    def __post_init__(self) -> None:
        algorithm = self.settings.algorithm
        if self.proposer is None and algorithm in ("nsga2", "tpe"):
            raise BadInputError(
                f"A search by {algorithm} needs a proposer.", "Give proposer_for(settings)."
            )

    @property
    def asked(self) -> tuple[Candidate, ...]:
        """All asks; a candidate that went on to further rungs is there once for each."""
        return tuple(self._asked)

    def candidate(self, candidate_id: int, rung: int = 0) -> Candidate:
        """The ask of a candidate at a rung."""
        return self._asked[self._places[candidate_id, rung] - 1]

    @property
    def finished(self) -> bool:
        """Whether nothing is left to ask for, whatever is told."""
        return self._next() == "nothing"

    @property
    def can_ask(self) -> bool:
        """Whether the results that the next ask depends on are there."""
        return self.next_id is not None

    @property
    def next_id(self) -> int | None:
        """The candidate of the next ask; null where there is none, or it is not known yet."""
        following = self._next()
        if isinstance(following, Candidate):
            return following.candidate_id
        return len(self._news) + 1 if following == "new" else None

    def ask(self) -> Candidate:
        """The next candidate.

        Raises BadInputError when it depends on results not told yet (see `can_ask`), and
        OutOfReachError when nothing within the screened bounds was found for the very first one.
        """
        following = self._next()
        if following in ("wait", "nothing"):
            raise BadInputError("The next candidate depends on results that are not told yet.")
        if isinstance(following, Candidate):
            return self._add(following)
        number = len(self._asked) + 1
        rng = self._stream(number)
        parent = self._parent(rng, number)
        candidate = self._draw(rng, len(self._news) + 1, parent)
        self._news.append(candidate)
        self._seen.add(_key(candidate))
        return self._add(candidate)

    def _add(self, candidate: Candidate) -> Candidate:
        self._asked.append(candidate)
        self._places[candidate.candidate_id, candidate.rung] = len(self._asked)
        return candidate

    def _next(self) -> Candidate | Literal["new", "wait", "nothing"]:
        """What the next ask is: a candidate that goes on, or a new one."""
        usable = max(0, len(self._asked) + 1 - self.settings.lag)
        if self._told < usable:
            return "wait"
        if (going_on := self._going_on(usable)) is not None:
            return going_on
        if len(self._news) < self.settings.rounds:
            return "new"
        if self.settings.rungs == 1:
            return "nothing"
        for more in range(usable + 1, len(self._asked) + 1):
            if self._told < more:
                return "wait"
            if (going_on := self._going_on(more)) is not None:
                return going_on
        return "nothing"

    def _going_on(self, usable: int) -> Candidate | None:
        """Who goes on by the results of asks 1 … usable; those of high rungs first."""
        settings = self.settings
        for rung in range(settings.rungs - 2, -1, -1):
            done = [
                result
                for result in self._results_at(rung, usable)
                if result.evaluation.status == "ok"
                and not result.evaluation.hopeless
                and not self._out_of_bounds(result)
            ]
            count = len(done) // settings.reduction
            gone = sum(number == rung + 1 for _, number in self._places)
            if count <= gone:
                continue
            for result in in_order(done, settings.objective.bounds)[:count]:
                candidate = result.candidate
                if (candidate.candidate_id, rung + 1) not in self._places:
                    return replace(candidate, rung=rung + 1)
        return None

    def _results_at(self, rung: int, usable: int) -> list[Result]:
        return [
            self._results[place]
            for (_, number), place in self._places.items()
            if number == rung and place <= usable
        ]

    def _out_of_bounds(self, result: Result) -> bool:
        objective = self.settings.objective
        if objective.kind == "chebyshev":
            return False
        return objective.violation(result.evaluation, without_error=True) > 0

    def contested(self) -> Candidate | None:
        """A candidate that has to be measured before the next one can be asked for, if any."""
        number = len(self._asked) + 1
        drawn = self._tournament(self._stream(number), number) if self.can_ask else None
        found = drawn and self.settings.objective.contested(*drawn)
        return found.candidate if found else None

    def tell(self, candidate: Candidate, evaluation: Evaluation) -> None:
        """Take the evaluation of an asked candidate, once at each rung."""
        place = self._place(candidate)
        if evaluation.rung != candidate.rung:
            raise BadInputError(
                f"Candidate {candidate.candidate_id} was asked for at rung {candidate.rung}, but "
                f"its evaluation is of rung {evaluation.rung}."
            )
        if place in self._results:
            raise BadInputError(f"Candidate {candidate.candidate_id} has been told already.")
        self._results[place] = Result(candidate, evaluation)
        while self._told + 1 in self._results:
            self._told += 1

    def revise(self, candidate: Candidate, evaluation: Evaluation) -> None:
        """Replace what was told of a candidate; candidates asked from now on descend from that."""
        place = self._place(candidate)
        if place not in self._results:
            raise BadInputError(
                f"Candidate {candidate.candidate_id} has not been told, so not revised either."
            )
        self._results[place] = Result(candidate, evaluation)

    def _place(self, candidate: Candidate) -> int:
        place = self._places.get((candidate.candidate_id, candidate.rung))
        if place is None or self._asked[place - 1] != candidate:
            raise BadInputError(
                f"Candidate {candidate.candidate_id} was not asked for by this search."
            )
        return place

    def _stream(self, number: int) -> Random:
        return Random(f"munas:{self.settings.seed}:{number}")

    def _parent(self, rng: Random, number: int) -> Candidate | None:
        """The winner of a tournament; null while the population is being filled."""
        drawn = self._tournament(rng, number)
        return self.settings.objective.best(*drawn).candidate if drawn else None

    def _tournament(self, rng: Random, number: int) -> tuple[list[Result], dict[str, float]] | None:
        """Who takes part, and by which weights; null while the population is being filled."""
        settings = self.settings
        filled = len(self._news) >= settings.population
        if settings.algorithm != "aging-evolution" or not filled:
            return None
        population = self._population(number - settings.lag)
        if not population:
            return None
        chosen = [rng.choice(population) for _ in range(settings.sample)]
        return chosen, settings.objective.draw_weights(rng)

    def _population(self, usable: int) -> list[Result]:
        """Results of the newest candidates, at the highest rung that has enough of them."""
        settings = self.settings
        at: list[Result] = []
        known = [c.candidate_id for c in self._asked[: max(0, usable)] if c.rung == 0]
        newest = known[-settings.population :]
        for rung in range(settings.rungs - 1, -1, -1):
            places = (self._places.get((number, rung)) for number in newest)
            at = [self._results[p] for p in places if p is not None and p <= usable]
            if len(at) >= settings.sample:
                break
        return at

    def _draw(self, rng: Random, number: int, parent: Candidate | None) -> Candidate:
        draws = SAMPLE_DRAWS if parent is None else MORPHISM_DRAWS
        proposals = self._proposals(number)
        if proposals is not None:
            draws = PROPOSAL_DRAWS
        nearest: tuple[float, Candidate] | None = None
        for _ in range(draws):
            candidate = self._draw_one(rng, number, parent, proposals)
            if self.screen is None:
                return candidate
            if _key(candidate) in self._seen:
                continue
            distance = self._distance(candidate)
            if distance == 0:
                return candidate
            if nearest is None or distance < nearest[0]:
                nearest = distance, candidate
        # All draws were duplicates: the space around the parent is used up, a repeat is honest.
        if nearest is None:
            return self._draw_one(rng, number, parent, proposals)
        drawn_at_random = parent is None and proposals is None
        return self._walk(rng, nearest[1]) if drawn_at_random else nearest[1]

    def _walk(self, rng: Random, start: Candidate) -> Candidate:
        """From the nearest random architecture into the bounds, morphism by morphism."""
        found = descend(
            start.architecture,
            lambda architecture: self._distance(replace(start, architecture=architecture)),
            rng,
            self.settings.sampling,
        )
        if found.distance > 0 and not self._news:
            nearest = expected(replace(start, architecture=found.architecture))
            raise OutOfReachError(nearest, SAMPLE_DRAWS + found.tries)
        return replace(
            start,
            architecture=found.architecture,
            architecture_sha256=sha256(found.architecture),
        )

    def _distance(self, candidate: Candidate) -> float:
        assert self.screen is not None
        return self.screen(expected(candidate))

    def _proposals(self, number: int) -> Iterator[Architecture] | None:
        """What the proposer proposes; null without one and while the population is being filled."""
        if self.proposer is None or number <= self.settings.population:
            return None
        usable = len(self._asked) + 1 - self.settings.lag
        return self.proposer(number, self._results_at(0, usable))

    def _draw_one(
        self,
        rng: Random,
        number: int,
        parent: Candidate | None,
        proposals: Iterator[Architecture] | None,
    ) -> Candidate:
        settings = self.settings
        if proposals is not None:
            architecture = canonical(next(proposals))
            return Candidate(
                number, architecture, sha256(architecture), sparsity=self._sparsity(rng)
            )
        if parent is None:
            drawn = sample(
                rng,
                settings.input,
                settings.classes,
                space=settings.space,
                sampling=settings.sampling,
            )
            architecture = canonical(drawn)
            return Candidate(
                number, architecture, sha256(architecture), sparsity=self._sparsity(rng)
            )
        morphism = random_morphism(parent.architecture, rng, settings.sampling)
        return Candidate(
            number,
            morphism.child,
            sha256(morphism.child),
            parent.candidate_id,
            morphism.name,
            self._child_sparsity(rng, parent),
            parent_rung=parent.rung,
        )

    def _sparsity(self, rng: Random) -> float | None:
        bounds = self.settings.sparsity
        return None if bounds is None else rng.uniform(*bounds)

    def _child_sparsity(self, rng: Random, parent: Candidate) -> float | None:
        if self.settings.sparsity is None or parent.sparsity is None:
            return None
        low, high = self.settings.sparsity
        return min(high, max(low, parent.sparsity + rng.gauss(0, SPARSITY_STEP)))


def expected(candidate: Candidate) -> Architecture:
    """What is expected to be deployed: the architecture, thinned where it will be pruned."""
    if candidate.sparsity is None:
        return candidate.architecture
    return evenly_thinned(candidate.architecture, candidate.sparsity)


def _key(candidate: Candidate) -> tuple[str, float | None]:
    """What makes two candidates the same; sparsities that differ by less than a step are."""
    sparsity = candidate.sparsity
    return candidate.architecture_sha256, None if sparsity is None else round(sparsity, 2)
