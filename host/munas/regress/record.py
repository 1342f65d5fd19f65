"""What was seen of one model with one firmware on one board, and of the firmware's image.

Plain values that can be kept as JSON and compared. Must not know how they were taken, nor what they
are compared for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from statistics import median
from typing import Any

from munas.latency.measurement import Measurement


@dataclass(frozen=True, order=True)
class Case:
    """What is compared with its like: a model on a board (a type) with an engine.

    `environment` is the PlatformIO environment whose firmware ran.
    """

    model: str
    board: str
    engine: str
    environment: str

    def __str__(self) -> str:
        built = "" if self.environment == self.board else f" ({self.environment})"
        return f"{self.model} · {self.board}{built} · {self.engine}"


@dataclass(frozen=True)
class Operator:
    name: str
    cycles: int
    macs: int


@dataclass(frozen=True)
class Image:
    """A firmware's image. Sizes in bytes; `models` are those in it (engine aot), by hash.

    `flash`, `ram` and `symbols` are empty where no ELF file was at hand (a firmware at a port).
    """

    sha256: str
    source_digest: str
    board: str
    engine: str
    engine_revision: str
    kernels: str
    compiler: str
    flags: str
    flash: Mapping[str, int] = field(default_factory=dict)
    ram: Mapping[str, int] = field(default_factory=dict)
    symbols: Mapping[str, int] = field(default_factory=dict)
    models: tuple[str, ...] = ()

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Image:
        return cls(**{**value, "models": tuple(value["models"])})


@dataclass(frozen=True)
class Record:
    """One case, measured.

    `cycles_runs` are raw samples in cycles, a list for each restart of the firmware; on a
    `deterministic` board one sample says it all. `image` is the image's hash. `unit` names the
    device: the probe's serial, or the chip's UID at a port.
    """

    case: Case
    model_sha256: str
    unit: str
    source: str
    deterministic: bool
    clock_hz: int
    cycles_runs: tuple[tuple[int, ...], ...]
    arena_used_bytes: int
    flash_bytes: int | None
    stack_bytes: int | None
    outputs_crc32: str
    outputs_match: bool | None
    operators: tuple[Operator, ...]
    image: str
    model_error_percent: float | None = None

    @property
    def cycles(self) -> int:
        """The median of the runs' medians."""
        return round(median(self.medians))

    @property
    def medians(self) -> list[float]:
        """The median of every run, in cycles."""
        return [float(median(run)) for run in self.cycles_runs]

    @property
    def latency_us(self) -> int:
        return round(self.cycles * 1_000_000 / self.clock_hz)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Record:
        return cls(
            **{
                **value,
                "case": Case(**value["case"]),
                "cycles_runs": tuple(tuple(run) for run in value["cycles_runs"]),
                "operators": tuple(Operator(**entry) for entry in value["operators"]),
            }
        )


@dataclass(frozen=True)
class Failure:
    """A case that could not be measured; `error` is MunasError.as_dict()."""

    case: Case
    error: Mapping[str, str]


@dataclass(frozen=True)
class Taken:
    """All that one pass over a suite gave. `images` are by hash."""

    records: Mapping[Case, Record]
    images: Mapping[str, Image]
    failures: tuple[Failure, ...] = ()

    def joined(self, other: Taken) -> Taken:
        """Both together; a case that both hold has the runs of both."""
        records = dict(self.records)
        for case, record in other.records.items():
            before = records.get(case)
            records[case] = record if before is None else with_runs(before, record)
        images = {**self.images, **other.images}
        return Taken(records, images, self.failures + other.failures)


def with_runs(record: Record, more: Record) -> Record:
    """The first record with the runs of both."""
    return replace(record, cycles_runs=record.cycles_runs + more.cycles_runs)


def record_of(
    case: Case,
    measured: list[Measurement],
    *,
    unit: str,
    deterministic: bool,
    image: str,
) -> Record:
    """One record of the measurements of all runs of a case (none failed)."""
    first = measured[0]
    assert first.clock_hz is not None
    assert first.arena_used_bytes is not None
    assert first.outputs_crc32 is not None
    return Record(
        case=case,
        model_sha256=first.model_sha256,
        unit=unit,
        source=first.source,
        deterministic=deterministic,
        clock_hz=first.clock_hz,
        cycles_runs=tuple(run.cycles_samples for run in measured),
        arena_used_bytes=first.arena_used_bytes,
        flash_bytes=first.flash_bytes,
        stack_bytes=max((run.stack_bytes or 0 for run in measured), default=0) or None,
        outputs_crc32=first.outputs_crc32,
        outputs_match=first.outputs_match,
        operators=tuple(Operator(each.name, each.cycles, each.macs) for each in first.operators),
        image=image,
        model_error_percent=first.model_error_percent,
    )
