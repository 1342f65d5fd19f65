"""Points as flat tables in files, CSV and Parquet, one row a point, units in the column names.

For spreadsheets and notebooks; the open data set (`munas.study.dataset`) keeps everything.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from munas.store.output import write_output
from munas.study.operators import WITH_MACS, OperatorKind, makeup_of
from munas.study.points import Point

if TYPE_CHECKING:
    import pandas as pd

_SHARES = {
    OperatorKind.FEW_CHANNELS: "macs_share_conv_few_channels",
    OperatorKind.CONV_1X1: "macs_share_conv_1x1",
    OperatorKind.CONV: "macs_share_conv_kxk",
    OperatorKind.DEPTHWISE: "macs_share_depthwise",
    OperatorKind.DENSE: "macs_share_dense",
}
# From the measurement object, with the type of the column.
_MEASURED = {
    "board": "string",
    "unit": "string",
    "engine": "string",
    "engine_revision": "string",
    "kernels": "string",
    "compiler": "string",
    "flags": "string",
    "source": "string",
    "clock_hz": "Int64",
    "cycles": "Int64",
    "flash_stall_cycles": "Int64",
    "latency_us": "Int64",
    "ci95_us": "Float64",
    "model_error_percent": "Float64",
    "repeats": "Int64",
    "arena_used_bytes": "Int64",
    "flash_bytes": "Int64",
    "stack_bytes": "Int64",
    "placement": "string",
    "arena_region": "string",
    "weights_region": "string",
}
COLUMNS: dict[str, str] = {
    "architecture_sha256": "string",
    "tflite_sha256": "string",
    **_MEASURED,
    "macs": "Int64",
    "model_size_bytes": "Int64",
    "tflite_bytes": "Int64",
    "peak_memory_bytes": "Int64",
    "peak_memory_with_input_bytes": "Int64",
    "largest_tensor_bytes": "Int64",
    "operator_count": "Int64",
    **dict.fromkeys((_SHARES[kind] for kind in WITH_MACS), "Float64"),
    "architecture": "string",
}
"""The columns and their pandas types; `architecture` is JSON text."""


def frame(points: Iterable[Point]) -> pd.DataFrame:
    """The points as a frame with exactly `COLUMNS`."""
    import pandas as pd

    rows = [_row(point) for point in points]
    return pd.DataFrame(
        {name: pd.Series([row[name] for row in rows], dtype=kind) for name, kind in COLUMNS.items()}
    )


def write_tables(folder: Path, points: Iterable[Point]) -> tuple[Path, Path]:
    """Write `points.csv` and `points.parquet` to `folder`, each whole or not at all.

    Raises BadInputError where they cannot be written.
    """
    table = frame(points)
    as_csv, as_parquet = folder / "points.csv", folder / "points.parquet"
    write_output(as_csv, table.to_csv(index=False).encode())
    buffer = io.BytesIO()
    table.to_parquet(buffer, engine="pyarrow", index=False)
    write_output(as_parquet, buffer.getvalue())
    return as_csv, as_parquet


def _row(point: Point) -> dict[str, Any]:
    makeup = makeup_of(point.architecture)
    return {
        "architecture_sha256": point.architecture_sha256,
        "tflite_sha256": point.model_sha256,
        **{name: point.measurement.get(name) for name in _MEASURED},
        "macs": point.macs,
        "model_size_bytes": point.model_size_bytes,
        "tflite_bytes": point.tflite_bytes,
        "peak_memory_bytes": point.peak_memory_bytes,
        "peak_memory_with_input_bytes": point.peak_memory_with_input_bytes,
        "largest_tensor_bytes": makeup.largest_tensor_bytes,
        "operator_count": len(makeup.operators),
        **{_SHARES[kind]: share for kind, share in makeup.shares.items()},
        "architecture": json.dumps(point.architecture, separators=(",", ":")),
    }
