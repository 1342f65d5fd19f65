"""Puts a measurement object together of what board, firmware and engine said.

Must not know how any of it was measured.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Any, Literal

from munas.boards.board import Board
from munas.firmware.image import FirmwareImage
from munas.latency.measurement import Measurement, StandIn
from munas.latency.repeats import Samples
from munas.link.client import Identity
from munas.link.messages import Prepared, Slot

_PLACEMENTS: dict[Slot, Literal["ram", "flash", "image"]] = {
    Slot.RAM: "ram",
    Slot.FLASH: "flash",
    Slot.IMAGE: "image",
}


@dataclass(frozen=True)
class Measured:
    """One model, prepared and run; `oracle_note` says why its answers could not be checked."""

    model: str
    model_sha256: str
    oracle_note: str | None
    samples: Samples
    prepared: Prepared
    slot: Slot


def describe(
    measured: Measured,
    board: Board,
    identity: Identity,
    image: FirmwareImage | None,
    stands_for: StandIn | None,
    **found: Any,
) -> Measurement:
    """The measurement object, times at the clock of the board that is stood for if any; `found` are
    further fields of it."""
    samples, prepared, abilities = measured.samples, measured.prepared, board.capabilities
    clock = stands_for.clock_hz if stands_for else identity.clock_hz
    exact = abilities.deterministic
    half_width = 0.0 if exact else samples.half_width
    # An engine without the two parts says 0 for both.
    parted = (
        measured.slot is not Slot.IMAGE and prepared.arena_head_bytes + prepared.arena_tail_bytes
    )
    return Measurement(
        model=measured.model,
        model_sha256=measured.model_sha256,
        board=board.type.name,
        unit=board.unit,
        engine=identity.engine,
        engine_revision=identity.engine_revision or None,
        kernels=identity.kernels or None,
        firmware_sha256=None if image is None else image.sha256,
        compiler=identity.compiler or None,
        flags=identity.flags or None,
        clock_hz=clock,
        source=abilities.source,
        cycles=samples.median,
        model_error_percent=abilities.model_error_percent,
        cycles_samples=samples.cycles,
        latency_us=round(samples.median * 1_000_000 / clock),
        ci95_us=None if half_width == inf else half_width * 1_000_000 / clock,
        repeats=len(samples.cycles),
        warmup=samples.warmup,
        arena_used_bytes=prepared.arena_used_bytes,
        arena_head_bytes=prepared.arena_head_bytes if parted else None,
        arena_tail_bytes=prepared.arena_tail_bytes if parted else None,
        arena_region=identity.arena_region,
        weights_region=identity.slot_region(measured.slot),
        placement=_PLACEMENTS[measured.slot],
        oracle_note=measured.oracle_note,
        stands_for=stands_for.board if stands_for else None,
        **found,
    )
