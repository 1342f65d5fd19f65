"""The ledger of a run: append-only rows and artifacts in one SQLite file.

Several processes may write at once, each through its own `Ledger`; every write is one transaction,
so after `kill -9` a row is there whole or not at all. This module knows nothing of what the search
or the measurements mean.
"""

from __future__ import annotations

import hashlib
import sqlite3
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from munas.errors import LedgerError
from munas.store import migrations, views
from munas.store.creation import create_file
from munas.store.database import (
    BUSY_TIMEOUT_MS,
    connect,
    explained,
    transaction,
    use_write_ahead_log,
)
from munas.store.export import ExportFormat, encode
from munas.store.measured import MEASUREMENT_COLUMNS, measurements_table
from munas.store.output import require_writable, write_output
from munas.store.rows import (
    CandidateRow,
    EventRow,
    FinalRow,
    MeasurementRow,
    R,
    ResultRow,
    RevisionRow,
    Row,
    RunInfo,
)
from munas.store.running import RunLock
from munas.store.statements import PENDING, STATUS_QUERY, TABLE_QUERY, insert, select

if TYPE_CHECKING:
    import pandas as pd

TableName = Literal["candidates", "measurements"]


class Ledger:
    """An open ledger; `create` or `open` one, and close it (or use it as a context manager).

    Every method raises LedgerError, naming the file and the mend, when the file is locked for
    longer than the busy timeout, the disk is full, or the file is damaged; nothing is half-written
    then. A Ledger belongs to the thread and the process that opened it.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection, run: RunInfo) -> None:
        self.path = path
        self.run = run
        self._connection = connection
        self._lock: RunLock | None = None

    @classmethod
    def create(cls, path: Path | str, run: RunInfo) -> Self:
        """A new ledger for `run`. Raises LedgerError; a ledger that fails leaves no file."""
        path = Path(path)
        create_file(path, run)
        try:
            return cls.open(path)
        except BaseException:
            path.unlink()
            raise

    @classmethod
    def open(cls, path: Path | str, *, busy_timeout_ms: int = BUSY_TIMEOUT_MS) -> Self:
        """The ledger at `path`, brought to this version of the schema where it is older.

        Raises LedgerError where there is none, or one that a newer munas has written.
        """
        path = Path(path)
        _require_file(path)
        with explained(path):
            connection = connect(path, busy_timeout_ms=busy_timeout_ms)
            try:
                migrations.require_ledger(connection, path, migrations.STEPS)
                use_write_ahead_log(connection, path)
                migrations.upgrade(connection, path, migrations.STEPS)
                run = _only_run(connection, path)
            except BaseException:
                connection.close()
                raise
        return cls(path, connection, run)

    def hold(self) -> None:
        """Keep other processes from running this ledger until it is closed; they may write to it.

        Raises LedgerError that names the process which runs it already.
        """
        self._lock = self._lock or RunLock(self.path)

    def close(self) -> None:
        """Let go of the file; closing again does nothing."""
        self._connection.close()
        if self._lock:
            self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with explained(self.path), transaction(self._connection, "IMMEDIATE"):
            yield self._connection

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with explained(self.path), transaction(self._connection, "DEFERRED"):
            yield self._connection

    def add_candidate(self, row: CandidateRow) -> bool:
        """Add a candidate; False where it is there already, as when a resumed run asks again.

        Raises LedgerError when the ledger holds another architecture under this number: the run
        does not repeat what it did.
        """
        with self._writing() as connection:
            found = connection.execute(
                "SELECT architecture_sha256 FROM candidate WHERE candidate_id = ?",
                (row.candidate_id,),
            ).fetchone()
            if found is None:
                insert(connection, row)
                return True
        if found[0] != row.architecture_sha256:
            raise LedgerError(
                f"Candidate {row.candidate_id} of the ledger {self.path} is another architecture "
                f"({found[0][:12]}) than the one asked for now ({row.architecture_sha256[:12]}).",
                "Resume with the version of munas and of Python that began the run, or start a "
                "new ledger.",
            )
        return False

    def add_result(self, row: ResultRow, artifacts: Mapping[str, bytes] | None = None) -> bool:
        """Add a result and its artifacts (bytes by SHA-256) in one transaction.

        False, and nothing is written, where the candidate has a result at this rung already.
        """
        for sha256, data in (artifacts or {}).items():
            _require_hash(sha256, data, f"An artifact of candidate {row.candidate_id}")
        with self._writing() as connection:
            if connection.execute(
                "SELECT 1 FROM result WHERE candidate_id = ? AND rung = ?",
                (row.candidate_id, row.rung),
            ).fetchone():
                return False
            for sha256, data in (artifacts or {}).items():
                _insert_artifact(connection, sha256, data)
            insert(connection, row)
        return True

    def revise(self, rows: Sequence[RevisionRow], event: EventRow) -> None:
        """Add revisions and the event that tells of them, in one transaction."""
        with self._writing() as connection:
            for row in rows:
                insert(connection, row)
            insert(connection, event)

    def revisions(self) -> list[RevisionRow]:
        """All revisions in the order of writing."""
        return self._rows(RevisionRow, "ORDER BY revision_id")

    def add_measurement(self, row: MeasurementRow) -> None:
        """Add a measurement object."""
        self._add(row)

    def add_final(self, row: FinalRow) -> bool:
        """Add a test accuracy; False where the candidate has one with this seed already."""
        with self._writing() as connection:
            if connection.execute(
                "SELECT 1 FROM final WHERE candidate_id = ? AND seed IS ?",
                (row.candidate_id, row.seed),
            ).fetchone():
                return False
            insert(connection, row)
        return True

    def add_event(self, row: EventRow) -> None:
        """Add something that happened to the run."""
        self._add(row)

    def _add(self, row: Row) -> None:
        with self._writing() as connection:
            insert(connection, row)

    def put_artifact(self, data: bytes) -> str:
        """Keep bytes (a model, weights); the same bytes are kept once. Returns their SHA-256."""
        sha256 = hashlib.sha256(data).hexdigest()
        with self._writing() as connection:
            _insert_artifact(connection, sha256, data)
        return sha256

    def get_artifact(self, sha256: str) -> bytes:
        """The bytes with this hash. Raises LedgerError where they are absent or damaged."""
        with self._reading() as connection:
            found = connection.execute(
                "SELECT data FROM artifact WHERE sha256 = ?", (sha256,)
            ).fetchone()
        if found is None:
            raise LedgerError(
                f"The ledger {self.path} holds no artifact {sha256}.",
                "Models and weights are kept for candidates that were trained; see `munas export`.",
            )
        data = bytes(found[0])
        _require_hash(sha256, data, f"The artifact {sha256} in the ledger {self.path}")
        return data

    def _rows(self, kind: type[R], rest: str, values: tuple[Any, ...] = ()) -> list[R]:
        with self._reading() as connection:
            return list(select(connection, kind, rest, values))

    def candidate(self, candidate_id: int) -> CandidateRow:
        """One candidate. Raises LedgerError where there is none with this number."""
        found = self._rows(CandidateRow, "WHERE candidate_id = ?", (candidate_id,))
        if not found:
            raise LedgerError(
                f"The ledger {self.path} has no candidate {candidate_id}.",
                f"List the candidates with: munas export {self.path} --format csv --out F.csv",
            )
        return found[0]

    def candidates(self) -> list[CandidateRow]:
        """All candidates in ask order."""
        return self._rows(CandidateRow, "ORDER BY candidate_id")

    def pending(self) -> list[CandidateRow]:
        """Candidates without any result, in ask order: in flight, or lost with their process."""
        return self._rows(CandidateRow, f"{PENDING} ORDER BY candidate_id")

    def results(self, candidate_id: int | None = None) -> list[ResultRow]:
        """All results as first written, or those of one candidate, by candidate and rung."""
        if candidate_id is None:
            return self._rows(ResultRow, "ORDER BY candidate_id, rung")
        return self._rows(ResultRow, "WHERE candidate_id = ? ORDER BY rung", (candidate_id,))

    def current_results(self) -> list[ResultRow]:
        """All results with what was revised of them, by candidate and rung."""
        revised = {(row.candidate_id, row.rung): row for row in self.revisions()}
        return [
            revision.applied_to(row)
            if (revision := revised.get((row.candidate_id, row.rung)))
            else row
            for row in self.results()
        ]

    def add_numbered(
        self, kind: str, make: Callable[[int], tuple[Sequence[MeasurementRow], EventRow]]
    ) -> int:
        """Add what `make` gives for the number of the next event of `kind`, from 1, in one
        transaction: no two processes get one number. Returns the number."""
        with self._writing() as connection:
            query = "SELECT count(*) FROM event WHERE kind = ?"
            number = 1 + int(connection.execute(query, (kind,)).fetchone()[0])
            rows, event = make(number)
            for row in rows:
                insert(connection, row)
            insert(connection, event)
        return number

    def measurements(self) -> list[MeasurementRow]:
        """All measurements in the order of writing."""
        return self._rows(MeasurementRow, "ORDER BY measurement_id")

    def finals(self) -> list[FinalRow]:
        """All test accuracies, by candidate and seed; the candidate's own network comes first."""
        return self._rows(FinalRow, "ORDER BY candidate_id, seed")

    def events(self) -> list[EventRow]:
        """All events in the order of writing."""
        return self._rows(EventRow, "ORDER BY event_id")

    def status_counts(self) -> dict[str, int]:
        """How many candidates are `ok`, `infeasible`, `failed` and `pending`."""
        counts = {"ok": 0, "infeasible": 0, "failed": 0}
        with self._reading() as connection:
            counts.update(connection.execute(STATUS_QUERY).fetchall())
            pending = connection.execute(f"SELECT count(*) FROM candidate {PENDING}").fetchone()[0]
        return {**counts, "pending": pending}

    def table(self) -> list[dict[str, Any]]:
        """The candidates table as JSON-able records, one per result (see docs/ledger.md)."""
        with self._reading() as connection:
            cursor = connection.execute(TABLE_QUERY)
            names = [column[0] for column in cursor.description]
            rows = [dict(zip(names, values, strict=True)) for values in cursor]
        return views.candidates_table(rows, self.run.experiment)

    def front(self) -> list[dict[str, Any]]:
        """The rows of `table` that are on the front."""
        return [row for row in self.table() if row["on_front"]]

    def candidates_frame(self) -> pd.DataFrame:
        """The candidates table as a frame with exactly the columns of `munas.store.COLUMNS`."""
        return views.to_frame(self.table())

    def measurements_table(self) -> list[dict[str, Any]]:
        """All measurements as JSON-able records, failed ones too (see docs/ledger.md)."""
        return measurements_table(self.measurements(), self.candidates())

    def export(self, path: Path | str, kind: ExportFormat, table: TableName = "candidates") -> None:
        """Write a table to `path`, whole or not at all; see `munas.store.output.write_output`.

        Raises BadInputError where the file cannot be written or the format is unknown.
        """
        path = Path(path)
        require_writable(path, inputs=[self.path])
        if table == "candidates":
            data = encode(self.table(), kind)
        else:
            data = encode(self.measurements_table(), kind, MEASUREMENT_COLUMNS)
        write_output(path, data, inputs=[self.path])


