"""The system control space: SysTick, NVIC, SCB, CPACR and the debug monitor's DEMCR.

No interrupt is ever delivered: NVIC registers hold what is written, SysTick can be read and polled.
Fault status is set by the machine and cleared by writing ones. Armv7-M ARM, B3.2 to B3.4.
"""

from __future__ import annotations

from collections.abc import Callable

from munas.emulator.bus import Peripheral

_SYST_CSR, _SYST_RVR, _SYST_CVR = 0x010, 0x014, 0x018
_CPUID, _ICSR, VTOR, _AIRCR, _CCR, _SHCSR = 0xD00, 0xD04, 0xD08, 0xD0C, 0xD14, 0xD24
CFSR, HFSR, MMFAR, BFAR = 0xD28, 0xD2C, 0xD34, 0xD38
_DEMCR = 0xDFC
_VECTKEY, _SYSRESETREQ = 0x05FA, 1 << 2
_TRCENA = 1 << 24
_COUNTFLAG = 1 << 16


class SystemControlSpace(Peripheral):
    """All of 0xE000E000 to 0xE000EFFF."""

    base = 0xE000E000
    size = 0x1000
    reset_values = {_CPUID: 0x410FC241, _CCR: 0x200, _AIRCR: 0xFA050000}  # noqa: RUF012

    def __init__(
        self,
        cycles: Callable[[int], int],
        request_reset: Callable[[str], None],
    ) -> None:
        super().__init__()
        self._cycles = cycles
        self._request_reset = request_reset
        self._systick_start = 0

    @property
    def tracing(self) -> bool:
        """DEMCR.TRCENA."""
        return bool(self.registers.get(_DEMCR, 0) & _TRCENA)

    @property
    def vector_table(self) -> int:
        """Address of the vector table."""
        return self.registers.get(VTOR, 0) & 0xFFFFFF80

    def enabled_fault(self, bit: int) -> bool:
        """Whether SHCSR gives this fault a handler of its own (16 MemManage, 17 Bus, 18 Usage)."""
        return bool(self.registers.get(_SHCSR, 0) >> bit & 1)

    def raise_status(self, register: int, bits: int) -> None:
        """Set fault status bits."""
        self.registers[register] = self.registers.get(register, 0) | bits

    def read(self, offset: int) -> int:
        if offset in (_SYST_CSR, _SYST_CVR):
            return self._systick(offset)
        return super().read(offset)

    def write(self, offset: int, value: int) -> None:
        if offset in (CFSR, HFSR):
            self.registers[offset] = self.registers.get(offset, 0) & ~value
        elif offset == _AIRCR:
            if value >> 16 == _VECTKEY and value & _SYSRESETREQ:
                self._request_reset("software")
        elif offset == _SYST_CVR:
            self._systick_start = self._cycles(self.base + offset)
        elif offset not in (_CPUID, _ICSR):
            if offset == _SYST_CSR and value & 1:
                self._systick_start = self._cycles(self.base + offset)
            super().write(offset, value)

    def _systick(self, offset: int) -> int:
        control = super().read(_SYST_CSR)
        period = (super().read(_SYST_RVR) & 0xFFFFFF) + 1
        if not control & 1:
            return control if offset == _SYST_CSR else 0
        now = self._cycles(self.base + offset)
        passed, into = divmod(now - self._systick_start, period)
        if offset == _SYST_CVR:
            return period - 1 - into
        self._systick_start = now - into  # reading clears the flag
        return control | (_COUNTFLAG if passed else 0)
