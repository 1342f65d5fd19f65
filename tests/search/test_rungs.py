"""Successive halving: who goes on, and that the history still follows from results alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from random import Random

import pytest

from munas.arch import assemble, channel_groups
from munas.cost import cost
from munas.errors import BadInputError
from munas.search import (
    Candidate,
    Evaluation,
    Objective,
    Result,
    Search,
    SearchSettings,
    cost_screen,
    expected,
)
from munas.search.rungs import in_order

Run = Callable[..., list[Candidate]]
BOUNDS = {"error": 0.5, "macs": 300_000.0}
SETTINGS = SearchSettings(
    input=(16, 16, 1),
    classes=10,
    objective=Objective(BOUNDS),
    population=6,
    sample=3,
    rounds=30,
    seed=3,
    lag=4,
    rungs=3,
    reduction=3,
)


def evaluate(candidate: Candidate) -> Evaluation:
    """Falls with MACs and with the rung; a seventh of the candidates fails."""
    if candidate.candidate_id % 7 == 0:
        return Evaluation("failed", rung=candidate.rung)
    macs = cost(expected(candidate)).macs
    error = 1 / (1 + macs / 50_000) / (1 + candidate.rung)
    return Evaluation("ok", {"error": error, "macs": macs}, rung=candidate.rung)


@pytest.fixture
def run(run_search: Run) -> Run:
    return partial(run_search, evaluate=evaluate)


def new_search(**changes: object) -> Search:
    settings = replace(SETTINGS, **changes)
    return Search(settings, cost_screen(settings.objective.bounds))


def test_one_in_three_goes_on_and_the_history_follows_from_results(run: Run):
    search = new_search()
    plain = run(search)
    assert search.finished
    at = [[c for c in plain if c.rung == rung] for rung in range(3)]
    assert len(at[0]) == 30
    good = sum(evaluate(c).status == "ok" for c in at[0])
    assert len(at[1]) == good // 3
    assert len(at[2]) == len(at[1]) // 3
    for seed in range(4):
        assert run(new_search(), Random(seed)) == plain


def test_a_candidate_goes_up_rung_by_rung_and_is_told_once_at_each(run: Run):
    search = new_search()
    asked = run(search)
    places = [(c.candidate_id, c.rung) for c in asked]
    assert len(set(places)) == len(places)
    for number, rung in places:
        if rung:
            assert places.index((number, rung - 1)) < places.index((number, rung))
            below = search.candidate(number, rung - 1)
            assert replace(search.candidate(number, rung), rung=rung - 1) == below
    with pytest.raises(BadInputError, match="told already"):
        search.tell(asked[0], evaluate(asked[0]))
    fresh = new_search()
    with pytest.raises(BadInputError, match="its evaluation is of rung 2"):
        fresh.tell(fresh.ask(), Evaluation("ok", {"error": 0.1}, rung=2))


def test_told_again_a_new_search_is_at_the_same_point(run: Run):
    asked = run(new_search())
    again = new_search()
    for candidate in asked[:23]:
        assert again.ask() == candidate
        again.tell(candidate, evaluate(candidate))
    assert again.ask() == asked[23]


def test_children_come_from_the_highest_rung_that_fills_a_tournament(run: Run):
    asked = run(new_search(rounds=60, population=15))
    rungs = {c.parent_rung for c in asked if c.parent_id is not None}
    assert rungs >= {0, 1}


def test_infeasible_ones_do_not_go_on():
    search = new_search(rounds=12, lag=1)
    while search.can_ask:
        candidate = search.ask()
        found = evaluate(candidate)
        outside = candidate.candidate_id <= 6
        values = dict(found.values) | ({"macs": 1e9} if outside else {})
        search.tell(candidate, replace(found, values=values))
    assert min(c.candidate_id for c in search.asked if c.rung) > 6


def result(number: int, error: float, macs: float) -> Result:
    candidate = Candidate(number, None, str(number))  # type: ignore[arg-type]
    return Result(candidate, Evaluation("ok", {"error": error, "macs": macs}))


def test_order_goes_by_layers_and_spreads_over_each():
    front = [(0.1, 300_000), (0.12, 290_000), (0.3, 50_000), (0.5, 1_000)]
    results = [result(i + 1, *point) for i, point in enumerate(front)]
    results.append(result(9, 0.5, 300_000))  # dominated by all but the last
    ordered = [r.candidate.candidate_id for r in in_order(results, BOUNDS)]
    assert ordered[:2] == [1, 4]  # the most accurate, then the other end of the front
    assert ordered[-1] == 9 and sorted(ordered) == [1, 2, 3, 4, 9]


def test_sparsity_is_inherited_with_a_step_and_screened_as_if_pruned(run: Run):
    search = new_search(sparsity=(0.1, 0.7), rungs=1)
    asked = run(search)
    by_id = {c.candidate_id: c for c in asked}
    assert all(c.sparsity is not None and 0.1 <= c.sparsity <= 0.7 for c in asked)
    steps = [c.sparsity - by_id[c.parent_id].sparsity for c in asked if c.parent_id is not None]
    assert steps and any(steps) and max(map(abs, steps)) < 0.25
    for candidate in asked:
        assert cost(expected(candidate)).macs <= BOUNDS["macs"]
        dense, thin = (
            sum(g.width for g in channel_groups(assemble(a)))
            for a in (candidate.architecture, expected(candidate))
        )
        assert thin < dense or dense == sum(
            g.least for g in channel_groups(assemble(candidate.architecture))
        )
