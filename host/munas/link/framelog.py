"""Writes every frame of a line to a text file, with times and bytes: what `--debug` keeps.

This module must not know what a client does with the frames.
"""

from __future__ import annotations

from typing import TextIO

from munas.link.deadline import Clock
from munas.link.framing import Corrupt, Frame
from munas.link.messages import MessageType, name_of

_ROW_BYTES = 16


class FrameLog:
    """A log on an open text file; times are seconds on `clock` since the log began."""

    def __init__(self, file: TextIO, clock: Clock) -> None:
        self._file = file
        self._clock = clock
        self._begun_s = clock()

    def sent(self, frame: Frame) -> None:
        """A frame goes to the board."""
        self._write(">", frame)

    def received(self, frame: Frame | Corrupt) -> None:
        """A frame, or what should have been one, came from the board."""
        self._write("<", frame)

    def note(self, text: str) -> None:
        """A remark between frames."""
        self._line("-", text)

    def _write(self, direction: str, frame: Frame | Corrupt) -> None:
        if isinstance(frame, Corrupt):
            self._line(direction, f"corrupt ({frame.reason}), {len(frame.raw)} bytes")
            self._dump(frame.raw)
            return
        name = name_of(MessageType, frame.type)
        self._line(direction, f"{name} sequence {frame.sequence}, {len(frame.payload)} bytes")
        self._dump(frame.payload)

    def _line(self, direction: str, text: str) -> None:
        self._file.write(f"{self._clock() - self._begun_s:12.6f} {direction} {text}\n")

    def _dump(self, data: bytes) -> None:
        for start in range(0, len(data), _ROW_BYTES):
            row = data[start : start + _ROW_BYTES]
            text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)
            self._file.write(f"    {start:06x}  {row.hex(' '):<47}  {text}\n")
