"""Revisions: new latencies and arenas of results, without changing a row."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

import pytest

from munas.errors import LedgerError
from munas.store import CandidateRow, EventRow, Ledger, ResultRow, RevisionRow

Candidates = Callable[..., CandidateRow]
Results = Callable[..., ResultRow]


@pytest.fixture
def filled(ledger: Ledger, candidate: Candidates, result: Results) -> Ledger:
    for number in (1, 2):
        ledger.add_candidate(candidate(number, asked_at="then"))
        ledger.add_result(result(number, latency_us=5000 * number))
    return ledger


def revision(number: int, latency_us: int | None, **values: object) -> RevisionRow:
    defaults: dict[str, object] = {
        "asked": 2,
        "reason": "board-lost",
        "status": "ok",
        "evaluation": {"values": {"latency_us": latency_us}},
        "latency_us": latency_us,
        "latency_source": "mac",
        "arena_used_bytes": None,
        "board": "emulated_stm32l4r5",
    }
    return RevisionRow(candidate_id=number, **{**defaults, **values})  # type: ignore[arg-type]


def test_the_newest_revision_counts_and_the_result_stays(filled: Ledger) -> None:
    before = filled.results()
    event = EventRow(kind="board-lost")
    filled.revise([revision(1, 700)], event)
    filled.revise([revision(1, 800), revision(2, 900)], event)
    assert filled.results() == before
    current = {row.candidate_id: row for row in filled.current_results()}
    assert (current[1].latency_us, current[1].latency_source) == (800, "mac")
    assert current[1].val_accuracy_int8 == before[0].val_accuracy_int8
    table = {row["candidate_id"]: row for row in filled.table()}
    assert (table[1]["latency_us"], table[2]["latency_us"]) == (800, 900)
    # A revision says all that it covers: what it leaves out is not known any more.
    assert table[1]["arena_used_bytes"] is None and table[1]["engine"] is None
    assert table[1]["flash_bytes"] == before[0].flash_bytes
    assert [row.kind for row in filled.events()] == ["board-lost", "board-lost"]


def test_a_revision_may_end_a_candidate(filled: Ledger) -> None:
    error = {"name": "infeasible", "message": "too big", "mend": ""}
    gone = revision(2, None, status="failed", latency_source=None, error=error)
    filled.revise([gone], EventRow(kind="board-lost"))
    assert filled.status_counts() == {"ok": 1, "infeasible": 0, "failed": 1, "pending": 0}
    assert filled.table()[1]["error"] == "infeasible: too big"


def test_front_follows_revised_values(filled: Ledger) -> None:
    """Candidate 1 was faster at equal accuracy; revised, candidate 2 is."""
    assert [row["candidate_id"] for row in filled.front()] == [1]
    filled.revise([revision(1, 900), revision(2, 700)], EventRow(kind="board-lost"))
    assert [row["candidate_id"] for row in filled.front()] == [2]


@pytest.mark.parametrize(
    "bad",
    [
        revision(7, 1, asked=7),  # no such result
        revision(2, 1, asked=1),  # before it was asked
        revision(1, 1, reason="whim"),
        revision(1, 1, latency_source=None),
        revision(1, 1, status="failed"),  # without saying why
    ],
)
def test_impossible_revisions_are_refused_whole(filled: Ledger, bad: RevisionRow) -> None:
    with pytest.raises((LedgerError, sqlite3.Error)):
        filled.revise([revision(1, 1), bad], EventRow(kind="board-lost"))
    assert filled.revisions() == [] and filled.events() == []


def test_revisions_are_never_changed(filled: Ledger) -> None:
    filled.revise([revision(1, 700)], EventRow(kind="board-lost"))
    for statement in ("DELETE FROM revision", "UPDATE revision SET latency_us = 1"):
        with pytest.raises(sqlite3.IntegrityError, match="never changed"):
            filled._connection.execute(statement)
