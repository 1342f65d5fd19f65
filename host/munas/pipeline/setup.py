"""What a search is made of, and what is refused before it begins.

A search that cannot come to anything is refused here, before a ledger is made.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from munas.cost import Cost, cost
from munas.errors import BadInputError
from munas.experiment import Experiment
from munas.latency import Choice, LatencyProvider
from munas.pipeline.revise import ScreenFor
from munas.search import (
    Objective,
    OutOfReachError,
    Screen,
    Search,
    SearchSettings,
    cost_screen,
    proposer_for,
    screened_values,
)


def check_bounds(experiment: Experiment) -> None:
    if not experiment.bounds.given():
        raise BadInputError(
            f"The experiment {experiment.name} bounds nothing.",
            "Give at least one bound, such as error = 0.2, in [bounds].",
        )
    spares = experiment.latency.measure == "undecided"
    if spares and experiment.search.algorithm in ("nsga2", "tpe"):
        raise BadInputError(
            f"The algorithm {experiment.search.algorithm} needs the latency of every candidate.",
            'Set latency.measure = "all".',
        )
    if spares and "arena_used_bytes" in experiment.bounds.given():
        raise BadInputError(
            "bounds.arena_used_bytes can only be checked by measuring every candidate.",
            'Set latency.measure = "all", or bound peak_memory_bytes instead.',
        )


def refuse_latency_bound(experiment: Experiment, choice: Choice) -> None:
    """MACs alone give no microseconds, so a bound on them could not be checked."""
    if "latency_us" in experiment.bounds.given():
        raise BadInputError(
            f"bounds.latency_us cannot be checked: {choice.reason}, and {choice.board} has no "
            "constants that turn MACs into microseconds.",
            "Bound macs instead, or attach the board.",
        )


def teacher_sha256_of(experiment: Experiment, dataset: Any) -> str | None:
    """The hash of the teacher's file; null without one. Raises BadInputError if it does not fit."""
    if experiment.distillation.teacher is None:
        return None
    from munas.train.teacher import load_teacher

    path = Path(experiment.distillation.teacher)
    load_teacher(path, dataset)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def with_absolute_teacher(experiment: Experiment) -> Experiment:
    """The experiment with its teacher's path whole, so that it is found from any folder."""
    if experiment.distillation.teacher is None:
        return experiment
    path = str(Path(experiment.distillation.teacher).expanduser().absolute())
    found = experiment.distillation.model_copy(update={"teacher": path})
    return experiment.model_copy(update={"distillation": found})


def require_reachable(
    experiment: Experiment, identity: Mapping[str, Any], provider: LatencyProvider
) -> None:
    """Raise BadInputError where no architecture within the bounds is found, before any ledger is.

    It says after how many tries, and which bounds the nearest architecture breaks by how much.
    """
    search = search_of(experiment, identity)
    search.screen = screen_of(experiment)(provider)
    try:
        search.ask()
    except OutOfReachError as none:
        bounds = experiment.bounds.given()
        values = _screened(cost(none.deployed), provider)
        broken = sorted(
            ((values[name] / bound, name) for name, bound in bounds.items() if name in values),
            reverse=True,
        )
        lines = [
            f"  {name} = {bounds[name]:,g}: the nearest has {values[name]:,g} "
            f"({ratio:,.3g} times as much)"
            for ratio, name in broken
            if ratio > 1
        ]
        raise BadInputError(
            f"No architecture within the bounds of {experiment.name} was found in "
            f"{none.tries:,} tries. What binds:\n" + "\n".join(lines),
            "Widen these bounds, or take smaller inputs.",
        ) from None


def search_of(experiment: Experiment, identity: Any) -> Search:
    """The search of a run with this identity, without a screen."""
    section = experiment.search
    settings = SearchSettings(
        input=tuple(identity["input"]),
        classes=identity["classes"],
        objective=Objective(experiment.bounds.given(), experiment.objective.kind),
        space=experiment.space.name,
        sampling=experiment.space.sampling,
        algorithm=section.algorithm,
        population=section.population,
        sample=section.sample,
        rounds=section.rounds,
        seed=identity["seed"],
        lag=identity["lag"],
        rungs=len(experiment.rungs),
        reduction=experiment.fidelity.reduction,
        sparsity=experiment.pruning.sparsity if experiment.pruning.enabled else None,
    )
    return Search(settings, proposer=proposer_for(settings))


def screen_of(experiment: Experiment) -> ScreenFor:
    """The search's screen under a provider; the paper's objective has soft bounds and no screen."""
    bounds = experiment.bounds.given()

    def screen_for(provider: LatencyProvider | None) -> Screen | None:
        if experiment.objective.kind == "chebyshev":
            return None

        return cost_screen(bounds, lambda costs: _derived(costs, provider))

    return screen_for


def _derived(costs: Cost, provider: LatencyProvider | None) -> dict[str, float]:
    """The latency, where it follows from the costs alone."""
    latency_us = None if provider is None else provider.screened_us(costs)
    return {} if latency_us is None else {"latency_us": latency_us}


def _screened(costs: Cost, provider: LatencyProvider) -> dict[str, float]:
    return screened_values(costs) | _derived(costs, provider)
