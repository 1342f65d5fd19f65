"""How a message becomes bytes: little-endian fixed-width fields and at most one tail of bytes.

This module must not know which messages there are.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, fields
from typing import Annotated, Any, ClassVar, Self, get_type_hints

from munas.errors import TransportError
from munas.link.kinds import MessageType

U8 = Annotated[int, "B"]
U16 = Annotated[int, "H"]
U32 = Annotated[int, "I"]
U64 = Annotated[int, "Q"]
I32 = Annotated[int, "i"]
F32 = Annotated[float, "f"]
Tail = Annotated[bytes, "tail"]


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
