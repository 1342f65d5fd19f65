"""Triggers that make a table append-only, whatever program writes to the file."""

from __future__ import annotations

import sqlite3


def append_only(connection: sqlite3.Connection, table: str, *keys: tuple[str, ...]) -> None:
    """Refuse UPDATE and DELETE on `table`, and REPLACE of a row with one of the same key.

    `keys` are the table's unique keys. REPLACE needs its own trigger: the deletion within it fires
    none.
    """
    for action in ("UPDATE", "DELETE"):
        connection.execute(
            f"CREATE TRIGGER {table}_refuses_{action.lower()} BEFORE {action} ON {table} "
            f"BEGIN SELECT RAISE(ABORT, 'rows of {table} are never changed'); END"
        )
    same = " OR ".join(
        "(" + " AND ".join(f"{column} IS NEW.{column}" for column in key) + ")" for key in keys
    )
    connection.execute(
        f"CREATE TRIGGER {table}_refuses_replace BEFORE INSERT ON {table} "
        f"WHEN EXISTS (SELECT 1 FROM {table} WHERE {same}) "
        f"BEGIN SELECT RAISE(ABORT, '{table} has this row already'); END"
    )
