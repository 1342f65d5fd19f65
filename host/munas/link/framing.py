"""Frames on the line: a header, a payload, a CRC-32, COBS-stuffed and ended by a zero byte.

    version u8 | sequence u16 | type u8 | length u16 | payload | CRC-32 of all before

This module must not know what the payloads mean, nor what carries the bytes.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

from cobs import cobs

from munas.link.kinds import PROTOCOL_VERSION

DELIMITER = b"\x00"
HEADER = struct.Struct("<BHBH")
CRC = struct.Struct("<I")
OVERHEAD_BYTES = HEADER.size + CRC.size


@dataclass(frozen=True)
class Frame:
    """One frame; `type` is a number because a peer may send one that is unknown here."""

    sequence: int
    type: int
    payload: bytes
    version: int = PROTOCOL_VERSION


@dataclass(frozen=True)
class Corrupt:
    """Bytes between two delimiters that are no frame, and why not."""

    raw: bytes
    reason: str


def encode(frame: Frame) -> bytes:
    """The bytes of `frame` on the line, delimiter included."""
    header = HEADER.pack(frame.version, frame.sequence, frame.type, len(frame.payload))
    body = header + frame.payload
    stuffed: bytes = cobs.encode(body + CRC.pack(zlib.crc32(body)))
    return stuffed + DELIMITER


def decode(stuffed: bytes) -> Frame | Corrupt:
    """The frame in the bytes between two delimiters."""
    try:
        raw = cobs.decode(stuffed)
    except cobs.DecodeError as error:
        return Corrupt(stuffed, f"not COBS: {error}")
    if len(raw) < OVERHEAD_BYTES:
        return Corrupt(stuffed, f"{len(raw)} bytes are too short for a frame")
    body, (crc,) = raw[: -CRC.size], CRC.unpack(raw[-CRC.size :])
    if zlib.crc32(body) != crc:
        return Corrupt(stuffed, "CRC-32 does not match")
    version, sequence, kind, length = HEADER.unpack_from(body)
    payload = body[HEADER.size :]
    if len(payload) != length:
        return Corrupt(stuffed, f"length says {length}, {len(payload)} bytes came")
    return Frame(sequence, kind, payload, version)


class Deframer:
    """Cuts a stream of bytes into frames; what lies between delimiters and is no frame is Corrupt.

    Bytes come in any portions. `limit_bytes` bounds what is kept of a run without a delimiter.
    """

    def __init__(self, limit_bytes: int = 1 << 17) -> None:
        self._pending = bytearray()
        self._limit_bytes = limit_bytes

    def feed(self, data: bytes) -> list[Frame | Corrupt]:
        """The frames that `data` completes, in order."""
        *whole, rest = (bytes(self._pending) + data).split(DELIMITER)
        self._pending = bytearray(rest[-self._limit_bytes :])
        return [decode(stuffed) for stuffed in whole if stuffed]
