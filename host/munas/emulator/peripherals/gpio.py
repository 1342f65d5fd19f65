"""GPIO ports: registers hold what is written; BSRR and BRR act on ODR, inputs read what is driven.

The register layout is the same in both generations. RM0432 section 8, RM0090 section 8.
"""

from __future__ import annotations

from munas.emulator.bus import Peripheral

_IDR, _ODR, _BSRR, _BRR = 0x10, 0x14, 0x18, 0x28


class Gpio(Peripheral):
    """One port."""

    def __init__(self, base: int) -> None:
        super().__init__()
        self.base = base

    @classmethod
    def bank(cls, base: int, count: int) -> list[Gpio]:
        """The ports from `base` on."""
        return [cls(base + 0x400 * i) for i in range(count)]

    def read(self, offset: int) -> int:
        if offset == _IDR:
            return super().read(_ODR)
        return 0 if offset in (_BSRR, _BRR) else super().read(offset)

    def write(self, offset: int, value: int) -> None:
        if offset == _BSRR:
            kept = self.registers.get(_ODR, 0) & ~(value >> 16)
            super().write(_ODR, kept | value & 0xFFFF)
        elif offset == _BRR:
            super().write(_ODR, self.registers.get(_ODR, 0) & ~value)
        else:
            super().write(offset, value)
