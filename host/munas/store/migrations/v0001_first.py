"""Version 1: the run, its candidates, results, measurements, finals, events and artifacts."""

from __future__ import annotations

import sqlite3

from munas.store.migrations.append_only import append_only

_TABLES = (
    """
    CREATE TABLE run (
        run_id INTEGER PRIMARY KEY CHECK (run_id = 1),
        name TEXT NOT NULL,
        experiment TEXT NOT NULL,
        identity TEXT NOT NULL,
        command TEXT NOT NULL,
        created_at TEXT NOT NULL
    )""",
    """
    CREATE TABLE candidate (
        candidate_id INTEGER PRIMARY KEY CHECK (candidate_id >= 1),
        architecture TEXT NOT NULL,
        architecture_sha256 TEXT NOT NULL,
        parent_id INTEGER REFERENCES candidate (candidate_id),
        morphism TEXT,
        macs INTEGER NOT NULL,
        peak_memory_bytes INTEGER NOT NULL,
        model_size_bytes INTEGER NOT NULL,
        asked_at TEXT NOT NULL
    )""",
    """
    CREATE TABLE result (
        result_id INTEGER PRIMARY KEY,
        candidate_id INTEGER NOT NULL REFERENCES candidate (candidate_id),
        rung INTEGER NOT NULL CHECK (rung >= 0),
        status TEXT NOT NULL CHECK (status IN ('ok', 'infeasible', 'failed')),
        evaluation TEXT NOT NULL,
        epochs INTEGER,
        val_accuracy_int8 REAL CHECK (val_accuracy_int8 BETWEEN 0 AND 1),
        val_accuracy_float REAL CHECK (val_accuracy_float BETWEEN 0 AND 1),
        latency_us INTEGER CHECK (latency_us IS NULL OR latency_source IS NOT NULL),
        latency_source TEXT CHECK (
            latency_source IN ('silicon', 'emulated', 'predicted', 'mac')),
        arena_used_bytes INTEGER CHECK (arena_used_bytes IS NULL OR arena_source IS NOT NULL),
        arena_source TEXT CHECK (arena_source IN ('silicon', 'emulated', 'host', 'model')),
        flash_bytes INTEGER,
        macs INTEGER,
        peak_memory_bytes INTEGER,
        model_size_bytes INTEGER,
        board TEXT,
        engine TEXT,
        model_sha256 TEXT,
        weights_sha256 TEXT,
        error TEXT CHECK (status != 'failed' OR error IS NOT NULL),
        stage_s TEXT NOT NULL,
        finished_at TEXT NOT NULL,
        UNIQUE (candidate_id, rung)
    )""",
    """
    CREATE TABLE measurement (
        measurement_id INTEGER PRIMARY KEY,
        candidate_id INTEGER REFERENCES candidate (candidate_id),
        measurement TEXT NOT NULL,
        source TEXT NOT NULL,
        board TEXT NOT NULL,
        engine TEXT NOT NULL,
        created_at TEXT NOT NULL
    )""",
    """
    CREATE TABLE final (
        final_id INTEGER PRIMARY KEY,
        candidate_id INTEGER NOT NULL REFERENCES candidate (candidate_id),
        seed INTEGER CHECK (seed >= 0),
        test_accuracy_int8 REAL NOT NULL CHECK (test_accuracy_int8 BETWEEN 0 AND 1),
        created_at TEXT NOT NULL
    )""",
    "CREATE UNIQUE INDEX final_once ON final (candidate_id, ifnull(seed, -1))",
    """
    CREATE TABLE event (
        event_id INTEGER PRIMARY KEY,
        kind TEXT NOT NULL,
        detail TEXT NOT NULL,
        created_at TEXT NOT NULL
    )""",
    """
    CREATE TABLE artifact (
        sha256 TEXT PRIMARY KEY NOT NULL,
        size_bytes INTEGER NOT NULL,
        data BLOB NOT NULL
    )""",
)


def apply(connection: sqlite3.Connection) -> None:
    """Make the tables in an empty file."""
    for statement in _TABLES:
        connection.execute(statement)
    append_only(connection, "run", ("run_id",))
    append_only(connection, "candidate", ("candidate_id",))
    append_only(connection, "result", ("result_id",), ("candidate_id", "rung"))
    append_only(connection, "measurement", ("measurement_id",))
    append_only(connection, "final", ("final_id",), ("candidate_id", "seed"))
    append_only(connection, "event", ("event_id",))
    append_only(connection, "artifact", ("sha256",))