def _only_run(connection: sqlite3.Connection, path: Path) -> RunInfo:
    runs = list(select(connection, RunInfo))
    if len(runs) != 1:
        raise LedgerError(f"The ledger {path} is damaged: no run in it.", "Restore it from a copy.")
    return runs[0]


def _insert_artifact(connection: sqlite3.Connection, sha256: str, data: bytes) -> None:
    if connection.execute("SELECT 1 FROM artifact WHERE sha256 = ?", (sha256,)).fetchone() is None:
        connection.execute(
            "INSERT INTO artifact (sha256, size_bytes, data) VALUES (?, ?, ?)",
            (sha256, len(data), data),
        )


def _require_hash(sha256: str, data: bytes, what: str) -> None:
    actual = hashlib.sha256(data).hexdigest()
    if actual != sha256:
        raise LedgerError(
            f"{what} is not what its hash says: SHA-256 of its {len(data)} bytes is {actual}.",
            "Do not use these bytes; evaluate the candidate again, or restore a copy.",
        )


def _require_file(path: Path) -> None:
    """Refuse what cannot be a ledger, before SQLite touches it."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise LedgerError(
            f"There is no ledger at {path}: {error.strerror}.",
            "Check the path; `munas search EXPERIMENT --ledger PATH` begins a new one.",
        ) from error
    if not stat.S_ISREG(mode):
        raise LedgerError(f"{path} is not a file, so not a ledger.", "Give the ledger's file.")
