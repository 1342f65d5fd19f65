"""Reset and clock control: ready bits follow enable bits, the clock switch is obeyed at once.

Also works out the core clock that the registers ask for, so that a firmware's clock setup can be
checked. RM0432 section 6, RM0090 section 7.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from munas.emulator.bus import Peripheral

_CR = 0x00
# (enable bit, ready bit) of CR.
_L4_READY = ((0, 1), (8, 10), (16, 17), (24, 25), (26, 27), (28, 29))
_F4_READY = ((0, 1), (16, 17), (24, 25), (26, 27))
_MSI_HZ = (100, 200, 400, 800, 1000, 2000, 4000, 8000, 16000, 24000, 32000, 48000)  # kHz
_HSE_HZ = 8_000_000  # both Nucleo and most F405 boards; the PLL setup decides
_AHB_DIVIDERS = (2, 4, 8, 16, 64, 128, 256, 512)


def _ready(word: int, pairs: tuple[tuple[int, int], ...]) -> int:
    for enable, ready in pairs:
        word = word | 1 << ready if word >> enable & 1 else word & ~(1 << ready)
    return word


class Rcc(Peripheral, ABC):
    """What both generations have in common; concrete ones give the register places."""

    cfgr: int
    csr: int
    clear_flags_bit: int
    RESET_FLAGS = {"software": 28, "watchdog": 29}  # noqa: RUF012 - bits of CSR, both generations
    _PIN_RESET = 26
    _POWER_RESET = 27
    _FLAGS = 0xFE000000

    def __init__(self) -> None:
        super().__init__()
        self._flags = 1 << self._POWER_RESET | 1 << self._PIN_RESET

    def note_reset(self, cause: str) -> None:
        """Set the flags that a reset of this cause leaves; each reset also drives the reset pin."""
        self._flags |= 1 << self._PIN_RESET
        if cause in self.RESET_FLAGS:
            self._flags |= 1 << self.RESET_FLAGS[cause]

    def read(self, offset: int) -> int:
        word = super().read(offset)
        if offset == self.cfgr:
            return word & ~0xC | (word & 3) << 2  # the switch status follows the switch
        if offset == self.csr:
            return _ready(word, ((0, 1),)) & ~self._FLAGS | self._flags
        return word

    def write(self, offset: int, value: int) -> None:
        if offset == self.csr and value >> self.clear_flags_bit & 1:
            self._flags = 0
            value &= ~(1 << self.clear_flags_bit)
        super().write(offset, value)

    def enabled(self, offset: int, bit: int) -> bool:
        """Whether a peripheral's clock is on."""
        return bool(self.registers.get(offset, 0) >> bit & 1)

    def core_clock_hz(self) -> int:
        """The core clock that the registers ask for (crystal of 8 MHz assumed)."""
        prescaler = self.read(self.cfgr) >> 4 & 15
        return self.system_clock_hz() // (_AHB_DIVIDERS[prescaler & 7] if prescaler & 8 else 1)

    @abstractmethod
    def system_clock_hz(self) -> int:
        """The clock before the AHB prescaler."""


class L4Rcc(Rcc):
    """STM32L4+."""

    base = 0x40021000
    cfgr, csr, clear_flags_bit = 0x08, 0x94, 23
    reset_values = {0x00: 0x63, 0x0C: 0x1000, 0x94: 0x600}  # noqa: RUF012

    def read(self, offset: int) -> int:
        if offset == _CR:
            return _ready(Peripheral.read(self, offset), _L4_READY)
        word = super().read(offset)
        if offset in (0x90, 0x98):  # BDCR: LSE; CRRCR: HSI48
            return _ready(word, ((0, 1),))
        return word

    def system_clock_hz(self) -> int:
        control = self.registers.get(_CR, 0)
        msi = _MSI_HZ[min(control >> 4 & 15, 11)] * 1000 if control >> 3 & 1 else 4_000_000
        sources = (msi, 16_000_000, _HSE_HZ)
        switch = self.registers.get(self.cfgr, 0) & 3
        if switch < 3:
            return sources[switch]
        pll = self.registers.get(0x0C, 0)
        source = {1: msi, 2: 16_000_000, 3: _HSE_HZ}.get(pll & 3, 0)
        return source // ((pll >> 4 & 15) + 1) * (pll >> 8 & 127) // (2 * (pll >> 25 & 3) + 2)


class F4Rcc(Rcc):
    """STM32F405."""

    base = 0x40023800
    cfgr, csr, clear_flags_bit = 0x08, 0x74, 24
    reset_values = {0x00: 0x83, 0x04: 0x24003010}  # noqa: RUF012

    def read(self, offset: int) -> int:
        if offset == _CR:
            return _ready(Peripheral.read(self, offset), _F4_READY)
        word = super().read(offset)
        return _ready(word, ((0, 1),)) if offset == 0x70 else word  # BDCR: LSE

    def system_clock_hz(self) -> int:
        switch = self.registers.get(self.cfgr, 0) & 3
        if switch != 2:
            return _HSE_HZ if switch == 1 else 16_000_000
        pll = self.registers.get(0x04, 0)
        source = _HSE_HZ if pll >> 22 & 1 else 16_000_000
        divider = max(pll & 63, 1)
        return source * (pll >> 6 & 511) // divider // (2 * (pll >> 16 & 3) + 2)
