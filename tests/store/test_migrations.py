"""Ledgers of other versions: older ones are brought up with their rows, newer ones refused."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from munas.errors import ExitCode, LedgerError
from munas.store import CandidateRow, EventRow, Ledger, ResultRow, migrations
from munas.store.migrations.append_only import append_only

Candidates = Callable[..., CandidateRow]
Results = Callable[..., ResultRow]


def add_note(connection: sqlite3.Connection) -> None:
    connection.execute("ALTER TABLE event ADD COLUMN note TEXT")


def rebuild_candidate(connection: sqlite3.Connection) -> None:
    """What SQLite cannot alter is rebuilt: other tables refer to this one."""
    for action in ("update", "delete", "replace"):
        connection.execute(f"DROP TRIGGER candidate_refuses_{action}")
    (made,) = connection.execute("SELECT sql FROM sqlite_master WHERE name='candidate'").fetchone()
    connection.execute(made.replace("CREATE TABLE candidate", "CREATE TABLE fresh"))
    connection.execute("INSERT INTO fresh SELECT * FROM candidate")
    connection.execute("DROP TABLE candidate")
    connection.execute("ALTER TABLE fresh RENAME TO candidate")
    append_only(connection, "candidate", ("candidate_id",))


def break_reference(connection: sqlite3.Connection) -> None:
    connection.execute("DROP TRIGGER candidate_refuses_delete")
    connection.execute("DELETE FROM candidate")


def fail(connection: sqlite3.Connection) -> None:
    connection.execute("ALTER TABLE absent ADD COLUMN note TEXT")


def later(monkeypatch: pytest.MonkeyPatch, *steps: migrations.Step) -> None:
    """Make this munas one that knows further versions."""
    monkeypatch.setattr(migrations, "STEPS", (*migrations.STEPS, *steps))


def version(path: Path) -> int:
    raw = sqlite3.connect(path)
    found = migrations.version_of(raw)
    raw.close()
    return found


NOW = len(migrations.STEPS)
OLD = Path(__file__).parent / "old"


@pytest.mark.parametrize("number", range(1, NOW))
def test_every_released_version_opens_with_its_rows(number: int, tmp_path: Path) -> None:
    """Ledgers that earlier versions wrote are kept as SQL, one a version."""
    path = tmp_path / "old.ledger"
    raw = sqlite3.connect(path)
    raw.executescript((OLD / f"version_{number}.sql").read_text())
    raw.close()
    assert version(path) == number
    with Ledger.open(path) as ledger:
        assert version(path) == NOW
        assert ledger.run.name == "quickstart"
        assert [row.parent_id for row in ledger.candidates()] == [None, 1, 1]
        assert [row.candidate_id for row in ledger.pending()] == [3]
        table = {row["candidate_id"]: row for row in ledger.table()}
        assert table[1]["on_front"] and table[1]["test_accuracy_int8"] == 0.88
        assert (table[1]["arena_used_bytes"], table[1]["arena_source"]) == (2000, "host")
        assert table[2]["error"] == "worker: gone"
        assert ledger.current_results() == ledger.results()
        assert ledger.measurements()[0].measurement == {"cycles": 5}
        assert len(ledger.get_artifact(hashlib.sha256(b"bytes").hexdigest())) == 5


def test_version_2_keeps_its_revisions(tmp_path: Path) -> None:
    path = tmp_path / "old.ledger"
    raw = sqlite3.connect(path)
    raw.executescript((OLD / "version_2.sql").read_text())
    raw.execute(
        "INSERT INTO revision (revision_id, candidate_id, rung, asked, reason, status, evaluation,"
        " latency_us, latency_source, created_at) VALUES"
        " (7, 1, 0, 3, 'board-lost', 'ok', '{}', 900, 'mac', 'then')"
    )
    raw.commit()
    raw.close()
    with Ledger.open(path) as ledger:
        kept = ledger.revisions()
        assert [(row.candidate_id, row.reason, row.latency_us) for row in kept] == [
            (1, "board-lost", 900)
        ]
        ledger.revise([replace(kept[0], reason="rank-open")], EventRow(kind="revised"))
        assert [row.reason for row in ledger.revisions()] == ["board-lost", "rank-open"]
    raw = sqlite3.connect(path)
    with pytest.raises(sqlite3.IntegrityError, match="never changed"):
        raw.execute("DELETE FROM revision")
    raw.close()


@pytest.fixture
def old(ledger: Ledger, path: Path, candidate: Candidates, result: Results) -> Path:
    """A ledger of this version with rows, older than the one that `later` makes."""
    ledger.add_candidate(candidate(1, asked_at="then"))
    ledger.add_result(result(1, finished_at="then"))
    ledger.close()
    assert version(path) == NOW
    return path


def test_older_ledger_keeps_its_rows(
    old: Path, candidate: Candidates, result: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    later(monkeypatch, add_note, rebuild_candidate)
    for _ in range(2):  # the second time there is nothing to do
        with Ledger.open(old) as ledger:
            assert ledger.candidates() == [candidate(1, asked_at="then")]
            assert ledger.results() == [result(1, finished_at="then")]
            columns = ledger._connection.execute("SELECT name FROM pragma_table_info('event')")
            assert ("note",) in columns.fetchall()
            assert ledger._connection.execute("PRAGMA foreign_keys").fetchone()[0] == 1
            with pytest.raises(sqlite3.IntegrityError, match="never changed"):
                ledger._connection.execute("DELETE FROM candidate")
        assert version(old) == NOW + 2


@pytest.mark.parametrize(
    ("step", "message"),
    [(fail, "no such table"), (break_reference, "would break a reference in `result`")],
)
def test_failing_step_leaves_the_ledger_as_it_was(
    old: Path, monkeypatch: pytest.MonkeyPatch, step: migrations.Step, message: str
) -> None:
    with monkeypatch.context() as patched:
        later(patched, add_note, step)
        with pytest.raises(LedgerError, match=message) as fault:
            Ledger.open(old)
        assert str(old) in fault.value.what
    assert version(old) == NOW
    with Ledger.open(old) as ledger:
        assert len(ledger.candidates()) == len(ledger.results()) == 1
        columns = ledger._connection.execute("SELECT name FROM pragma_table_info('event')")
        assert ("note",) not in columns.fetchall()


def test_another_process_was_faster(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The version read before the lock is not trusted: a step is never applied twice."""
    later(monkeypatch, add_note)
    real = migrations.version_of

    def stale(connection: sqlite3.Connection) -> int:
        monkeypatch.setattr(migrations, "version_of", real)
        Ledger.open(old).close()
        return NOW

    raw = sqlite3.connect(old, isolation_level=None)
    monkeypatch.setattr(migrations, "version_of", stale)
    migrations.upgrade(raw, old, migrations.STEPS)
    raw.close()
    assert version(old) == NOW + 1


def test_new_ledgers_have_the_newest_version(ledger: Ledger) -> None:
    assert migrations.version_of(ledger._connection) == len(migrations.STEPS)


def test_newer_ledger_is_refused(old: Path) -> None:
    raw = sqlite3.connect(old)
    raw.execute("PRAGMA user_version = 99")
    raw.close()
    with pytest.raises(LedgerError) as fault:
        Ledger.open(old)
    assert f"{old} has version 99" in fault.value.what
    assert f"up to {len(migrations.STEPS)}" in fault.value.what
    assert "pip install --upgrade munas" in fault.value.mend
    assert fault.value.exit_code == ExitCode.BAD_INPUT
    assert version(old) == 99
