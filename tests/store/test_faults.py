"""What a person is told when a ledger cannot be made, opened or written, and nothing breaks."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from munas.errors import ExitCode, LedgerError
from munas.store import CandidateRow, EventRow, Ledger, ResultRow, RunInfo, creation, database

Candidates = Callable[..., CandidateRow]
Results = Callable[..., ResultRow]


def told(fault: pytest.ExceptionInfo[LedgerError], path: Path) -> None:
    """Every fault names the file, has a mend, and exits with 2."""
    assert str(path) in str(fault.value)
    assert fault.value.mend
    assert fault.value.exit_code == ExitCode.BAD_INPUT


def test_missing_ledger(path: Path) -> None:
    with pytest.raises(LedgerError, match="There is no ledger") as fault:
        Ledger.open(path)
    told(fault, path)
    assert list(path.parent.iterdir()) == []


def test_path_under_a_file(tmp_path: Path, run: RunInfo) -> None:
    (tmp_path / "file").write_text("x")
    path = tmp_path / "file" / "run.ledger"
    with pytest.raises(LedgerError, match="There is no ledger") as fault:
        Ledger.open(path)
    told(fault, path)
    with pytest.raises(LedgerError, match="cannot be created") as fault:
        Ledger.create(path, run)
    told(fault, path)


def test_folder_is_not_a_ledger(tmp_path: Path, run: RunInfo) -> None:
    with pytest.raises(LedgerError, match="is not a file") as fault:
        Ledger.open(tmp_path)
    told(fault, tmp_path)
    with pytest.raises(LedgerError, match="exists already"):
        Ledger.create(tmp_path, run)


def other_database(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE mine (x)")
    connection.close()


@pytest.mark.parametrize(
    "make",
    [
        lambda path: path.write_text("name,latency\n" * 500),
        lambda path: path.write_bytes(b""),
        other_database,
    ],
    ids=["text", "empty", "other-database"],
)
def test_other_files_are_refused_and_left_alone(
    path: Path, run: RunInfo, make: Callable[[Path], object]
) -> None:
    make(path)
    before = path.read_bytes()
    with pytest.raises(LedgerError, match="is not a ledger") as fault:
        Ledger.open(path)
    told(fault, path)
    with pytest.raises(LedgerError, match="exists already") as fault:
        Ledger.create(path, run)
    told(fault, path)
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_truncated_ledger_is_damaged(ledger: Ledger, path: Path) -> None:
    ledger.close()
    os.truncate(path, 4096)
    with pytest.raises(LedgerError, match="is damaged") as fault:
        Ledger.open(path)
    told(fault, path)


def test_existing_ledger_is_never_replaced(
    ledger: Ledger, path: Path, run: RunInfo, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger.add_event(EventRow(kind="started"))
    # Even when another process makes it between the check and the end.
    monkeypatch.setattr(creation, "_refuse_remains", lambda path: None)
    with pytest.raises(LedgerError, match="exists already") as fault:
        Ledger.create(path, run)
    told(fault, path)
    assert "munas resume" in fault.value.mend
    assert len(ledger.events()) == 1


def test_remains_of_a_deleted_ledger_are_not_replayed(path: Path, run: RunInfo) -> None:
    log = path.with_name(f"{path.name}-wal")
    log.write_bytes(b"rows of another ledger")
    with pytest.raises(LedgerError, match="left over") as fault:
        Ledger.create(path, run)
    told(fault, log)
    assert not path.exists()


def test_file_system_without_hard_links(
    path: Path, run: RunInfo, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Path, target: Path) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    with Ledger.create(path, run) as ledger:
        assert ledger.run == run
    with pytest.raises(LedgerError, match="exists already"):
        Ledger.create(path, run)


@pytest.fixture
def read_only_folder(run: RunInfo) -> Iterator[Path]:
    """A folder with a ledger in it that this process may read but not write.

    Permissions do not bind root, so root takes another user's identity for the while.
    """
    folder = Path(tempfile.mkdtemp())
    Ledger.create(folder / "run.ledger", run).close()
    (folder / "run.ledger").chmod(0o444)
    folder.chmod(0o555)
    as_root = os.geteuid() == 0
    try:
        if as_root:
            os.seteuid(65534)
        yield folder
    finally:
        if as_root:
            os.seteuid(0)
        folder.chmod(0o755)
        shutil.rmtree(folder)


def test_read_only_folder(read_only_folder: Path, run: RunInfo) -> None:
    new = read_only_folder / "new.ledger"
    with pytest.raises(LedgerError, match="cannot be created: Permission denied") as fault:
        Ledger.create(new, run)
    told(fault, new)
    assert [file.name for file in read_only_folder.iterdir()] == ["run.ledger"]
    old = read_only_folder / "run.ledger"
    with pytest.raises(LedgerError, match=r"cannot be (opened|written)") as fault:
        Ledger.open(old)
    told(fault, old)


def test_folder_that_cannot_be_entered(run: RunInfo, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, **_: object) -> os.stat_result:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    path = Path("closed") / "run.ledger"
    with monkeypatch.context() as patched:
        patched.setattr(Path, "stat", refuse)
        with pytest.raises(LedgerError, match="cannot be created: Permission denied") as creating:
            Ledger.create(path, run)
        with pytest.raises(LedgerError, match=r"no ledger at .* Permission denied") as opening:
            Ledger.open(path)
    told(creating, path)
    told(opening, path)


def limit_pages(connection: sqlite3.Connection, count: int) -> None:
    connection.execute(f"PRAGMA max_page_count = {count}")


@pytest.mark.parametrize("pages", [1, 4, 8])
def test_full_disk_while_creating(
    path: Path, run: RunInfo, monkeypatch: pytest.MonkeyPatch, pages: int
) -> None:
    def connect(*args: object, **options: object) -> sqlite3.Connection:
        connection = database.connect(*args, **options)  # type: ignore[arg-type]
        limit_pages(connection, pages)
        return connection

    monkeypatch.setattr(creation, "connect", connect)
    with pytest.raises(LedgerError, match="the disk is full") as fault:
        Ledger.create(path, run)
    told(fault, path)
    assert list(path.parent.iterdir()) == []


def test_fault_after_creating_leaves_no_file(
    path: Path, run: RunInfo, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(path: Path, **options: object) -> sqlite3.Connection:
        connection = database.connect(path)
        with pytest.raises(sqlite3.OperationalError) as error:
            connection.execute("ATTACH '/' AS other")
        connection.close()
        raise error.value

    monkeypatch.setattr("munas.store.ledger.connect", fail)
    with pytest.raises(LedgerError, match="cannot be opened") as fault:
        Ledger.create(path, run)
    told(fault, path)
    assert list(path.parent.iterdir()) == []


def test_full_disk_while_writing(ledger: Ledger, candidate: Candidates, result: Results) -> None:
    ledger.add_candidate(candidate(1))
    used = ledger._connection.execute("PRAGMA page_count").fetchone()[0]
    limit_pages(ledger._connection, used + 2)
    data = os.urandom(100_000)
    artifacts = {hashlib.sha256(data).hexdigest(): data}
    with pytest.raises(LedgerError, match="the disk is full") as fault:
        ledger.add_result(result(1), artifacts)
    told(fault, ledger.path)
    assert ledger.results() == []
    assert [row.candidate_id for row in ledger.pending()] == [1]
    assert ledger._connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    limit_pages(ledger._connection, 1 << 20)
    assert ledger.add_result(result(1), artifacts)


def test_lock_past_the_timeout(ledger: Ledger, path: Path) -> None:
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with Ledger.open(path, busy_timeout_ms=1) as waiting:
        with pytest.raises(LedgerError, match="is locked by another process") as fault:
            waiting.add_event(EventRow(kind="started"))
        told(fault, path)
        assert waiting.events() == []  # reading goes on beside a writer
        holder.execute("ROLLBACK")
        waiting.add_event(EventRow(kind="started"))
        assert len(ledger.events()) == 1
    holder.close()


def test_interrupt_within_a_write_leaves_the_ledger_usable(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("munas.store.ledger.insert", interrupt)
        with pytest.raises(KeyboardInterrupt):
            ledger.add_event(EventRow(kind="started"))
    ledger.add_event(EventRow(kind="interrupted"))
    assert [event.kind for event in ledger.events()] == ["interrupted"]


def test_ledger_without_a_run_is_damaged(ledger: Ledger, path: Path) -> None:
    ledger.close()
    raw = sqlite3.connect(path)
    raw.execute("DROP TRIGGER run_refuses_delete")
    raw.execute("DELETE FROM run")
    raw.commit()
    raw.close()
    with pytest.raises(LedgerError, match="no run") as fault:
        Ledger.open(path)
    told(fault, path)
