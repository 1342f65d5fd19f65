"""The independent watchdog, in emulated time: LSI at 32 kHz against the core clock.

Waiting for the serial line takes no emulated time, so a firmware that waits is never bitten.
RM0432 section 43, RM0090 section 21 (same registers).
"""

from __future__ import annotations

from collections.abc import Callable

from munas.emulator.bus import Peripheral

_KR, _PR, _RLR, _SR = 0x00, 0x04, 0x08, 0x0C
_RELOAD_KEY, _START_KEY = 0xAAAA, 0xCCCC
_LSI_HZ = 32_000


class Iwdg(Peripheral):
    """Started by its key, never stopped but by a reset."""

    base = 0x40003000
    reset_values = {_RLR: 0xFFF}  # noqa: RUF012

    def __init__(self, cycles: Callable[[int], int], core_clock_hz: Callable[[], int]) -> None:
        super().__init__()
        self._cycles = cycles
        self._core_clock_hz = core_clock_hz
        self.bites_at: int | None = None
        """The cycle at which it resets the chip; None while it was never started."""

    def reset(self) -> None:
        super().reset()
        self.bites_at = None

    def write(self, offset: int, value: int) -> None:
        if offset != _KR:
            super().write(offset, value)
            return
        key = value & 0xFFFF
        if key == _START_KEY or (key == _RELOAD_KEY and self.bites_at is not None):
            self.bites_at = self._cycles(self.base + _KR) + self._timeout_cycles()

    def _timeout_cycles(self) -> int:
        ticks = (self.registers.get(_RLR, 0) & 0xFFF) + 1
        prescaler = 4 << min(self.registers.get(_PR, 0) & 7, 6)
        return ticks * prescaler * self._core_clock_hz() // _LSI_HZ

    def read(self, offset: int) -> int:
        return 0 if offset in (_KR, _SR) else super().read(offset)
