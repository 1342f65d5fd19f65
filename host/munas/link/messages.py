"""Every message of the link, defined once.

The host encodes and decodes from these classes; `munas.link.generate` writes the firmware's
`messages.h` from them. What their numbers mean is in `munas.link.kinds`, how they become bytes in
`munas.link.wire`; both can be imported from here. This module must not know how frames travel, nor
who speaks.
"""

from __future__ import annotations

from dataclasses import dataclass

from munas.link.kinds import (
    ENUMS,
    IDENTITY_STRINGS,
    MINIMUM_FRAME_CAPACITY,
    PROTOCOL_VERSION,
    UNSOLICITED,
    Cache,
    ErrorCode,
    FaultKind,
    MessageType,
    Region,
    ResetCause,
    ResetMode,
    Slot,
    Source,
    name_of,
)
from munas.link.wire import F32, I32, U8, U16, U32, U64, Message, Tail, field_formats

__all__ = [
    "ENUMS",
    "IDENTITY_STRINGS",
    "MESSAGES",
    "MINIMUM_FRAME_CAPACITY",
    "PROTOCOL_VERSION",
    "UNSOLICITED",
    "Booted",
    "Cache",
    "Chunk",
    "Error",
    "ErrorCode",
    "Fault",
    "FaultKind",
    "Hello",
    "Input",
    "InputProgress",
    "LoadBegin",
    "LoadData",
    "LoadEnd",
    "LoadProgress",
    "LoadReady",
    "Loaded",
    "Message",
    "MessageType",
    "Prepare",
    "Prepared",
    "Ran",
    "Read",
    "Region",
    "Reset",
    "ResetCause",
    "ResetMode",
    "Resetting",
    "Run",
    "Slot",
    "Source",
    "Statistics",
    "Stats",
    "Welcome",
    "field_formats",
    "name_of",
]


@dataclass(frozen=True)
class Hello(Message):
    """Who are you? The nonce comes back, so that an old answer is never taken for this one."""

    TYPE = MessageType.HELLO
    nonce: U64


@dataclass(frozen=True)
class Welcome(Message):
    """What the board is, in numbers; its strings are read as Source.IDENTITY."""

    TYPE = MessageType.WELCOME
    nonce: U64
    boots: U32
    reset_cause: U8
    last_fault: U8
    clock_hz: U32
    device_id: U32
    uid0: U32
    uid1: U32
    uid2: U32
    cache: U8
    flash_wait_states: U8
    arena_region: U8
    ram_slot_region: U8
    arena_address: U32
    arena_bytes: U32
    ram_slot_address: U32
    ram_slot_bytes: U32
    flash_slot_address: U32
    flash_slot_bytes: U32
    frame_capacity: U16
    window: U16
    models: U16
    max_repeats: U16
    max_operators: U16


@dataclass(frozen=True)
class Booted(Message):
    """Sent unasked when the firmware starts."""

    TYPE = MessageType.BOOTED
    boots: U32
    reset_cause: U8


@dataclass(frozen=True)
class LoadBegin(Message):
    """A model of `size_bytes` will come; a flash slot is erased before the answer."""

    TYPE = MessageType.LOAD_BEGIN
    slot: U8
    size_bytes: U32


@dataclass(frozen=True)
class LoadReady(Message):
    """The slot is ready; `window` frames may be under way at once."""

    TYPE = MessageType.LOAD_READY
    address: U32
    capacity_bytes: U32
    window: U16


@dataclass(frozen=True)
class LoadData(Message):
    """Model bytes from `offset` on. Any other offset than the next one changes nothing."""

    TYPE = MessageType.LOAD_DATA
    offset: U32
    data: Tail


@dataclass(frozen=True)
class LoadProgress(Message):
    """All bytes below `next_offset` stand in the slot."""

    TYPE = MessageType.LOAD_PROGRESS
    next_offset: U32


@dataclass(frozen=True)
class LoadEnd(Message):
    """All was sent; `crc` is the CRC-32 of the whole model."""

    TYPE = MessageType.LOAD_END
    crc: U32


@dataclass(frozen=True)
class Loaded(Message):
    """CRC-32 of what stands in the slot, read back."""

    TYPE = MessageType.LOADED
    crc: U32


