"""Ask and tell: the fixed lag, reproducibility, screening, duplicates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from random import Random

import pytest

from munas.cost import cost
from munas.errors import BadInputError
from munas.search import (
    Candidate,
    Evaluation,
    Objective,
    OutOfReachError,
    Search,
    SearchSettings,
    cost_screen,
)

Run = Callable[..., list[Candidate]]
BOUNDS = {"error": 0.5, "macs": 300_000.0, "model_size_bytes": 40_000.0}
SETTINGS = SearchSettings(
    input=(16, 16, 1),
    classes=10,
    objective=Objective(BOUNDS),
    population=6,
    sample=3,
    rounds=24,
    seed=3,
    lag=4,
)


def evaluate(candidate: Candidate) -> Evaluation:
    """A made-up but deterministic error that falls with MACs."""
    costs = cost(candidate.architecture)
    error = 1 / (1 + costs.macs / 100_000)
    values = {"error": error, "macs": costs.macs, "model_size_bytes": costs.model_size_bytes}
    return Evaluation("ok", values)


@pytest.fixture
def run(run_search: Run) -> Run:
    return partial(run_search, evaluate=evaluate)


def new_search(**changes: object) -> Search:
    settings = replace(SETTINGS, **changes)
    return Search(settings, cost_screen(settings.objective.bounds))


def test_history_does_not_depend_on_the_order_of_telling(run: Run):
    plain = run(new_search())
    assert len(plain) == 24
    for seed in range(5):
        assert run(new_search(), Random(seed)) == plain


def test_history_depends_on_seed_and_lag(run: Run):
    plain = run(new_search())
    assert run(new_search(seed=4)) != plain
    assert run(new_search(lag=2)) != plain


def test_at_most_lag_candidates_are_in_flight():
    search = new_search(lag=3)
    asked = [search.ask() for _ in range(3)]
    assert not search.can_ask
    search.tell(asked[2], evaluate(asked[2]))
    assert not search.can_ask, "candidate 4 depends on candidate 1"
    with pytest.raises(BadInputError, match="not told yet"):
        search.ask()
    search.tell(asked[0], evaluate(asked[0]))
    assert search.can_ask


def test_a_search_told_again_goes_on_alike(run: Run):
    """What resume does: replay what is known, then go on."""
    plain = run(new_search())
    again = new_search()
    for _ in range(13):
        candidate = again.ask()
        again.tell(candidate, evaluate(candidate))
    assert run(again) == plain


def test_parents_come_from_the_population_of_the_newest(run: Run):
    for candidate in run(new_search()):
        if candidate.candidate_id <= SETTINGS.population:
            assert candidate.parent_id is None and candidate.morphism is None
        else:
            newest = candidate.candidate_id - SETTINGS.lag
            assert candidate.parent_id is not None and candidate.morphism
            assert newest - SETTINGS.population < candidate.parent_id <= newest


def test_screened_candidates_are_within_the_bounds_and_new(run: Run):
    asked = run(new_search())
    assert len({c.architecture_sha256 for c in asked}) == len(asked)
    for candidate in asked:
        costs = cost(candidate.architecture)
        assert costs.macs <= BOUNDS["macs"]
        assert costs.model_size_bytes <= BOUNDS["model_size_bytes"]


def test_bounds_that_nothing_meets_are_told_after_how_many_tries():
    search = new_search(objective=Objective({"error": 0.5, "macs": 1.0}), rounds=2)
    with pytest.raises(OutOfReachError, match=r"in 1,800 tries") as told:
        search.ask()
    assert cost(told.value.deployed).macs < 20_000  # it went as near as it could
    assert search.asked == ()


def test_bounds_that_no_random_architecture_meets_are_walked_to():
    bounds = {"model_size_bytes": 900.0, "peak_memory_bytes": 600.0, "macs": 1e6}
    search = new_search(objective=Objective(bounds), rounds=3)
    asked = [search.ask() for _ in range(1)]
    found = cost(asked[0].architecture)
    assert found.model_size_bytes <= 900 and found.peak_memory_bytes <= 600
    assert asked[0].parent_id is None


def test_without_a_screen_the_first_draw_is_taken(run: Run):
    """Paper-compatible: nothing is rejected."""
    settings = replace(SETTINGS, objective=Objective(BOUNDS, "chebyshev"), sampling="paper")
    asked = run(Search(settings))
    assert any(cost(c.architecture).macs > BOUNDS["macs"] for c in asked)


def test_random_search_has_no_parents(run: Run):
    assert all(c.parent_id is None for c in run(new_search(algorithm="random")))


def test_evolution_improves_on_its_initial_population(run: Run):
    """Error falls with MACs here, so selection must move towards more MACs than chance draws."""
    asked = run(new_search(rounds=120, population=20, sample=8))
    errors = [evaluate(c).values["error"] for c in asked]
    assert sum(errors[-20:]) / 20 < sum(errors[:20]) / 20


def test_telling_twice_or_telling_a_stranger_is_refused():
    search = new_search()
    candidate = search.ask()
    search.tell(candidate, evaluate(candidate))
    with pytest.raises(BadInputError, match="already"):
        search.tell(candidate, evaluate(candidate))
    with pytest.raises(BadInputError, match="not asked"):
        search.tell(replace(candidate, candidate_id=2), evaluate(candidate))


def test_mlp_space(run: Run):
    asked = run(new_search(space="mlp", objective=Objective({"error": 0.9, "macs": 1e9})))
    assert {type(c.architecture).__name__ for c in asked} == {"MlpArchitecture"}
