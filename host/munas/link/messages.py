"""Every message of the link, defined once.

The host encodes and decodes from these classes; `munas.link.generate` writes the firmware's
`messages.h` from them. A message is a run of little-endian fixed-width fields and at most one
variable tail of bytes. This module must not know how frames travel, nor who speaks.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, fields
from enum import IntEnum, IntFlag
from typing import Annotated, Any, ClassVar, Self, get_type_hints

from munas.errors import TransportError

PROTOCOL_VERSION = 1
# The device answers with this sequence where no request could be read (corrupt frame, boot).
UNSOLICITED = 0xFFFF
# No device offers less room for a payload; a host may send this much before HELLO told more.
MINIMUM_FRAME_CAPACITY = 256

U8 = Annotated[int, "B"]
U16 = Annotated[int, "H"]
U32 = Annotated[int, "I"]
U64 = Annotated[int, "Q"]
I32 = Annotated[int, "i"]
F32 = Annotated[float, "f"]
Tail = Annotated[bytes, "tail"]


class MessageType(IntEnum):
    """The type byte of a frame: requests below 0x80, replies above."""

    HELLO = 0x01
    LOAD_BEGIN = 0x02
    LOAD_DATA = 0x03
    LOAD_END = 0x04
    PREPARE = 0x05
    INPUT = 0x06
    RUN = 0x07
    READ = 0x08
    STATS = 0x09
    RESET = 0x0A
    BOOTED = 0x80
    WELCOME = 0x81
    LOAD_READY = 0x82
    LOAD_PROGRESS = 0x83
    LOADED = 0x84
    PREPARED = 0x85
    INPUT_PROGRESS = 0x86
    RAN = 0x87
    CHUNK = 0x88
    STATISTICS = 0x89
    RESETTING = 0x8A
    ERROR = 0xE0
    FAULT = 0xF0


class Slot(IntEnum):
    """Where a model stands: loaded into RAM, loaded into flash, or compiled into the image."""

    RAM = 0
    FLASH = 1
    IMAGE = 2


class Source(IntEnum):
    """What READ fetches, chunk by chunk."""

    IDENTITY = 0  # the strings of IDENTITY_STRINGS, each ended by a NUL
    OPERATORS = 1  # operator names of the prepared model, each ended by a NUL
    OUTPUT = 2  # the raw int8 output tensor of the last run
    CYCLES = 3  # u64 per repeat of the last run
    OPERATOR_CYCLES = 4  # u64 per operator of the last profiled run
    MODELS = 5  # per model of the image: name, NUL, SHA-256 of its .tflite in hex, NUL


class ResetMode(IntEnum):
    """How RESET ends: cleanly, or in a fault on purpose, which proves the way back from one."""

    CLEAN = 0
    HARD_FAULT = 1
    WATCHDOG = 2


class ResetCause(IntEnum):
    """What started the firmware."""

    UNKNOWN = 0
    POWER = 1
    PIN = 2
    SOFTWARE = 3
    WATCHDOG = 4
    FAULT = 5


class FaultKind(IntEnum):
    """What went wrong so badly that the board had to restart."""

    NONE = 0
    HARD_FAULT = 1
    WATCHDOG = 2


class ErrorCode(IntEnum):
    """Why a request was refused; the board goes on."""

    CORRUPT_FRAME = 1
    BAD_VERSION = 2
    UNKNOWN_TYPE = 3
    BAD_LENGTH = 4
    BAD_VALUE = 5
    BAD_SLOT = 6
    DOES_NOT_FIT = 7
    NOT_LOADED = 8
    CRC_MISMATCH = 9
    BAD_MODEL = 10
    UNSUPPORTED_OPERATOR = 11
    ARENA_TOO_SMALL = 12
    TOO_MANY_OPERATORS = 13
    NOT_PREPARED = 14
    NO_INPUT = 15
    INVOKE_FAILED = 16
    FLASH_FAILED = 17
    BAD_INDEX = 18


class Cache(IntFlag):
    """Caches and accelerators that are on."""

    INSTRUCTION = 1
    DATA = 2
    PREFETCH = 4


class Region(IntEnum):
    """The kind of memory that the arena or a slot lies in."""

    SRAM = 0
    CCM = 1
    DTCM = 2
    AXI_SRAM = 3
    FLASH = 4
    HOST = 5


# What READ of IDENTITY returns, in this order.
IDENTITY_STRINGS = (
    "source_digest",
    "engine",
    "engine_revision",
    "kernels",
    "compiler",
    "flags",
    "mcu",
    "board",
)

ENUMS: tuple[type[IntEnum | IntFlag], ...] = (
    MessageType,
    Slot,
    Source,
    ResetMode,
    ResetCause,
    FaultKind,
    ErrorCode,
    Cache,
    Region,
)


def name_of(kind: type[IntEnum], value: int) -> str:
    """The name of a number that a peer sent, which may be one that is unknown here."""
    try:
        return kind(value).name
    except ValueError:
        return f"{kind.__name__} {value}"


def field_formats(message: type[Message]) -> list[tuple[str, str]]:
    """(name, struct code or "tail") of each field, in wire order."""
    hints = get_type_hints(message, include_extras=True)
    return [(f.name, hints[f.name].__metadata__[0]) for f in fields(message)]


@dataclass(frozen=True)
class Message:
    """Base of all messages; a subclass declares `TYPE` and its fields in wire order."""

    TYPE: ClassVar[MessageType]

    def encode(self) -> bytes:
        """The payload bytes."""
        layout, has_tail = _layout(type(self))
        values: list[Any] = [getattr(self, f.name) for f in fields(self)]
        tail: bytes = values.pop() if has_tail else b""
        return layout.pack(*values) + tail

    @classmethod
    def decode(cls, payload: bytes) -> Self:
        """The message in `payload`. Raises TransportError when the length does not fit."""
        layout, has_tail = _layout(cls)
        size = layout.size
        if len(payload) < size or (len(payload) > size and not has_tail):
            raise TransportError(
                f"A {cls.TYPE.name} message of {len(payload)} bytes came; "
                f"{'at least ' if has_tail else ''}{size} belong there.",
                "The firmware speaks another protocol: rebuild and flash it.",
            )
        values: list[Any] = [*layout.unpack(payload[:size])]
        if has_tail:
            values.append(payload[size:])
        return cls(**dict(zip((f.name for f in fields(cls)), values, strict=True)))


_LAYOUTS: dict[MessageType, tuple[struct.Struct, bool]] = {}


def _layout(message: type[Message]) -> tuple[struct.Struct, bool]:
    """The fixed fields' layout and whether a tail follows, worked out once per message."""
    if message.TYPE not in _LAYOUTS:
        codes = [code for _, code in field_formats(message)]
        has_tail = codes[-1:] == ["tail"]
        layout = struct.Struct("<" + "".join(codes[:-1] if has_tail else codes))
        _LAYOUTS[message.TYPE] = (layout, has_tail)
    return _LAYOUTS[message.TYPE]


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
    """Infer: `warmup` times unmeasured, `repeats` times measured; with `per_operator` once more."""

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