@dataclass(frozen=True)
class Prepare(Message):
    """Get a model ready. `index` counts within the image; an `arena_limit_bytes` of 0 means all."""

    TYPE = MessageType.PREPARE
    slot: U8
    index: U16
    arena_limit_bytes: U32


@dataclass(frozen=True)
class Prepared(Message):
    """What the engine made of the model.

    Head and tail are 0 for an engine without them. Shapes have `rank` dimensions, the rest are 0.
    """

    TYPE = MessageType.PREPARED
    arena_used_bytes: U32
    arena_head_bytes: U32
    arena_tail_bytes: U32
    arena_bytes: U32
    operators: U16
    input_bytes: U32
    input_rank: U8
    input_dim0: U16
    input_dim1: U16
    input_dim2: U16
    input_dim3: U16
    input_scale: F32
    input_zero_point: I32
    output_bytes: U32
    output_rank: U8
    output_dim0: U16
    output_dim1: U16
    output_dim2: U16
    output_dim3: U16
    output_scale: F32
    output_zero_point: I32


@dataclass(frozen=True)
class Input(Message):
    """Input tensor bytes from `offset` on."""

    TYPE = MessageType.INPUT
    offset: U32
    data: Tail


@dataclass(frozen=True)
class InputProgress(Message):
    """How far the input tensor is filled."""

    TYPE = MessageType.INPUT_PROGRESS
    next_offset: U32


@dataclass(frozen=True)
class Run(Message):
    """Infer: `warmup` times unmeasured, `repeats` times measured; with `per_operator` once more.

    Not both may be 0, and neither more than the board's `max_repeats`.
    """

    TYPE = MessageType.RUN
    warmup: U16
    repeats: U16
    per_operator: U8


@dataclass(frozen=True)
class Ran(Message):
    """Done; the samples are read as Source.CYCLES and Source.OPERATOR_CYCLES.

    `empty_cycles` is what the measurement of an empty call costs; `profiled_cycles` is the whole
    of the profiled inference (0 without one).
    """

    TYPE = MessageType.RAN
    repeats: U16
    operators: U16
    empty_cycles: U64
    profiled_cycles: U64


@dataclass(frozen=True)
class Read(Message):
    """Fetch bytes of `source` from `offset` on."""

    TYPE = MessageType.READ
    source: U8
    offset: U32


@dataclass(frozen=True)
class Chunk(Message):
    """Bytes from the `offset` asked for; `total_bytes` is the length of the whole."""

    TYPE = MessageType.CHUNK
    total_bytes: U32
    offset: U32
    data: Tail


@dataclass(frozen=True)
class Stats(Message):
    """How is the board?"""

    TYPE = MessageType.STATS


@dataclass(frozen=True)
class Statistics(Message):
    """Stack high-water mark, flash wear, uptime and the last fault of this power-on."""

    TYPE = MessageType.STATISTICS
    stack_bytes: U32
    stack_used_bytes: U32
    flash_erases: U32
    uptime_cycles: U64
    corrupt_frames: U32
    fault_kind: U8
    fault_pc: U32
    fault_lr: U32
    fault_psr: U32
    fault_cfsr: U32
    fault_hfsr: U32
    fault_address: U32


@dataclass(frozen=True)
class Reset(Message):
    """Restart the board."""

    TYPE = MessageType.RESET
    mode: U8


@dataclass(frozen=True)
class Resetting(Message):
    """The board restarts now."""

    TYPE = MessageType.RESETTING


@dataclass(frozen=True)
class Error(Message):
    """The request was refused. `detail` is a number that goes with `code`; `text` explains."""

    TYPE = MessageType.ERROR
    code: U16
    detail: U32
    text: Tail


@dataclass(frozen=True)
class Fault(Message):
    """The board broke down over the request and has restarted."""

    TYPE = MessageType.FAULT
    kind: U8
    pc: U32
    lr: U32
    psr: U32
    cfsr: U32
    hfsr: U32
    address: U32


MESSAGES: dict[MessageType, type[Message]] = {
    message.TYPE: message for message in Message.__subclasses__()
}
