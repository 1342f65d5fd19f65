"""The SQL of rows: inserting one, reading all.

Table and column names come from the row classes alone, never from a person's input.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Any

from munas.store.rows import R, Row, columns, from_values, to_values

_REVISED = (
    "status", "latency_us", "latency_source", "arena_used_bytes", "arena_source", "board", "engine",
    "error",
)  # fmt: skip
_CURRENT = ", ".join(
    f"CASE WHEN revision_id IS NULL THEN result.{name} ELSE revision.{name} END AS {name}"
    for name in _REVISED
)
_NEWEST_REVISION = """
    LEFT JOIN revision ON revision_id = (
        SELECT max(revision_id) FROM revision AS each
        WHERE each.candidate_id = result.candidate_id AND each.rung = result.rung)"""

# One line per result, in the order of writing, with its newest revision. `test_accuracy_int8` is
# that of the candidate's own network; where only networks trained anew were tested, their mean.
TABLE_QUERY = f"""
    WITH current AS (
        SELECT
            result_id, result.candidate_id, result.rung, epochs, val_accuracy_int8, flash_bytes,
            val_accuracy_float, macs, peak_memory_bytes, model_size_bytes, finished_at, {_CURRENT}
        FROM result {_NEWEST_REVISION}
    )
    SELECT
        candidate_id, architecture_sha256, parent_id, morphism, status, rung, epochs,
        val_accuracy_int8, test.accuracy AS test_accuracy_int8,
        latency_us, latency_source, arena_used_bytes, arena_source,
        coalesce(current.peak_memory_bytes, candidate.peak_memory_bytes) AS peak_memory_bytes,
        coalesce(current.model_size_bytes, candidate.model_size_bytes) AS model_size_bytes,
        flash_bytes, coalesce(current.macs, candidate.macs) AS macs, board, engine,
        json_extract(error, '$.name') || ': ' || json_extract(error, '$.message') AS error,
        finished_at AS created_at, val_accuracy_float, candidate.sparsity
    FROM current
    JOIN candidate USING (candidate_id)
    LEFT JOIN (
        SELECT
            candidate_id,
            coalesce(
                max(CASE WHEN seed IS NULL THEN test_accuracy_int8 END), avg(test_accuracy_int8)
            ) AS accuracy
        FROM final GROUP BY candidate_id
    ) AS test USING (candidate_id)
    ORDER BY result_id"""

# By the result of the highest rung that each candidate has reached.
STATUS_QUERY = f"""
    SELECT coalesce(revision.status, result.status) AS now, count(*) FROM result {_NEWEST_REVISION}
    WHERE result.rung = (SELECT max(rung) FROM result AS other
                         WHERE other.candidate_id = result.candidate_id)
    GROUP BY now"""

PENDING = "WHERE NOT EXISTS (SELECT 1 FROM result WHERE candidate_id = candidate.candidate_id)"


def insert(connection: sqlite3.Connection, row: Row) -> None:
    """Add one row to its table. Raises sqlite3.Error, or LedgerError where a value is not JSON."""
    names = columns(type(row))
    connection.execute(
        f"INSERT INTO {row.table} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})",
        to_values(row),
    )


def select(
    connection: sqlite3.Connection, kind: type[R], rest: str = "", values: tuple[Any, ...] = ()
) -> Iterator[R]:
    """The rows of a kind; `rest` are the clauses after the table's name."""
    query = f"SELECT {', '.join(columns(kind))} FROM {kind.table} {rest}"
    return (from_values(kind, found) for found in connection.execute(query, values))
