"""What a ledger promises: rows come back as they were, each once, and never change."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from munas.errors import ExitCode, LedgerError
from munas.store import (
    CandidateRow,
    EventRow,
    FinalRow,
    Ledger,
    MeasurementRow,
    ResultRow,
    RunInfo,
)

Candidates = Callable[..., CandidateRow]
Results = Callable[..., ResultRow]
TABLES = ("run", "candidate", "result", "measurement", "final", "event", "artifact")


def fill(ledger: Ledger, candidate: Candidates, result: Results) -> None:
    """At least one row in every table."""
    ledger.add_candidate(candidate(1))
    ledger.add_candidate(candidate(2, parent_id=1, morphism="widen"))
    ledger.add_result(result(1))
    ledger.add_measurement(
        MeasurementRow(measurement={"cycles": 7}, source="emulated", board="b", engine="tflm")
    )
    ledger.add_final(FinalRow(candidate_id=1, test_accuracy_int8=0.88))
    ledger.add_event(EventRow(kind="started"))
    ledger.put_artifact(b"model")


def test_run_comes_back(path: Path, run: RunInfo) -> None:
    with Ledger.create(path, run) as created:
        assert created.run == run
    with Ledger.open(str(path)) as opened:
        assert opened.run == run
    assert sorted(file.name for file in path.parent.iterdir()) == [path.name]


def test_rows_come_back_after_reopening(
    ledger: Ledger, path: Path, candidate: Candidates, result: Results
) -> None:
    candidates = [candidate(1), candidate(2, parent_id=1, morphism="deepen"), candidate(3)]
    failure = LedgerError("It broke.", "Mend it.").as_dict()
    results = [
        result(1, rung=0, epochs=1),
        result(1, rung=1),
        result(3, status="failed", error=failure, val_accuracy_int8=None, macs=9),
    ]
    measurement = MeasurementRow(
        candidate_id=1, measurement={"ops": [1, 2]}, source="silicon", board="b", engine="aot"
    )
    finals = [
        FinalRow(candidate_id=1, test_accuracy_int8=0.5),
        FinalRow(candidate_id=1, seed=3, test_accuracy_int8=0.6),
    ]
    events = [EventRow(kind="started"), EventRow(kind="interrupted", detail={"signal": "INT"})]
    for row in candidates:
        assert ledger.add_candidate(row)
    for row in reversed(results):
        assert ledger.add_result(row)
    ledger.add_measurement(measurement)
    assert all(ledger.add_final(row) for row in reversed(finals))
    for event in events:
        ledger.add_event(event)
    ledger.close()
    with Ledger.open(path) as again:
        assert again.candidates() == candidates
        assert again.candidate(2) == candidates[1]
        assert again.results() == results
        assert again.results(1) == results[:2]
        assert again.measurements() == [measurement]
        assert again.finals() == finals
        assert again.events() == events
        assert again.pending() == [candidates[1]]


def test_a_second_result_is_refused_without_damage(
    ledger: Ledger, candidate: Candidates, result: Results
) -> None:
    ledger.add_candidate(candidate(1))
    first = result(1)
    data = b"other weights"
    sha256 = hashlib.sha256(data).hexdigest()
    assert ledger.add_result(first)
    assert not ledger.add_result(result(1, val_accuracy_int8=0.1), {sha256: data})
    assert ledger.results() == [first]
    with pytest.raises(LedgerError, match="no artifact"):
        ledger.get_artifact(sha256)


def test_a_second_final_is_refused(ledger: Ledger, candidate: Candidates) -> None:
    ledger.add_candidate(candidate(1))
    for seed in (None, 0, 1):
        assert ledger.add_final(FinalRow(candidate_id=1, seed=seed, test_accuracy_int8=0.5))
        assert not ledger.add_final(FinalRow(candidate_id=1, seed=seed, test_accuracy_int8=0.6))
    assert [row.test_accuracy_int8 for row in ledger.finals()] == [0.5, 0.5, 0.5]


def test_asking_again_gives_the_same_candidate_or_a_fault(
    ledger: Ledger, candidate: Candidates
) -> None:
    first = candidate(1)
    assert ledger.add_candidate(first)
    assert not ledger.add_candidate(candidate(1, asked_at="later"))
    with pytest.raises(LedgerError, match="another architecture"):
        ledger.add_candidate(candidate(1, architecture_sha256="f" * 64))
    assert ledger.candidates() == [first]


def test_absent_candidate_is_named(ledger: Ledger) -> None:
    with pytest.raises(LedgerError, match="has no candidate 7"):
        ledger.candidate(7)


@pytest.mark.parametrize(
    "changes",
    [
        {"candidate_id": 9},
        {"status": "good"},
        {"rung": -1},
        {"val_accuracy_int8": 1.5},
        {"latency_source": None},
        {"latency_source": "guess"},
        {"arena_source": None},
        {"status": "failed"},
    ],
)
def test_impossible_results_are_refused(
    ledger: Ledger, candidate: Candidates, result: Results, changes: dict[str, object]
) -> None:
    ledger.add_candidate(candidate(1))
    with pytest.raises(LedgerError, match="refuses a row") as fault:
        ledger.add_result(result(**{"candidate_id": 1, **changes}))
    assert str(ledger.path) in fault.value.what
    assert ledger.results() == []


def test_parent_must_be_there(ledger: Ledger, candidate: Candidates) -> None:
    with pytest.raises(LedgerError, match="refuses a row"):
        ledger.add_candidate(candidate(2, parent_id=1))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object(), {1, 2}])
def test_values_that_are_not_json_are_refused(
    ledger: Ledger, candidate: Candidates, result: Results, value: object
) -> None:
    ledger.add_candidate(candidate(1))
    with pytest.raises(LedgerError, match="`evaluation` of a result row"):
        ledger.add_result(result(1, evaluation={"loss": value}))
    assert ledger.results() == []
    assert ledger.add_result(result(1))


def test_artifacts(ledger: Ledger, candidate: Candidates, result: Results) -> None:
    data = bytes(range(256)) * 100
    sha256 = hashlib.sha256(data).hexdigest()
    assert ledger.put_artifact(data) == sha256
    assert ledger.put_artifact(data) == sha256
    assert ledger.get_artifact(sha256) == data
    ledger.add_candidate(candidate(1))
    more = b""
    more_sha256 = hashlib.sha256(more).hexdigest()
    row = result(1, model_sha256=sha256, weights_sha256=more_sha256)
    assert ledger.add_result(row, {sha256: data, more_sha256: more})
    assert ledger.get_artifact(more_sha256) == more


def test_artifact_under_a_wrong_hash_is_refused(
    ledger: Ledger, candidate: Candidates, result: Results
) -> None:
    ledger.add_candidate(candidate(1))
    with pytest.raises(LedgerError, match="artifact of candidate 1 is not what its hash says"):
        ledger.add_result(result(1), {"0" * 64: b"data"})
    assert ledger.results() == []


def test_damaged_artifact_is_found(ledger: Ledger, path: Path) -> None:
    sha256 = ledger.put_artifact(b"model")
    raw = sqlite3.connect(path)
    raw.execute("DROP TRIGGER artifact_refuses_update")
    raw.execute("UPDATE artifact SET data = ?", (b"mode1",))
    raw.commit()
    raw.close()
    with pytest.raises(LedgerError, match="not what its hash says") as fault:
        ledger.get_artifact(sha256)
    assert fault.value.exit_code == ExitCode.BAD_INPUT
    assert fault.value.mend


@pytest.mark.parametrize("table", TABLES)
def test_rows_never_change(
    ledger: Ledger, path: Path, candidate: Candidates, result: Results, table: str
) -> None:
    fill(ledger, candidate, result)
    raw = sqlite3.connect(path)
    before = raw.execute(f"SELECT * FROM {table}").fetchall()
    assert before
    column = raw.execute(f"SELECT name FROM pragma_table_info('{table}')").fetchone()[0]
    attempts = [
        f"UPDATE {table} SET {column} = {column}",
        f"DELETE FROM {table}",
        f"INSERT OR REPLACE INTO {table} SELECT * FROM {table} LIMIT 1",
    ]
    for attempt in attempts:
        with pytest.raises(sqlite3.IntegrityError, match=r"never changed|this row already"):
            raw.execute(attempt)
    assert raw.execute(f"SELECT * FROM {table}").fetchall() == before
    raw.close()


def test_replacing_by_another_key_is_refused(
    ledger: Ledger, path: Path, candidate: Candidates, result: Results
) -> None:
    fill(ledger, candidate, result)
    raw = sqlite3.connect(path)
    for attempt in (
        "INSERT OR REPLACE INTO result (candidate_id, rung, status, evaluation, stage_s,"
        " finished_at) VALUES (1, 0, 'ok', '{}', '{}', 'now')",
        "INSERT OR REPLACE INTO final (candidate_id, test_accuracy_int8, created_at)"
        " VALUES (1, 0.1, 'now')",
    ):
        with pytest.raises(sqlite3.IntegrityError, match="has this row already"):
            raw.execute(attempt)
    raw.close()


def test_status_counts(ledger: Ledger, candidate: Candidates, result: Results) -> None:
    for number in range(1, 7):
        ledger.add_candidate(candidate(number))
    ledger.add_result(result(1))
    ledger.add_result(result(2))
    ledger.add_result(result(2, rung=1, status="failed", error={"name": "n", "message": "m"}))
    ledger.add_result(result(3, status="infeasible"))
    assert ledger.status_counts() == {"ok": 1, "infeasible": 1, "failed": 1, "pending": 3}


def test_several_ledgers_see_each_other(
    ledger: Ledger, path: Path, candidate: Candidates, result: Results
) -> None:
    with Ledger.open(path) as other:
        ledger.add_candidate(candidate(1))
        assert other.pending() == [candidate(1, asked_at=other.candidate(1).asked_at)]
        assert other.add_result(result(1))
        assert not ledger.add_result(result(1))
        assert ledger.pending() == []


def test_structured_values_are_canonical_json(
    ledger: Ledger, path: Path, candidate: Candidates
) -> None:
    ledger.add_candidate(candidate(1, architecture={"space": "mlp", "dense": [1], "classes": 2}))
    raw = sqlite3.connect(path)
    (text,) = raw.execute("SELECT architecture FROM candidate").fetchone()
    raw.close()
    assert text == '{"classes":2,"dense":[1],"space":"mlp"}'


def test_how_the_file_is_kept(ledger: Ledger) -> None:
    def pragma(name: str) -> object:
        return ledger._connection.execute(f"PRAGMA {name}").fetchone()[0]

    assert pragma("journal_mode") == "wal"
    assert pragma("synchronous") == 2  # FULL
    assert pragma("foreign_keys") == 1
    assert pragma("busy_timeout") == 30_000
