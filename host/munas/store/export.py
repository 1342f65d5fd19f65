"""A ledger's tables in the formats that they are exported in: CSV, Parquet or JSON.

This module knows tables, neither the ledger nor files.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

from munas.errors import BadInputError
from munas.store.views import COLUMNS, to_frame

ExportFormat = Literal["csv", "parquet", "json"]


def encode(
    table: Sequence[Mapping[str, Any]],
    kind: ExportFormat,
    columns: Mapping[str, str] = COLUMNS,
) -> bytes:
    """The table in one of the formats; JSON is a list of records, null where nothing is known.

    `columns` are its names and pandas types.
    Raises BadInputError on an unknown format.
    """
    if kind == "json":
        return (json.dumps(list(table), indent=1, allow_nan=False) + "\n").encode()
    if kind == "csv":
        return to_frame(table, columns).to_csv(index=False).encode()
    if kind == "parquet":
        buffer = io.BytesIO()
        to_frame(table, columns).to_parquet(buffer, engine="pyarrow", index=False)
        return buffer.getvalue()
    raise BadInputError(
        f"There is no export format `{kind}`.",
        f"Choose one of: {', '.join(get_args(ExportFormat))}.",
    )
