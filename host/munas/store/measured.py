"""The measurements table: every measurement of a ledger as a flat record.

Pure functions over rows. This module knows the columns that scripts rely on, not the file that the
rows come from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from munas.store.rows import CandidateRow, MeasurementRow

_OF_CANDIDATE: Mapping[str, str] = {
    "architecture_sha256": "string",
    "macs": "Int64",
    "peak_memory_bytes": "Int64",
    "model_size_bytes": "Int64",
}
# As a measurement object has them; see docs/measuring.md. Check and commit are of a history.
_OF_MEASUREMENT: Mapping[str, str] = {
    "check": "Int64",
    "commit": "string",
    "model": "string",
    "model_sha256": "string",
    "unit": "string",
    "engine_revision": "string",
    "firmware_sha256": "string",
    "clock_hz": "Int64",
    "cycles": "Int64",
    "latency_us": "Int64",
    "ci95_us": "float64",
    "model_error_percent": "float64",
    "repeats": "Int64",
    "arena_used_bytes": "Int64",
    "flash_bytes": "Int64",
    "stack_bytes": "Int64",
    "outputs_match": "boolean",
    "outputs_crc32": "string",
}

# The measurements table: names, their order and their pandas types.
MEASUREMENT_COLUMNS: Mapping[str, str] = {
    "candidate_id": "Int64",
    **_OF_CANDIDATE,
    "board": "string",
    "engine": "string",
    "source": "string",
    **_OF_MEASUREMENT,
    "error": "string",
    "created_at": "string",
}


def measurements_table(
    rows: Sequence[MeasurementRow], candidates: Sequence[CandidateRow]
) -> list[dict[str, Any]]:
    """The table as plain records: one per measurement, in the order of writing, failed ones too.

    What a measurement or a candidate lacks is null, as are the candidate's columns of a model from
    elsewhere.
    """
    known = {row.candidate_id: row for row in candidates}
    table = []
    for row in rows:
        candidate = None if row.candidate_id is None else known.get(row.candidate_id)
        error = row.measurement.get("error")
        table.append(
            {
                "candidate_id": row.candidate_id,
                **{name: getattr(candidate, name, None) for name in _OF_CANDIDATE},
                "board": row.board,
                "engine": row.engine,
                "source": row.source,
                **{name: row.measurement.get(name) for name in _OF_MEASUREMENT},
                "error": error and f"{error['name']}: {error['message']}",
                "created_at": row.created_at,
            }
        )
    return table
