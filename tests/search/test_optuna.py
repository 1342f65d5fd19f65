"""NSGA-II and TPE behind ask and tell: repeatable, screened, and learning from results."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from random import Random
from statistics import mean

import pytest

from munas.arch import Architecture, MlpArchitecture, canonical, sample, sha256
from munas.cost import cost
from munas.errors import BadInputError, MissingExtraError
from munas.search import (
    Candidate,
    Evaluation,
    Objective,
    Result,
    Search,
    SearchSettings,
    cost_screen,
    proposer_for,
)
from munas.search.genome_space import GenomeSpace
from munas.search.optuna_search import OptunaProposer, Sampler

pytest.importorskip("optuna")

Run = Callable[..., list[Candidate]]
BOUNDS = {"error": 0.5, "macs": 40_000.0, "model_size_bytes": 40_000.0}
SETTINGS = SearchSettings(
    input=(8, 8, 1),
    classes=10,
    objective=Objective(BOUNDS),
    space="mlp",
    population=5,
    sample=3,
    rounds=14,
    seed=3,
    lag=3,
)


def evaluate(candidate: Candidate) -> Evaluation:
    """A made-up error that falls with MACs; every fifth fails, as a diverged training does."""
    costs = cost(candidate.architecture)
    if candidate.candidate_id % 5 == 0:
        return Evaluation("failed")
    values = {"macs": costs.macs, "model_size_bytes": costs.model_size_bytes}
    return Evaluation("ok", {"error": 1 / (1 + costs.macs / 10_000), **values})


def new_search(algorithm: str, **changes: object) -> Search:
    settings = replace(SETTINGS, algorithm=algorithm, **changes)  # type: ignore[arg-type]
    hard = settings.objective.kind == "feasible-first"
    return Search(settings, cost_screen(BOUNDS) if hard else None, proposer_for(settings))


@pytest.fixture
def run(run_search: Run) -> Run:
    return partial(run_search, evaluate=evaluate)


@pytest.mark.parametrize("algorithm", ["nsga2", "tpe"])
def test_a_history_repeats_whatever_the_order_of_telling(run: Run, algorithm: str):
    plain = run(new_search(algorithm))
    assert run(new_search(algorithm), Random(1)) == plain
    assert run(new_search(algorithm, seed=4)) != plain
    assert all(candidate.parent_id is None for candidate in plain)


@pytest.mark.parametrize("algorithm", ["nsga2", "tpe"])
def test_a_search_told_again_goes_on_alike(run: Run, algorithm: str):
    """What resume does: replay what is known, then go on."""
    plain = run(new_search(algorithm))
    again = new_search(algorithm)
    for candidate in plain[:9]:
        assert again.ask() == candidate
        again.tell(candidate, evaluate(candidate))
    assert run(again) == plain


@pytest.mark.parametrize("algorithm", ["nsga2", "tpe"])
def test_the_first_population_is_that_of_the_other_algorithms(run: Run, algorithm: str):
    asked, drawn = run(new_search(algorithm)), run(new_search("random"))
    assert asked[:5] == drawn[:5] and asked[5:] != drawn[5:]


def test_proposals_are_within_the_screen_and_new(run: Run):
    asked = run(new_search("nsga2"))
    screen = cost_screen(BOUNDS)
    assert all(screen(candidate.architecture) == 0 for candidate in asked)
    assert len({candidate.architecture_sha256 for candidate in asked}) == len(asked)


def test_the_soft_objective_screens_nothing(run: Run):
    asked = run(new_search("nsga2", objective=Objective(BOUNDS, "chebyshev")))
    assert any(cost_screen(BOUNDS)(candidate.architecture) > 0 for candidate in asked)


def results(architectures: Sequence[Architecture], errors: Sequence[float]) -> list[Result]:
    found = []
    for number, (architecture, error) in enumerate(zip(architectures, errors, strict=True), 1):
        candidate = Candidate(number, architecture, sha256(architecture))
        found.append(Result(candidate, Evaluation("ok", {"error": error, "macs": 1000.0})))
    return found


def proposer(sampler: Sampler, space: GenomeSpace, population: int) -> OptunaProposer:
    return OptunaProposer(sampler, space, {"error": 1.0, "macs": 2000.0}, population, seed=1)


def mlps(count: int) -> list[Architecture]:
    """One to seven layers in turn, of random widths."""
    rng = Random(0)
    return [
        MlpArchitecture((8, 8, 1), 10, tuple(rng.randint(10, 256) for _ in range(1 + n % 7)))
        for n in range(count)
    ]


def test_nsga2_mixes_the_genes_of_the_last_generation():
    space = GenomeSpace((32, 1, 3), 6, "cnn1d")
    parents = [
        canonical(sample(Random(n), space.input, 6, space="cnn1d", sampling="inclusive"))
        for n in range(4)
    ]
    known = results(parents, [0.1, 0.2, 0.3, 0.4])
    proposals = proposer("nsga2", space, 4).propose(5, known)
    pools = [space.encode(p, Random(f"munas:1:{n}:silent")) for n, p in enumerate(parents, 1)]
    inherited = []
    for _ in range(5):
        for index, block in enumerate(next(proposals).blocks):  # type: ignore[attr-defined]
            if block.layers[0].filters is not None:
                known_ones = {pool[f"b{index}.l0.filters"] for pool in pools}
                inherited.append(block.layers[0].filters in known_ones)
    # Drawn at random, one in thirty would be.
    assert len(inherited) > 5 and mean(inherited) > 0.9


def test_tpe_proposes_what_is_like_the_best():
    space = GenomeSpace((8, 8, 1), 10, "mlp", whole=False)
    architectures = mlps(28)
    errors = [0.1 if len(one.dense) == 2 else 0.9 for one in architectures]
    proposals = proposer("tpe", space, 5).propose(29, results(architectures, errors))
    depths = [len(next(proposals).dense) for _ in range(8)]
    assert mean(depths) < 3.2, "a random depth is 4 on average"


def test_results_that_were_revised_count_as_they_are_now():
    space = GenomeSpace((8, 8, 1), 10, "mlp", whole=False)
    architectures = mlps(12)
    made = proposer("tpe", space, 5)
    first = [next(made.propose(13, results(architectures, [0.1 * n for n in range(12)])))]
    turned = results(architectures, [1.2 - 0.1 * n for n in range(12)])
    again = [next(made.propose(13, turned))]
    fresh = [next(proposer("tpe", space, 5).propose(13, turned))]
    assert first != again == fresh


def test_a_search_without_its_proposer_is_refused():
    with pytest.raises(BadInputError, match="needs a proposer"):
        Search(replace(SETTINGS, algorithm="tpe"))


def test_without_optuna_the_extra_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError) as fault:
        new_search("tpe")
    assert "munas[baselines]" in fault.value.mend
