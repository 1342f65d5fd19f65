"""Views of a ledger's rows: what is feasible, what is on the front, and the candidates table.

Pure functions over plain rows; pandas only where a frame is asked for. This module knows the
columns that scripts rely on, not the file that the rows come from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf
from typing import TYPE_CHECKING, Any

from munas.errors import LedgerError
from munas.units import MEASURED

if TYPE_CHECKING:
    import pandas as pd

# The candidates table: names, their order and their pandas types.
COLUMNS: Mapping[str, str] = {
    "candidate_id": "Int64",
    "architecture_sha256": "string",
    "parent_id": "Int64",
    "morphism": "string",
    "status": "string",
    "rung": "Int64",
    "epochs": "Int64",
    "val_accuracy_int8": "float64",
    "test_accuracy_int8": "float64",
    "latency_us": "Int64",
    "latency_source": "string",
    "arena_used_bytes": "Int64",
    "arena_source": "string",
    "peak_memory_bytes": "Int64",
    "model_size_bytes": "Int64",
    "flash_bytes": "Int64",
    "macs": "Int64",
    "feasible": "bool",
    "on_front": "bool",
    "board": "string",
    "engine": "string",
    "error": "string",
    "created_at": "string",
    "val_accuracy_float": "float64",
    "sparsity": "float64",
}

_RESOURCES = (
    "latency_us",
    "macs",
    "arena_used_bytes",
    "peak_memory_bytes",
    "model_size_bytes",
    "flash_bytes",
)

# 1 - 0.7 is a little more than 0.3 in floats; an accuracy of 0.7 satisfies an error bound of 0.3.
_FLOAT_SLACK = 1e-12

Record = Mapping[str, Any]
Vector = tuple[float, ...]


def pareto_front(vectors: Sequence[Vector]) -> list[bool]:
    """Which vectors no other one dominates; smaller is better in every place.

    A vector dominates another when it is nowhere larger and somewhere smaller, so equal vectors
    are on the front together. All vectors have one length; values are finite.
    """
    front: list[Vector] = []
    # In lexicographic order a vector can be dominated by earlier ones only.
    for vector in sorted(set(vectors)):
        if not any(_nowhere_larger(other, vector) for other in front):
            front.append(vector)
    kept = set(front)
    return [vector in kept for vector in vectors]


def dominates(one: Vector, other: Vector) -> bool:
    """Whether `one` is nowhere larger and somewhere smaller."""
    return one != other and _nowhere_larger(one, other)


def vector_of(row: Record, bounds: Mapping[str, float]) -> Vector:
    """What a row with a latency is ranked by; what it lacks is infinite."""
    names = ("error", *(name for name in _RESOURCES if name in {*bounds, "macs", "latency_us"}))
    values = [_quantity(row, name) for name in names]
    return tuple(inf if value is None else value for value in values)


def _nowhere_larger(one: Vector, other: Vector) -> bool:
    return all(a <= b for a, b in zip(one, other, strict=True))


def given_bounds(experiment: Record) -> dict[str, float]:
    """The bounds that the experiment sets, by quantity; raises LedgerError on an unknown one."""
    bounds = {
        name: value for name, value in (experiment.get("bounds") or {}).items() if value is not None
    }
    unknown = sorted(bounds.keys() - {"error", *_RESOURCES})
    if unknown:
        raise LedgerError(
            f"The ledger's experiment bounds `{unknown[0]}`, which this munas does not know.",
            "Upgrade munas: pip install --upgrade munas",
        )
    return bounds


def _quantity(row: Record, name: str) -> float | None:
    if name != "error":
        return row[name]  # type: ignore[no-any-return]
    accuracy = row["val_accuracy_int8"]
    return None if accuracy is None else 1 - accuracy


def is_feasible(row: Record, bounds: Mapping[str, float]) -> bool:
    """Whether the row is `ok` and satisfies every bound; an unknown value satisfies none."""
    if row["status"] != "ok":
        return False
    for name, bound in bounds.items():
        value = _quantity(row, name)
        if value is None or value > bound + (_FLOAT_SLACK if name == "error" else 0):
            return False
    return True


def on_front(
    rows: Sequence[Record], bounds: Mapping[str, float], *, spared: bool = False
) -> list[bool]:
    """Which rows no other feasible row beats; rows in the order in which they were written.

    Ranked are the error (1 - `val_accuracy_int8`), every bounded resource, MACs, and latency where
    there is one; a row that lacks one of them is not on the front. Values of different sources or
    rungs are never ranked together: only rows of the highest rung that any `ok` row has reached
    take part, and of those only the ones with the source of the newest (the run's current source);
    the same holds for the arena's source where the arena is bounded. In a run that `spared`
    candidates their measurement, the source is that of the newest measured one.
    """
    ranked = _comparable(rows, bounds, spared)
    names = ["error", *(name for name in _RESOURCES if name in bounds or name == "macs")]
    if "latency_us" not in names and any(rows[i]["latency_us"] is not None for i in ranked):
        names.append("latency_us")
    vectors: dict[int, Vector] = {}
    for index in ranked:
        values = [_quantity(rows[index], name) for name in names]
        known = tuple(value for value in values if value is not None)
        if len(known) == len(names):
            vectors[index] = known
    kept = dict(zip(vectors, pareto_front(list(vectors.values())), strict=True))
    return [kept.get(index, False) for index in range(len(rows))]


def _comparable(rows: Sequence[Record], bounds: Mapping[str, float], spared: bool) -> list[int]:
    """The feasible rows whose values may be ranked together, by index."""
    same = ["rung", "latency_source", *(["arena_source"] if "arena_used_bytes" in bounds else [])]
    finished = [row for row in rows if row["status"] == "ok"]
    if not finished:
        return []
    highest = max(row["rung"] for row in finished)
    reached = [row for row in finished if row["rung"] == highest]
    measured = [row for row in reached if row["latency_source"] in MEASURED]
    newest = (measured if spared and measured else reached)[-1]
    return [
        index
        for index, row in enumerate(rows)
        if is_feasible(row, bounds) and all(row[name] == newest[name] for name in same)
    ]


def candidates_table(rows: Sequence[Record], experiment: Record) -> list[dict[str, Any]]:
    """The candidates table as plain records: one per result, by candidate and rung.

    `rows` hold the columns but `feasible` and `on_front`, in the order in which they were written.
    `test_accuracy_int8` is kept for the front only.
    """
    bounds = given_bounds(experiment)
    table = []
    spared = (experiment.get("latency") or {}).get("measure") == "undecided"
    for row, front in zip(rows, on_front(rows, bounds, spared=spared), strict=True):
        computed = {
            "feasible": is_feasible(row, bounds),
            "on_front": front,
            "test_accuracy_int8": row["test_accuracy_int8"] if front else None,
        }
        table.append({name: computed.get(name, row.get(name)) for name in COLUMNS})
    return sorted(table, key=lambda row: (row["candidate_id"], row["rung"]))


def to_frame(table: Sequence[Record], columns: Mapping[str, str] = COLUMNS) -> pd.DataFrame:
    """The table as a frame with the types of `columns`, also where it is empty."""
    import pandas as pd

    return pd.DataFrame(
        {
            name: pd.Series([row[name] for row in table], dtype=kind)
            for name, kind in columns.items()
        }
    )
