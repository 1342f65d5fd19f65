"""The numbers of the link: types of messages, and what the values in them mean.

The firmware's `messages.h` has the same ones, written by `munas.link.generate`. This module must
not know how messages are laid out.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag

PROTOCOL_VERSION = 1
# The device answers with this sequence where no request could be read (corrupt frame, boot).
UNSOLICITED = 0xFFFF
# No device offers less room for a payload; a host may send this much before HELLO told more.
MINIMUM_FRAME_CAPACITY = 256


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
    STACK_OVERFLOW = 3


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
    STACK_OVERFLOW = 3


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
