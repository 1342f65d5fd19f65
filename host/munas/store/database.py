"""Connections and transactions on a ledger's file, and what SQLite's faults mean to a person.

This module knows files and locks, not tables.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from munas.errors import LedgerError

BUSY_TIMEOUT_MS = 30_000

# By SQLite's primary result code: what is wrong with the file, and the mend.
_FAULTS = {
    sqlite3.SQLITE_BUSY: (
        "is locked by another process",
        "Close what holds it (another munas, a database browser), then try again.",
    ),
    sqlite3.SQLITE_READONLY: (
        "cannot be written",
        "Make the file and its folder writable, or work on a copy of the file.",
    ),
    sqlite3.SQLITE_CANTOPEN: (
        "cannot be opened",
        "Check that its folder exists and that both can be written, or work on a copy of the file.",
    ),
    sqlite3.SQLITE_FULL: (
        "cannot grow, the disk is full",
        "Free some space, then try again; nothing was half-written, and a run can be resumed.",
    ),
    sqlite3.SQLITE_IOERR: (
        "cannot be read or written, the disk reports an error",
        "Check the disk and its free space; a ledger must lie on a local disk.",
    ),
    sqlite3.SQLITE_NOTADB: (
        "is not a ledger of munas",
        "Check the path; a ledger is what `munas search --ledger` writes.",
    ),
    sqlite3.SQLITE_CORRUPT: (
        "is damaged",
        "Restore it from a copy, or save its rows with: sqlite3 FILE .recover",
    ),
    sqlite3.SQLITE_CONSTRAINT: (
        "refuses a row",
        "Nothing was written. Rows must refer to rows that exist and are never changed.",
    ),
}


def ledger_fault(path: Path, error: sqlite3.Error) -> LedgerError:
    """What a fault that SQLite reports means for the ledger at `path`."""
    what, mend = _FAULTS.get(
        error.sqlite_errorcode & 0xFF,
        (
            "cannot be used",
            "If it should be whole, check it with: sqlite3 FILE 'PRAGMA quick_check'",
        ),
    )
    return LedgerError(f"The ledger {path} {what} ({error}).", mend)


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn what SQLite reports inside into LedgerErrors; misuse of the connection raises as is."""
    try:
        yield
    except sqlite3.Error as error:
        if not hasattr(error, "sqlite_errorcode"):
            raise
        raise ledger_fault(path, error) from error


def connect(
    path: Path, *, create: bool = False, busy_timeout_ms: int = BUSY_TIMEOUT_MS
) -> sqlite3.Connection:
    """A connection without implicit transactions; writes nothing to an existing file.

    Raises sqlite3.Error.
    """
    uri = f"{path.resolve().as_uri()}?mode={'rwc' if create else 'rw'}"
    connection = sqlite3.connect(
        uri, uri=True, timeout=busy_timeout_ms / 1000, isolation_level=None
    )
    connection.execute("PRAGMA foreign_keys = ON")
    # FULL, not NORMAL: a row stands for seconds to hours of work, so one fsync per commit costs
    # nothing beside it, and a power cut loses no finished candidate.
    connection.execute("PRAGMA synchronous = FULL")
    return connection


def use_write_ahead_log(connection: sqlite3.Connection, path: Path) -> None:
    """Let readers and one writer work at once. Raises LedgerError where the disk cannot."""
    mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
    if mode != "wal":
        raise LedgerError(
            f"The ledger {path} lies where processes cannot share it (journal mode {mode}).",
            "Put the ledger on a local disk.",
        )


@contextmanager
def transaction(
    connection: sqlite3.Connection, kind: Literal["IMMEDIATE", "DEFERRED"]
) -> Iterator[None]:
    """All or nothing. IMMEDIATE waits for the write lock; DEFERRED is one snapshot for reading."""
    try:
        connection.execute(f"BEGIN {kind}")
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # a full disk can end the transaction by itself
            connection.execute("ROLLBACK")
        raise
