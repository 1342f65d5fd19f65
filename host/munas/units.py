"""Values that carry their unit, their source and their spread.

Every latency and every memory figure in munas is one of these small frozen records, so that a
number can never lose where it came from. Times and sizes are integers in the smallest unit
(microseconds, bytes, cycles); only ratios are floats.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from munas.errors import BadInputError


class LatencySource(StrEnum):
    """Where a latency comes from, best first."""

    SILICON = "silicon"
    EMULATED = "emulated"
    PREDICTED = "predicted"
    MAC = "mac"


MEASURED = frozenset({LatencySource.SILICON, LatencySource.EMULATED})
"""The sources that come from running the model, on a chip or on an emulated one."""


class MemorySource(StrEnum):
    """Where a RAM figure comes from.

    `host` is the arena of the tflite-micro wheel on x86-64 (a screen: the target's differs);
    `model` is the peak memory of the operator graph.
    """

    SILICON = "silicon"
    EMULATED = "emulated"
    HOST = "host"
    MODEL = "model"


@dataclass(frozen=True)
class Latency:
    """One latency.

    `latency_us` is null where the source cannot give time (MACs without a board's constants).
    `ci95_us` and `count` are null unless measured; `error_percent` is the known error of a model.
    """

    latency_us: int | None
    source: LatencySource
    macs: int
    cycles: int | None = None
    ci95_us: float | None = None
    count: int | None = None
    error_percent: float | None = None
    board: str | None = None
    unit: str | None = None
    engine: str | None = None
    firmware_sha256: str | None = None
    model_sha256: str | None = None


@dataclass(frozen=True)
class Memory:
    """One RAM figure in bytes, with its source."""

    memory_bytes: int
    source: MemorySource
    board: str | None = None
    unit: str | None = None
    engine: str | None = None
    firmware_sha256: str | None = None
    model_sha256: str | None = None


def require_one_source(sources: set[str], what: str) -> None:
    """Refuse to rank values of different sources together.

    Raises BadInputError when `sources` holds more than one entry.
    """
    if len(sources) > 1:
        raise BadInputError(
            f"{what} of different sources cannot be ranked together: {', '.join(sorted(sources))}.",
            "Re-score all candidates from one source, or compare them separately.",
        )


def format_bytes(count: int) -> str:
    """Bytes for people: exact below 1 KiB, one decimal of KiB above."""
    return f"{count} B" if count < 1024 else f"{count / 1024:.1f} KiB"
