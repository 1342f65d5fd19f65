"""Which proposer an algorithm has, made from a search's settings."""

from __future__ import annotations

from munas.search.genome_space import GenomeSpace
from munas.search.optuna_search import OptunaProposer, require_optuna
from munas.search.search import Algorithm, Proposer, SearchSettings


def require_algorithm(algorithm: Algorithm) -> None:
    """Raise MissingExtraError where an algorithm's package is not installed."""
    if algorithm in ("nsga2", "tpe"):
        require_optuna(algorithm)


def proposer_for(settings: SearchSettings) -> Proposer | None:
    """The proposer of the settings' algorithm; null for those that need none."""
    algorithm = settings.algorithm
    if algorithm not in ("nsga2", "tpe"):
        return None
    require_algorithm(algorithm)
    space = GenomeSpace(
        settings.input,
        settings.classes,
        settings.space,
        settings.sampling,
        whole=algorithm == "nsga2",
    )
    bounds = dict(settings.objective.bounds)
    return OptunaProposer(algorithm, space, bounds, settings.population, settings.seed).propose
