"""Version 4: sparsity of candidates, pruned architectures, and more of finalists."""

from __future__ import annotations

import sqlite3

_COLUMNS = (
    ("candidate", "sparsity REAL CHECK (sparsity BETWEEN 0 AND 1)"),
    ("result", "architecture TEXT"),
    ("final", "val_accuracy_int8 REAL CHECK (val_accuracy_int8 BETWEEN 0 AND 1)"),
    ("final", "val_accuracy_float REAL CHECK (val_accuracy_float BETWEEN 0 AND 1)"),
    ("final", "model_sha256 TEXT"),
    ("final", "tuned_test_accuracy_int8 REAL CHECK (tuned_test_accuracy_int8 BETWEEN 0 AND 1)"),
    ("final", "tuned_val_accuracy_int8 REAL CHECK (tuned_val_accuracy_int8 BETWEEN 0 AND 1)"),
    ("final", "tuned_model_sha256 TEXT"),
)


def apply(connection: sqlite3.Connection) -> None:
    """Add the columns; rows that are there have nothing in them."""
    for table, column in _COLUMNS:
        connection.execute(f"ALTER TABLE {table} ADD COLUMN {column}")
