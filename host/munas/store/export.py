"""Writes the candidates table to a file: CSV, Parquet or JSON.

The file appears whole or not at all. This module knows the table, not the ledger.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

from munas.errors import BadInputError
from munas.store.views import to_frame

ExportFormat = Literal["csv", "parquet", "json"]


def encode(table: Sequence[Mapping[str, Any]], kind: ExportFormat) -> bytes:
    """The table in one of the formats; JSON is a list of records, null where nothing is known.

    Raises BadInputError on an unknown format.
    """
    if kind == "json":
        return (json.dumps(list(table), indent=1, allow_nan=False) + "\n").encode()
    if kind == "csv":
        return to_frame(table).to_csv(index=False).encode()
    if kind == "parquet":
        buffer = io.BytesIO()
        to_frame(table).to_parquet(buffer, engine="pyarrow", index=False)
        return buffer.getvalue()
    raise BadInputError(
        f"There is no export format `{kind}`.",
        f"Choose one of: {', '.join(get_args(ExportFormat))}.",
    )


def write_atomically(path: Path, data: bytes) -> None:
    """Write beside `path`, then put it in its place. Raises BadInputError, leaving no trace."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        try:
            with beside.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(path)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise BadInputError(
            f"The file {path} cannot be written: {error.strerror}.",
            "Give a file in a folder that exists and can be written, on a disk with free space.",
        ) from error
