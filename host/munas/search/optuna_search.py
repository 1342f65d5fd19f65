"""NSGA-II and a Bayesian sampler (TPE) as proposers of architectures, through optuna.

Ask n follows from the seed, n and the results that it may see, and from nothing else: for every ask
the results are put into a new study in memory, and the sampler is seeded for that ask. So a history
repeats, a resumed run goes on with the same candidates, and results that were revised count as they
are now. Source of the samplers: optuna's NSGAIISampler (Deb et al., 2002) and its multi-objective
TPESampler (Ozaki et al., 2022).

optuna's NSGA-II mixes only genes that all trials have, so it needs the whole genome; TPE models
each gene from the trials that have it.
"""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any, Literal

from munas.arch import Architecture
from munas.errors import missing_extra
from munas.search.candidate import Evaluation, Result
from munas.search.genome_space import Choice, GenomeSpace, Range
from munas.search.objective import RATIO_CAP
from munas.search.screen import TOLERANCE

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.samplers import BaseSampler
    from optuna.study import Study
    from optuna.trial import FrozenTrial

Sampler = Literal["nsga2", "tpe"]

# Where optuna keeps what a trial's constraints came to; positive ones are violated.
_CONSTRAINTS = "constraints"


def require_optuna(algorithm: str) -> None:
    """Raise MissingExtraError unless optuna is installed."""
    if importlib.util.find_spec("optuna") is None:
        raise missing_extra("baselines", f'search.algorithm = "{algorithm}"')


@dataclass
class OptunaProposer:
    """Proposes architectures of `space` from results, by one of optuna's samplers.

    The objectives are the error and every bounded resource, each over its bound; the constraints
    are their excesses over the bounds. `population` is NSGA-II's.
    """

    sampler: Sampler
    space: GenomeSpace
    bounds: dict[str, float]
    population: int
    seed: int
    _trials: dict[int, tuple[Evaluation, int, FrozenTrial]] = field(default_factory=dict)
    _distributions: dict[Range | Choice, BaseDistribution] = field(default_factory=dict)

    def propose(self, number: int, results: Sequence[Result]) -> Iterator[Architecture]:
        """Endlessly many proposals for ask `number`, from results in the order of asking.

        Failed candidates teach nothing and are left out.
        """
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        study = self._study(number)
        known = [result for result in results if result.evaluation.status != "failed"]
        study.add_trials([self._trial(result, place) for place, result in enumerate(known)])
        while True:
            trial = study.ask()

            def ask(name: str, allowed: Range | Choice) -> Any:
                if isinstance(allowed, Range):
                    return trial.suggest_int(name, allowed.low, allowed.high, step=allowed.step)  # noqa: B023
                return trial.suggest_categorical(name, allowed.values)  # noqa: B023

            yield self.space.decode(ask)
            # Only what was evaluated is learned from.
            study.tell(trial, state=optuna.trial.TrialState.FAIL)

    def _study(self, number: int) -> Study:
        import optuna

        seed = Random(f"munas:{self.seed}:{number}:{self.sampler}").getrandbits(32)
        objectives = ["minimize"] * (1 + len(self._resources))
        return optuna.create_study(
            storage=optuna.storages.InMemoryStorage(),
            sampler=self._sampler(seed),
            directions=objectives,
        )

    def _sampler(self, seed: int) -> BaseSampler:
        from optuna.exceptions import ExperimentalWarning
        from optuna.samplers import NSGAIISampler, TPESampler

        def constraints(trial: FrozenTrial) -> Sequence[float]:
            kept: Sequence[float] = trial.system_attrs[_CONSTRAINTS]
            return kept

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            if self.sampler == "nsga2":
                return NSGAIISampler(
                    population_size=self.population, seed=seed, constraints_func=constraints
                )
            return TPESampler(seed=seed, constraints_func=constraints)

    @property
    def _resources(self) -> list[str]:
        return [name for name in self.bounds if name != "error"]

    def _trial(self, result: Result, place: int) -> FrozenTrial:
        """A result as a finished trial; `place` is how many results stand before it."""
        number, evaluation = result.candidate.candidate_id, result.evaluation
        kept = self._trials.get(number)
        if kept is None or kept[:2] != (evaluation, place):
            kept = evaluation, place, self._made(result, place)
            self._trials[number] = kept
        return kept[2]

    def _made(self, result: Result, place: int) -> FrozenTrial:
        from optuna.samplers import NSGAIISampler
        from optuna.trial import create_trial

        candidate, values = result.candidate, result.evaluation.values
        rng = Random(f"munas:{self.seed}:{candidate.candidate_id}:silent")
        genes = self.space.encode(candidate.architecture, rng)
        distributions: dict[str, BaseDistribution] = {}

        def ask(name: str, allowed: Range | Choice) -> Any:
            distributions[name] = self._distribution(allowed)
            return genes[name]

        self.space.decode(ask)
        # What was outside a bound before it was trained has no error.
        error = values.get("error", 1.0) / self.bounds.get("error", 1.0)
        ratios = [
            values.get(name, self.bounds[name]) / self.bounds[name] for name in self._resources
        ]
        bounded = [*ratios, error] if "error" in self.bounds else ratios
        excess = [ratio - 1.0 - TOLERANCE for ratio in bounded]
        attributes: dict[str, Any] = {_CONSTRAINTS: excess}
        if self.sampler == "nsga2":
            # As if the results had been asked for one after the other.
            attributes[NSGAIISampler._get_generation_key()] = place // self.population
        return create_trial(
            params=genes,
            distributions=distributions,
            values=[min(value, RATIO_CAP) for value in (error, *ratios)],
            system_attrs=attributes,
        )

    def _distribution(self, allowed: Range | Choice) -> BaseDistribution:
        """One object for each range, so that a study of many trials is quickly made."""
        from optuna.distributions import CategoricalDistribution, IntDistribution

        if allowed not in self._distributions:
            self._distributions[allowed] = (
                IntDistribution(allowed.low, allowed.high, step=allowed.step)
                if isinstance(allowed, Range)
                else CategoricalDistribution(allowed.values)
            )
        return self._distributions[allowed]
