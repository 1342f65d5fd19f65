"""Power control: voltage scaling is ready at once. RM0432 section 5, RM0090 section 5."""

from __future__ import annotations

from munas.emulator.bus import Peripheral


class L4Pwr(Peripheral):
    """STM32L4+: range 1 and its boost bit; SR2's flags of a change under way read 0."""

    base = 0x40007000
    reset_values = {0x00: 0x200, 0x80: 0x100}  # noqa: RUF012


class F4Pwr(Peripheral):
    """STM32F405: VOSRDY is always set."""

    base = 0x40007000
    reset_values = {0x00: 0x4000}  # noqa: RUF012
    _CSR, _VOSRDY = 0x04, 1 << 14

    def read(self, offset: int) -> int:
        word = super().read(offset)
        return word | self._VOSRDY if offset == self._CSR else word
