"""Feasibility, the front, and the candidates table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from munas.errors import LedgerError
from munas.store import COLUMNS, CandidateRow, FinalRow, Ledger, ResultRow, pareto_front
from munas.store.views import given_bounds, is_feasible, on_front

Candidates = Callable[..., CandidateRow]
Results = Callable[..., ResultRow]
Vectors = list[tuple[float, ...]]

# As `munas export` has promised since the first version.
CONTRACT = [
    "candidate_id",
    "architecture_sha256",
    "parent_id",
    "morphism",
    "status",
    "rung",
    "epochs",
    "val_accuracy_int8",
    "test_accuracy_int8",
    "latency_us",
    "latency_source",
    "arena_used_bytes",
    "arena_source",
    "peak_memory_bytes",
    "model_size_bytes",
    "flash_bytes",
    "macs",
    "feasible",
    "on_front",
    "board",
    "engine",
    "error",
    "created_at",
    "val_accuracy_float",
    "sparsity",
]


def dominates(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return one != other and all(a <= b for a, b in zip(one, other, strict=True))


@given(
    st.integers(1, 4).flatmap(
        lambda size: st.lists(st.tuples(*[st.integers(0, 4).map(float)] * size), max_size=30)
    )
)
def test_pareto_front_against_brute_force(vectors: Vectors) -> None:
    brute = [not any(dominates(other, vector) for other in vectors) for vector in vectors]
    assert pareto_front(vectors) == brute


def test_equal_vectors_are_on_the_front_together() -> None:
    assert pareto_front([(1, 2), (2, 1), (1, 2), (2, 2)]) == [True, True, True, False]
    assert pareto_front([]) == []


def row(
    accuracy: float | None = 0.9, latency_us: int | None = 100, **values: Any
) -> dict[str, Any]:
    defaults = {
        "status": "ok",
        "rung": 0,
        "val_accuracy_int8": accuracy,
        "latency_us": latency_us,
        "latency_source": "emulated",
        "arena_used_bytes": 1000,
        "arena_source": "emulated",
        "peak_memory_bytes": 1000,
        "model_size_bytes": 1000,
        "flash_bytes": 1000,
        "macs": 1000,
    }
    return {**defaults, **values}


RESOURCES = [name for name in row() if name in COLUMNS and name.endswith(("_us", "macs", "_bytes"))]


@pytest.mark.parametrize("name", RESOURCES)
def test_resource_bounds_include_their_limit(name: str) -> None:
    assert is_feasible(row(**{name: 50}), {name: 50})
    assert not is_feasible(row(**{name: 51}), {name: 50})
    assert not is_feasible(row(**{name: None}), {name: 50})


@given(st.integers(1, 999))
def test_error_bound_includes_its_limit(thousandths: int) -> None:
    accuracy, bound = thousandths / 1000, (1000 - thousandths) / 1000
    assert is_feasible(row(accuracy), {"error": bound})
    assert not is_feasible(row(accuracy - 1e-6), {"error": bound})
    assert not is_feasible(row(None), {"error": bound})


@pytest.mark.parametrize("status", ["infeasible", "failed"])
def test_only_ok_rows_are_feasible(status: str) -> None:
    assert not is_feasible(row(status=status), {})


def test_absent_bounds_do_not_bind() -> None:
    assert given_bounds({}) == {}
    assert given_bounds({"bounds": {"macs": None, "error": 0.2}}) == {"error": 0.2}


def test_unknown_bound_is_refused() -> None:
    with pytest.raises(LedgerError, match="`energy_uj`"):
        given_bounds({"bounds": {"energy_uj": 5}})


def test_front_ranks_error_latency_and_macs() -> None:
    rows = [row(0.9, 100), row(0.8, 50), row(0.8, 60), row(0.7, 60, macs=1), row(0.95, 10, macs=1)]
    assert on_front(rows[:4], {}) == [True, True, False, True]
    assert on_front(rows, {}) == [False, False, False, False, True]


@pytest.mark.parametrize("name", ["arena_used_bytes", "peak_memory_bytes", "flash_bytes"])
def test_front_ranks_other_resources_only_where_bounded(name: str) -> None:
    rows = [row(0.9), row(0.8, **{name: 1})]
    assert on_front(rows, {}) == [True, False]
    assert on_front(rows, {name: 5000}) == [True, True]


def test_infeasible_rows_neither_are_on_the_front_nor_push_others_off() -> None:
    rows = [row(0.9), row(0.95, macs=9000), row(0.99, status="failed")]
    assert on_front(rows, {"macs": 5000, "latency_us": 500}) == [True, False, False]


def test_sources_are_not_ranked_together() -> None:
    rows = [
        row(0.9, 100, latency_source="silicon"),
        row(0.9, 1, latency_source="predicted"),
        row(0.8, 2, latency_source="predicted"),
    ]
    assert on_front(rows, {}) == [False, True, False]
    assert on_front(rows[::-1], {}) == [False, False, True]


def test_arena_sources_are_not_ranked_together_where_the_arena_counts() -> None:
    rows = [row(0.95, arena_source="host"), row(0.9)]
    assert on_front(rows, {"arena_used_bytes": 5000}) == [False, True]
    assert on_front(rows, {}) == [True, False]


def test_rungs_are_not_ranked_together() -> None:
    rows = [row(0.9), row(0.99), row(0.85, rung=1), row(0.7, rung=2, status="failed"), row(0.995)]
    assert on_front(rows, {}) == [False, False, True, False, False]


def test_without_any_latency_macs_are_ranked() -> None:
    rows = [row(0.9, None, macs=10), row(0.8, None, macs=5), row(0.8, None, macs=6)]
    assert on_front(rows, {}) == [True, True, False]


def test_a_row_that_lacks_a_ranked_value_is_not_on_the_front() -> None:
    assert on_front([row(0.9), row(0.99, None), row(None)], {}) == [True, False, False]
    assert on_front([row(None)], {}) == [False]


def test_table_has_the_promised_columns(
    ledger: Ledger, candidate: Candidates, result: Results
) -> None:
    assert list(COLUMNS) == CONTRACT
    empty = ledger.candidates_frame()
    assert list(empty.columns) == CONTRACT
    ledger.add_candidate(candidate(1))
    ledger.add_result(result(1))
    frame = ledger.candidates_frame()
    assert list(frame.columns) == CONTRACT
    assert list(frame.dtypes) == list(empty.dtypes)
    assert [list(record) for record in ledger.table()] == [CONTRACT]


def test_table_of_a_run(ledger: Ledger, candidate: Candidates, result: Results) -> None:
    for number in range(1, 6):
        ledger.add_candidate(candidate(number, parent_id=number - 1 or None))
    ledger.add_result(result(2, val_accuracy_int8=0.8, latency_us=6000))
    ledger.add_result(result(1))
    ledger.add_result(result(4, status="failed", error={"name": "build", "message": "No gcc."}))
    ledger.add_result(result(3, val_accuracy_int8=0.5, latency_us=1))
    table = ledger.table()
    assert [record["candidate_id"] for record in table] == [1, 2, 3, 4]  # 5 is pending
    assert [record["feasible"] for record in table] == [True, True, False, False]
    assert [record["on_front"] for record in table] == [True, False, False, False]
    assert [record["error"] for record in table] == [None, None, None, "build: No gcc."]
    assert [record["candidate_id"] for record in ledger.front()] == [1]
    assert table[1]["parent_id"] == 1
    assert table[0]["created_at"] == ledger.results(1)[0].finished_at


def test_pruned_resources_replace_the_candidates(
    ledger: Ledger, candidate: Candidates, result: Results
) -> None:
    ledger.add_candidate(candidate(1, macs=5_000_000))
    ledger.add_candidate(candidate(2, macs=5_000_000))
    ledger.add_result(result(1))
    ledger.add_result(result(2, macs=9, peak_memory_bytes=8, model_size_bytes=7))
    whole, pruned = ledger.table()
    assert (whole["macs"], whole["feasible"]) == (5_000_000, False)
    assert (pruned["macs"], pruned["feasible"]) == (9, True)
    assert (pruned["peak_memory_bytes"], pruned["model_size_bytes"]) == (8, 7)


def test_test_accuracy_is_the_networks_own_and_of_the_front_only(
    ledger: Ledger, candidate: Candidates, result: Results
) -> None:
    for number, accuracy, latency_us in [(1, 0.9, 30), (2, 0.8, 20), (3, 0.75, 25)]:
        ledger.add_candidate(candidate(number))
        ledger.add_result(result(number, val_accuracy_int8=accuracy, latency_us=latency_us))
    ledger.add_final(FinalRow(candidate_id=1, test_accuracy_int8=0.88))
    ledger.add_final(FinalRow(candidate_id=1, seed=1, test_accuracy_int8=0.2))
    ledger.add_final(FinalRow(candidate_id=2, seed=1, test_accuracy_int8=0.5))
    ledger.add_final(FinalRow(candidate_id=2, seed=2, test_accuracy_int8=0.75))
    ledger.add_final(FinalRow(candidate_id=3, test_accuracy_int8=0.7))
    assert [record["on_front"] for record in ledger.table()] == [True, True, False]
    assert [record["test_accuracy_int8"] for record in ledger.table()] == [0.88, 0.625, None]
