"""Writes the firmware's `messages.h` from the message definitions.

Run `python -m munas.link.generate` after any change of `messages.py`; a test fails when the header
is stale. This module must not know how frames travel.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag
from pathlib import Path

from munas.link import messages
from munas.resources import data_root

_C_TYPES = {
    "B": ("uint8_t", 1),
    "H": ("uint16_t", 2),
    "I": ("uint32_t", 4),
    "Q": ("uint64_t", 8),
    "i": ("int32_t", 4),
    "f": ("float", 4),
}

_HEAD = """\
// Generated from host/munas/link/messages.py by `python -m munas.link.generate`. Do not edit.
#pragma once

#include <cstddef>
#include <cstdint>

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "messages are little-endian");

namespace munas::link {
"""


def render() -> str:
    """The text of the header."""
    parts = [_HEAD, _constants(), *(_enum(kind) for kind in messages.ENUMS)]
    parts += [_message(kind) for _, kind in sorted(messages.MESSAGES.items())]
    return "\n".join([*parts, "}  // namespace munas::link", ""])


def _constants() -> str:
    return (
        f"constexpr uint8_t kProtocolVersion = {messages.PROTOCOL_VERSION};\n"
        f"constexpr uint16_t kUnsolicited = 0x{messages.UNSOLICITED:04X};\n"
        f"constexpr size_t kMinimumFrameCapacity = {messages.MINIMUM_FRAME_CAPACITY};\n"
    )


def _enum(kind: type[IntEnum | IntFlag]) -> str:
    wide = max(int(member) for member in kind) > 0xFF or kind is messages.ErrorCode
    lines = [f"  {_constant(member.name or '')} = 0x{int(member):02X}," for member in kind]
    base = "uint16_t" if wide else "uint8_t"
    return "\n".join([f"enum class {kind.__name__} : {base} {{", *lines, "};", ""])


def _constant(name: str) -> str:
    return "k" + "".join(word.capitalize() for word in name.split("_"))


def _message(kind: type[messages.Message]) -> str:
    formats = messages.field_formats(kind)
    fixed = [(name, code) for name, code in formats if code != "tail"]
    size = sum(_C_TYPES[code][1] for _, code in fixed)
    summary = (kind.__doc__ or "").strip().splitlines()[0]
    has_tail = "true" if len(fixed) < len(formats) else "false"
    lines = [
        f"// {summary}",
        f"struct __attribute__((packed)) {kind.__name__} {{",
        f"  static constexpr MessageType kType = MessageType::{_constant(kind.TYPE.name)};",
        f"  static constexpr size_t kSize = {size};",
        f"  static constexpr bool kHasTail = {has_tail};",
        *(f"  {_C_TYPES[code][0]} {name};" for name, code in fixed),
        "};",
    ]
    if fixed:
        lines.append(f"static_assert(sizeof({kind.__name__}) == {kind.__name__}::kSize);")
    return "\n".join([*lines, ""])


def header_path() -> Path:
    """Where the generated header belongs."""
    return data_root() / "firmware" / "lib" / "link" / "messages.h"


if __name__ == "__main__":
    header_path().write_text(render(), encoding="utf-8")
