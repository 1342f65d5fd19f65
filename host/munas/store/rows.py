"""The rows of a ledger as frozen records, and how they become columns.

A field's name is its column's name. Structured values are kept as JSON text with sorted keys, so
equal values are equal texts. This module knows the rows, not the tables that hold them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from typing import Any, ClassVar, Literal, TypeVar

from munas.errors import LedgerError

Json = Mapping[str, Any]
Status = Literal["ok", "infeasible", "failed"]


def utc_now() -> str:
    """The time as every row keeps it: ISO 8601, UTC, milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row of the table `table`."""

    table: ClassVar[str]
    json_columns: ClassVar[frozenset[str]] = frozenset()


@dataclass(frozen=True, kw_only=True)
class RunInfo(Row):
    """What a run is: one row per ledger.

    `experiment` is the whole experiment file as plain values; the views read its `bounds`.
    `identity` is what a resumed run must share with the first: seed, workers, lag, latency source,
    board, engine, data set hash, package versions.
    """

    table: ClassVar[str] = "run"
    json_columns: ClassVar[frozenset[str]] = frozenset({"experiment", "identity"})

    name: str
    experiment: Json
    identity: Json
    command: str
    created_at: str = field(default_factory=utc_now)


@dataclass(frozen=True, kw_only=True)
class CandidateRow(Row):
    """One architecture that the search asked for; `candidate_id` is the ask order, from 1.

    The resources are those of the architecture as asked, before any pruning; `sparsity` is the
    share of channels that pruning is to take, null where nothing is pruned.
    """

    table: ClassVar[str] = "candidate"
    json_columns: ClassVar[frozenset[str]] = frozenset({"architecture"})

    candidate_id: int
    architecture: Json
    architecture_sha256: str
    macs: int
    peak_memory_bytes: int
    model_size_bytes: int
    parent_id: int | None = None
    morphism: str | None = None
    sparsity: float | None = None
    asked_at: str = field(default_factory=utc_now)


@dataclass(frozen=True, kw_only=True)
class ResultRow(Row):
    """What became of a candidate at one rung (fidelity step, from 0).

    `evaluation` is what the search is told; `error` is `MunasError.as_dict()`; `stage_s` gives
    seconds by stage. A latency or arena figure never comes without its source. `macs`,
    `peak_memory_bytes`, `model_size_bytes` and `architecture` are given only where the network that
    was converted and measured differs from the candidate's architecture (pruning).
    """

    table: ClassVar[str] = "result"
    json_columns: ClassVar[frozenset[str]] = frozenset(
        {"architecture", "evaluation", "error", "stage_s"}
    )

    candidate_id: int
    status: Status
    rung: int = 0
    evaluation: Json = field(default_factory=dict)
    epochs: int | None = None
    val_accuracy_int8: float | None = None
    val_accuracy_float: float | None = None
    latency_us: int | None = None
    latency_source: str | None = None
    arena_used_bytes: int | None = None
    arena_source: str | None = None
    flash_bytes: int | None = None
    macs: int | None = None
    peak_memory_bytes: int | None = None
    model_size_bytes: int | None = None
    architecture: Json | None = None
    board: str | None = None
    engine: str | None = None
    model_sha256: str | None = None
    weights_sha256: str | None = None
    error: Json | None = None
    stage_s: Json = field(default_factory=dict)
    finished_at: str = field(default_factory=utc_now)


RevisionReason = Literal["board-lost", "canary-moved", "rank-open"]


@dataclass(frozen=True, kw_only=True)
class RevisionRow(Row):
    """New latency and arena of a result, which take the place of the old ones from then on.

    `asked` is how many candidates had been asked for when it took effect: candidates after it
    descend from the revised values, those before it from the old ones.
    """

    table: ClassVar[str] = "revision"
    json_columns: ClassVar[frozenset[str]] = frozenset({"evaluation", "error"})

    candidate_id: int
    asked: int
    reason: RevisionReason
    status: Status
    rung: int = 0
    evaluation: Json = field(default_factory=dict)
    latency_us: int | None = None
    latency_source: str | None = None
    arena_used_bytes: int | None = None
    arena_source: str | None = None
    board: str | None = None
    engine: str | None = None
    error: Json | None = None
    created_at: str = field(default_factory=utc_now)

    def applied_to(self, result: ResultRow) -> ResultRow:
        """The result with what was revised."""
        revised = (
            "status", "evaluation", "latency_us", "latency_source", "arena_used_bytes",
            "arena_source", "board", "engine", "error",
        )  # fmt: skip
        return replace(result, **{name: getattr(self, name) for name in revised})


@dataclass(frozen=True, kw_only=True)
class MeasurementRow(Row):
    """One measurement object, of a candidate or of a model from elsewhere (`candidate_id` null)."""

    table: ClassVar[str] = "measurement"
    json_columns: ClassVar[frozenset[str]] = frozenset({"measurement"})

    measurement: Json
    source: str
    board: str
    engine: str
    candidate_id: int | None = None
    created_at: str = field(default_factory=utc_now)


@dataclass(frozen=True, kw_only=True)
class FinalRow(Row):
    """Test accuracy of a front candidate.

    `seed` is null for the candidate's own network and otherwise that of a network trained anew;
    the accuracies `tuned` are of that network after it was tuned for int8, where it was.
    """

    table: ClassVar[str] = "final"

    candidate_id: int
    test_accuracy_int8: float
    seed: int | None = None
    val_accuracy_int8: float | None = None
    val_accuracy_float: float | None = None
    model_sha256: str | None = None
    tuned_test_accuracy_int8: float | None = None
    tuned_val_accuracy_int8: float | None = None
    tuned_model_sha256: str | None = None
    created_at: str = field(default_factory=utc_now)


@dataclass(frozen=True, kw_only=True)
class EventRow(Row):
    """Something that happened to the run: `started`, `resumed`, `interrupted`, `finished`, …"""

    table: ClassVar[str] = "event"
    json_columns: ClassVar[frozenset[str]] = frozenset({"detail"})

    kind: str
    detail: Json = field(default_factory=dict)
    created_at: str = field(default_factory=utc_now)


R = TypeVar("R", bound=Row)


def columns(kind: type[Row]) -> tuple[str, ...]:
    """The columns of a kind of row, in the order of its fields."""
    return tuple(entry.name for entry in fields(kind))


def to_values(row: Row) -> tuple[Any, ...]:
    """The values of a row in the order of `columns`.

    Raises LedgerError when a structured value is not JSON (NaN and infinities are not).
    """
    return tuple(_encode(row, name) for name in columns(type(row)))


def _encode(row: Row, name: str) -> Any:
    value = getattr(row, name)
    if name not in row.json_columns or value is None:
        return value
    try:
        return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise LedgerError(
            f"`{name}` of a {row.table} row cannot be kept as JSON: {error}.",
            "Give plain values only: numbers that are finite, texts, lists and tables.",
        ) from error


def from_values(kind: type[R], values: tuple[Any, ...]) -> R:
    """The row whose `to_values` are `values`; JSON lists come back as lists."""
    pairs = zip(columns(kind), values, strict=True)
    return kind(
        **{
            name: json.loads(value) if name in kind.json_columns and value is not None else value
            for name, value in pairs
        }
    )
