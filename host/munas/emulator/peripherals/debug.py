"""The cycle counter (DWT) and the chip's identity (DBGMCU).

Armv7-M Architecture Reference Manual C1.8; RM0432 section 57, RM0090 section 38.
"""

from __future__ import annotations

from collections.abc import Callable

from munas.emulator.bus import Peripheral


class Dwt(Peripheral):
    """CYCCNT counts model cycles, modulo 2³², while it is enabled and DEMCR.TRCENA is set."""

    base = 0xE0001000
    size = 0x1000
    reset_values = {0x00: 0x40000000}  # noqa: RUF012 - four comparators
    _CTRL, _CYCCNT = 0x00, 0x04

    def __init__(self, cycles: Callable[[int], int], tracing: Callable[[], bool]) -> None:
        super().__init__()
        self._cycles = cycles
        self._tracing = tracing
        self._stopped_at = 0
        self._origin: int | None = None  # cycles when the counter would have been 0

    def reset(self) -> None:
        super().reset()
        self._stopped_at = 0
        self._origin = None

    def read(self, offset: int) -> int:
        if offset != self._CYCCNT:
            return super().read(offset)
        if self._origin is None:
            return self._stopped_at
        return (self._cycles(self.base + self._CYCCNT) - self._origin) & 0xFFFFFFFF

    def write(self, offset: int, value: int) -> None:
        now = self._cycles(self.base + offset)
        if offset == self._CYCCNT:
            self._stopped_at = value
            if self._origin is not None:
                self._origin = now - value
            return
        if offset == self._CTRL:
            counts = bool(value & 1) and self._tracing()
            if counts and self._origin is None:
                self._origin = now - self._stopped_at
            elif not counts and self._origin is not None:
                self._stopped_at = (now - self._origin) & 0xFFFFFFFF
                self._origin = None
            value = value & 0x0FFFFFFF | self.reset_values[self._CTRL]
        super().write(offset, value)


class Dbgmcu(Peripheral):
    """IDCODE; the rest holds what is written."""

    base = 0xE0042000

    def __init__(self, idcode: int) -> None:
        self.reset_values = {0x00: idcode}
        super().__init__()

    def write(self, offset: int, value: int) -> None:
        if offset:
            super().write(offset, value)
