"""The measurement object: everything that is known of one model on one board with one engine."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from munas.units import Latency, LatencySource, Memory, MemorySource


@dataclass(frozen=True)
class StandIn:
    """The board that an emulated one takes the place of; cycles become microseconds at its clock.

    The emulated core models no flash stalls, so its cycles do not depend on the clock.
    """

    board: str
    clock_hz: int


@dataclass(frozen=True)
class OperatorCost:
    """One operator in execution order. `cycles` includes what taking its time costs."""

    name: str
    cycles: int
    macs: int


@dataclass(frozen=True)
class Measurement:
    """One measurement, or what went wrong with it (`error`, the values then null).

    Cycles are of the core clock `clock_hz`: that of the board `stands_for`, where an emulated one
    takes the place of another. On an emulated board they are a model's, without flash
    stalls, and off by about `model_error_percent` (null where that was never checked).
    `cycles_samples` are raw and include the few cycles that reading the counter costs. `ci95_us` is
    the half-width of the 95 % confidence interval of the mean. Arena head and tail are null for an
    engine without them. `flash_bytes` is engine, firmware and model together. `engine` is null
    where a given firmware never said which it has.
    """

    model: str
    model_sha256: str
    board: str
    unit: str
    engine: str | None = None
    engine_revision: str | None = None
    kernels: str | None = None
    firmware_sha256: str | None = None
    compiler: str | None = None
    flags: str | None = None
    clock_hz: int | None = None
    source: Literal["silicon", "emulated", "simulated"] = "emulated"
    cycles: int | None = None
    flash_stall_cycles: int | None = None
    model_error_percent: float | None = None
    cycles_samples: tuple[int, ...] = ()
    latency_us: int | None = None
    ci95_us: float | None = None
    repeats: int = 0
    warmup: int = 0
    arena_used_bytes: int | None = None
    arena_head_bytes: int | None = None
    arena_tail_bytes: int | None = None
    arena_minimum_bytes: int | None = None
    arena_region: str | None = None
    weights_region: str | None = None
    flash_bytes: int | None = None
    stack_bytes: int | None = None
    placement: Literal["ram", "flash", "image"] | None = None
    outputs_match: bool | None = None
    outputs_crc32: str | None = None
    oracle_note: str | None = None
    operators: tuple[OperatorCost, ...] = field(default=())
    error: dict[str, str] | None = None
    stands_for: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """The JSON form; `oracle_note` and `stands_for` only where there is one."""
        document = asdict(self)
        for name in ("oracle_note", "stands_for"):
            if document[name] is None:
                del document[name]
        return document

    def latency(self, macs: int) -> Latency:
        """The latency as a value that carries its source."""
        return Latency(
            latency_us=self.latency_us,
            source=LatencySource(self.source),
            macs=macs,
            cycles=self.cycles,
            ci95_us=self.ci95_us,
            count=self.repeats,
            error_percent=self.model_error_percent,
            board=self.board,
            unit=self.unit,
            engine=self.engine,
            firmware_sha256=self.firmware_sha256,
            model_sha256=self.model_sha256,
        )

    def arena(self) -> Memory | None:
        """The arena as a value that carries its source."""
        if self.arena_used_bytes is None:
            return None
        return Memory(
            memory_bytes=self.arena_used_bytes,
            source=MemorySource(self.source),
            board=self.board,
            unit=self.unit,
            engine=self.engine,
            firmware_sha256=self.firmware_sha256,
            model_sha256=self.model_sha256,
        )
