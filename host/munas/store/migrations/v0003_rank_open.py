"""Version 3: a revision may come of a rank that a predicted latency left open."""

from __future__ import annotations

import sqlite3

from munas.store.migrations.append_only import append_only

_TABLE = """
    CREATE TABLE revision (
        revision_id INTEGER PRIMARY KEY,
        candidate_id INTEGER NOT NULL,
        rung INTEGER NOT NULL,
        asked INTEGER NOT NULL CHECK (asked >= candidate_id),
        reason TEXT NOT NULL CHECK (reason IN ('board-lost', 'canary-moved', 'rank-open')),
        status TEXT NOT NULL CHECK (status IN ('ok', 'infeasible', 'failed')),
        evaluation TEXT NOT NULL,
        latency_us INTEGER CHECK (latency_us IS NULL OR latency_source IS NOT NULL),
        latency_source TEXT CHECK (
            latency_source IN ('silicon', 'emulated', 'predicted', 'mac')),
        arena_used_bytes INTEGER CHECK (arena_used_bytes IS NULL OR arena_source IS NOT NULL),
        arena_source TEXT CHECK (arena_source IN ('silicon', 'emulated', 'host', 'model')),
        board TEXT,
        engine TEXT,
        error TEXT CHECK (status != 'failed' OR error IS NOT NULL),
        created_at TEXT NOT NULL,
        FOREIGN KEY (candidate_id, rung) REFERENCES result (candidate_id, rung)
    )"""


def apply(connection: sqlite3.Connection) -> None:
    """Rebuild the table with the new reason; rows stay as they are."""
    for action in ("update", "delete", "replace"):
        connection.execute(f"DROP TRIGGER revision_refuses_{action}")
    connection.execute("DROP INDEX revision_of")
    connection.execute("ALTER TABLE revision RENAME TO revision_2")
    connection.execute(_TABLE)
    connection.execute("INSERT INTO revision SELECT * FROM revision_2")
    connection.execute("DROP TABLE revision_2")
    connection.execute("CREATE INDEX revision_of ON revision (candidate_id, rung)")
    append_only(connection, "revision", ("revision_id",))
