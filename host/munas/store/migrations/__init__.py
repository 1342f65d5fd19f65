"""The schema's history: numbered steps, each in its own module, applied in one transaction.

Step n takes a ledger from version n - 1 to n; a ledger's version is SQLite's `user_version`. A
step that must rebuild a table drops that table's triggers first and puts them back with
`append_only`. A released step is never changed: a change is a new step.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path

from munas.errors import LedgerError
from munas.store.database import transaction
from munas.store.migrations import (
    v0001_first,
    v0002_revision,
    v0003_rank_open,
    v0004_fidelity,
)

APPLICATION_ID = 0x6D756E61  # "muna", by which the file is told from any other SQLite file

Step = Callable[[sqlite3.Connection], None]

STEPS: Sequence[Step] = (
    v0001_first.apply,
    v0002_revision.apply,
    v0003_rank_open.apply,
    v0004_fidelity.apply,
)


def version_of(connection: sqlite3.Connection) -> int:
    """The schema version of the file; 0 where nothing was made yet."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def require_ledger(connection: sqlite3.Connection, path: Path, steps: Sequence[Step]) -> None:
    """Refuse a file that is not a ledger, or one that a newer munas has written.

    Reads only. Raises LedgerError.
    """
    if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        raise LedgerError(
            f"The file {path} is not a ledger of munas.",
            "Check the path; a ledger is what `munas search --ledger` writes.",
        )
    version = version_of(connection)
    if version > len(steps):
        raise LedgerError(
            f"The ledger {path} has version {version}; this munas knows versions up to "
            f"{len(steps)}.",
            "Upgrade munas: pip install --upgrade munas",
        )


def upgrade(connection: sqlite3.Connection, path: Path, steps: Sequence[Step]) -> None:
    """Apply the steps that are missing, all in one transaction; rows stay.

    Raises sqlite3.Error or LedgerError, and then the ledger is as it was.
    """
    if version_of(connection) == len(steps):
        return
    # Rebuilding a table breaks references for a moment; they are checked before the commit.
    connection.execute("PRAGMA foreign_keys = OFF")
    try:
        with transaction(connection, "IMMEDIATE"):
            # Read again under the lock: another process may have been faster.
            for step in steps[version_of(connection) :]:
                step(connection)
            broken = connection.execute("PRAGMA foreign_key_check").fetchone()
            if broken is not None:
                raise LedgerError(
                    f"Bringing the ledger {path} to version {len(steps)} would break a reference "
                    f"in `{broken[0]}`.",
                    "The ledger is as it was. Please report this with the ledger.",
                )
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {len(steps)}")
    finally:
        connection.execute("PRAGMA foreign_keys = ON")
