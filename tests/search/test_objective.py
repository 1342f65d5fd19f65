"""Objectives: order of candidates under bounds."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from munas.arch import sample, sha256
from munas.errors import BadInputError
from munas.search import Candidate, Evaluation, Objective, Result

ARCHITECTURE = sample(Random(0), (8, 8, 1), 10)
BOUNDS = {"error": 0.2, "macs": 1000.0, "latency_us": 50.0}


def result(number: int, status: str = "ok", rung: int = 0, source: str = "mac", **values: float):
    candidate = Candidate(number, ARCHITECTURE, sha256(ARCHITECTURE))
    sources = {"latency_us": source} if "latency_us" in values else {}
    return Result(candidate, Evaluation(status, values, sources, rung))  # type: ignore[arg-type]


def winner(kind: str, *results: Result) -> int:
    objective = Objective(BOUNDS, kind)  # type: ignore[arg-type]
    weights = dict.fromkeys(BOUNDS, 1.0)
    return objective.best(results, weights).candidate.candidate_id


def test_feasible_beats_infeasible_however_good_its_error():
    good = result(1, error=0.01, macs=1001)
    inside = result(2, error=0.199, macs=999)
    assert winner("feasible-first", good, inside) == 2


def test_within_resources_but_inaccurate_beats_outside_resources():
    inaccurate = result(1, error=0.9, macs=10)
    outside = result(2, status="infeasible", macs=1010)
    assert winner("feasible-first", outside, inaccurate) == 1


def test_among_infeasible_the_smaller_violation_wins():
    assert (
        winner(
            "feasible-first",
            result(1, status="infeasible", macs=5000),
            result(2, status="infeasible", macs=1500),
        )
        == 2
    )


def test_failed_is_last_in_both_objectives():
    for kind in ("feasible-first", "chebyshev"):
        assert winner(kind, result(1, status="failed"), result(2, error=1.0, macs=1e9)) == 2


def test_chebyshev_is_the_papers_formula():
    """fitness = max_i min(f_i / b_i, 10) / lambda_i, smaller is better."""
    objective = Objective(BOUNDS, "chebyshev")
    weights = {"error": 0.5, "macs": 0.25, "latency_us": 1.0}
    evaluation = result(1, error=0.1, macs=500, latency_us=10).evaluation
    assert objective.key(evaluation, weights) == (0, max(0.5 / 0.5, 0.5 / 0.25, 0.2))
    capped = result(1, error=0.1, macs=1e9, latency_us=10).evaluation
    assert objective.key(capped, weights) == (0, 10 / 0.25)


def test_chebyshev_ignores_feasibility():
    """The paper's bounds are soft: a small excess can beat a bad fit within."""
    outside = result(1, error=0.02, macs=1100, latency_us=5)
    inside = result(2, error=0.2, macs=999, latency_us=50)
    objective = Objective(BOUNDS, "chebyshev")
    weights = {"error": 0.1, "macs": 1.0, "latency_us": 1.0}
    assert objective.best([outside, inside], weights).candidate.candidate_id == 1


def test_equal_candidates_are_decided_by_ask_order():
    assert winner("feasible-first", result(2, error=0.1), result(1, error=0.1)) == 1


def test_exactly_on_a_bound_is_within():
    objective = Objective({"error": 0.3}, "feasible-first")
    assert objective.violation(Evaluation("ok", {"error": 1 - 0.7})) == 0


def test_sources_are_never_mixed():
    with pytest.raises(BadInputError, match="different sources"):
        winner(
            "feasible-first",
            result(1, error=0.1, latency_us=10, source="mac"),
            result(2, error=0.1, latency_us=10, source="emulated"),
        )


def test_rungs_are_never_mixed():
    with pytest.raises(BadInputError, match="rungs"):
        winner("feasible-first", result(1, error=0.1), result(2, rung=1, error=0.1))


@given(st.lists(st.floats(0.001, 1), min_size=2, max_size=8), st.integers(0, 9))
def test_weights_are_positive_and_the_winner_is_minimal(errors: list[float], seed: int):
    objective = Objective(BOUNDS)
    weights = objective.draw_weights(Random(seed))
    assert set(weights) == set(BOUNDS) and all(0 < w <= 1 for w in weights.values())
    results = [result(i + 1, error=e, macs=10, latency_us=1) for i, e in enumerate(errors)]
    best = objective.best(results, weights)
    keys = [objective.key(r.evaluation, weights) for r in results]
    assert objective.key(best.evaluation, weights) == min(keys)
