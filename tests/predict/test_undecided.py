"""`latency.measure = "undecided"`: what is not measured changes no rank, whatever it would give."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from munas.arch import sample, sha256
from munas.errors import BadInputError
from munas.search import Candidate, Evaluation, Objective, Result

ARCHITECTURE = sample(Random(0), (8, 8, 1), 10)
BOUNDS = {"error": 0.2, "macs": 1000.0, "latency_us": 50.0}
KINDS = ("feasible-first", "chebyshev")


def result(number: int, status: str, span: tuple[float, float] | None, **values: float) -> Result:
    source = "predicted" if span else "emulated"
    evaluation = Evaluation(
        status,  # type: ignore[arg-type]
        values,
        {"latency_us": source},
        span_us=span,
    )
    return Result(Candidate(number, ARCHITECTURE, sha256(ARCHITECTURE)), evaluation)


def measured(one: Result, latency_us: float) -> Result:
    """The result once it was measured."""
    values = {**one.evaluation.values, "latency_us": latency_us}
    found = Evaluation(one.evaluation.status, values, {"latency_us": "emulated"})
    return Result(one.candidate, found)


@st.composite
def populations(draw: st.DrawFn) -> list[Result]:
    found = []
    for number in range(1, draw(st.integers(2, 6)) + 1):
        latency = draw(st.floats(1, 120))
        width = draw(st.sampled_from([0.0, 0.0, 0.02, 0.1, 0.4]))
        # As when a candidate is spared: surely within the bound, or surely not.
        low, high = latency * (1 - width), latency * (1 + width)
        spared = width > 0 and (high <= 50 or low > 50)
        infeasible = latency > 50 and draw(st.booleans())
        values = {"macs": draw(st.sampled_from([500.0, 900.0, 1100.0])), "latency_us": latency}
        if not infeasible:
            values["error"] = draw(st.sampled_from([0.05, 0.1, 0.19, 0.3, 0.5]))
        status = "infeasible" if infeasible else "ok"
        found.append(result(number, status, (low, high) if spared else None, **values))
    return found


def ends(one: Result) -> tuple[float, float]:
    found = one.evaluation
    return found.span_us or (found.values["latency_us"], found.values["latency_us"])


@settings(max_examples=300)
@given(populations(), st.integers(0, 99), st.sampled_from(KINDS), st.data())
def test_a_winner_that_is_known_wins_whatever_measuring_gives(
    population: list[Result], seed: int, kind: Any, data: st.DataObject
) -> None:
    objective = Objective(BOUNDS, kind)
    weights = objective.draw_weights(Random(seed))
    if objective.contested(population, weights) is not None:
        with pytest.raises(BadInputError, match="were not measured"):
            objective.best(population, weights)
        return
    winner = objective.best(population, weights).candidate
    for _ in range(5):
        all_measured = [
            measured(one, data.draw(st.sampled_from(ends(one)) | st.floats(*ends(one))))
            for one in population
        ]
        assert objective.best(all_measured, weights).candidate == winner


@settings(max_examples=300)
@given(populations(), st.integers(0, 99), st.sampled_from(KINDS))
def test_nothing_is_measured_that_decides_nothing(
    population: list[Result], seed: int, kind: Any
) -> None:
    """Where the winner is called open, there are latencies within the spans by which it differs."""
    objective = Objective(BOUNDS, kind)
    weights = objective.draw_weights(Random(seed))
    wanted = objective.contested(population, weights)
    if wanted is None:
        return
    assert wanted.evaluation.span_us is not None
    winners = {
        objective.best(
            [measured(one, ends(one)[one is not low]) for one in population], weights
        ).candidate.candidate_id
        for low in (None, *population)
    }
    assert len(winners) > 1


@given(populations(), st.integers(0, 99), st.sampled_from(KINDS))
def test_measuring_what_is_named_ends_and_gives_the_true_winner(
    population: list[Result], seed: int, kind: Any
) -> None:
    objective = Objective(BOUNDS, kind)
    weights = objective.draw_weights(Random(seed))
    truth = [measured(one, one.evaluation.values["latency_us"]) for one in population]
    known = list(population)
    for _ in range(len(population) + 1):
        wanted = objective.contested(known, weights)
        if wanted is None:
            break
        index = known.index(wanted)
        known[index] = truth[index]
    best = objective.best(known, weights).candidate
    assert best == objective.best(truth, weights).candidate


def test_values_without_a_span_still_do_not_mix() -> None:
    objective = Objective(BOUNDS)
    weights = dict.fromkeys(BOUNDS, 1.0)
    spared = result(1, "ok", (9.0, 11.0), error=0.1, macs=10, latency_us=10.0)
    final = Result(
        Candidate(2, ARCHITECTURE, sha256(ARCHITECTURE)),
        Evaluation("ok", {"error": 0.1, "macs": 10, "latency_us": 10.0}, {"latency_us": "mac"}),
    )
    other = result(3, "ok", None, error=0.1, macs=10, latency_us=10.0)
    objective.contested([spared, other], weights)
    with pytest.raises(BadInputError, match="different sources"):
        objective.best([spared, final, other], weights)
