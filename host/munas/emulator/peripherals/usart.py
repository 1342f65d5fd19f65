"""Both generations of USART, all on one serial line.

Transmission is instantaneous: TXE and TC are always set. A USART whose clock is off reads 0 and
drops what is written. RM0090 section 30 (SR/DR), RM0432 sections 49 and 50 (ISR/RDR/TDR, LPUART).
"""

from __future__ import annotations

from munas.emulator.bus import APB, Peripheral
from munas.emulator.peripherals.rcc import Rcc
from munas.emulator.serial_port import SerialPort

_RXNE, _TC, _TXE = 1 << 5, 1 << 6, 1 << 7
_RE, _TE = 1 << 2, 1 << 3  # in CR1, both generations


class _Usart(Peripheral):
    """The state that both generations share."""

    def __init__(self, base: int, rcc: Rcc, clock: tuple[int, int], port: SerialPort) -> None:
        super().__init__()
        self.base = base
        self._rcc = rcc
        self._clock = clock
        self._port = port
        self._last = 0

    @property
    def _clocked(self) -> bool:
        return self._rcc.enabled(*self._clock)

    def _on(self, enable_bit: int, direction: int, control: int) -> bool:
        word = self.registers.get(control, 0)
        return bool(word >> enable_bit & 1 and word & direction)

    def _switch(self, status: int, flags: int, receive: int, send: int) -> None:
        """Tell the port which registers it may serve; a direction that is off is -1."""
        place = self.base - APB[0]
        self._port.attach(
            place + status,
            (flags, flags | _RXNE),
            place + receive if receive >= 0 else -1,
            place + send if send >= 0 else -1,
        )

    def _received(self) -> int:
        value = self._port.receive()
        if value is not None:
            self._last = value
        return self._last


class F4Usart(_Usart):
    """STM32F4: SR and DR."""

    _SR, _DR, _CR1, _UE = 0x00, 0x04, 0x0C, 13

    @classmethod
    def all_of(cls, rcc: Rcc, port: SerialPort) -> list[F4Usart]:
        """USART1, USART2, USART3 and USART6 with their clock bits."""
        places = ((0x40011000, (0x44, 4)), (0x40004400, (0x40, 17)), (0x40004800, (0x40, 18)))
        return [cls(base, rcc, clock, port) for base, clock in (*places, (0x40011400, (0x44, 5)))]

    def read(self, offset: int) -> int:
        if not self._clocked:
            return 0
        if offset == self._SR:
            receiving = self._on(self._UE, _RE, self._CR1)
            return _TXE | _TC | (_RXNE if receiving and self._port.poll() else 0)
        if offset == self._DR:
            return self._received()
        return super().read(offset)

    def write(self, offset: int, value: int) -> None:
        if not self._clocked:
            return
        if offset == self._DR:
            if self._on(self._UE, _TE, self._CR1):
                self._port.send(value)
        elif offset != self._SR:
            super().write(offset, value)
        if offset == self._CR1:
            receives, sends = self._on(self._UE, _RE, offset), self._on(self._UE, _TE, offset)
            data = (self._DR if receives else -1, self._DR if sends else -1)
            self._switch(self._SR, _TXE | _TC, *data)


class L4Usart(_Usart):
    """STM32L4+: ISR, ICR, RDR and TDR; the LPUART has the same registers."""

    _CR1, _RQR, _ISR, _ICR, _RDR, _TDR, _UE = 0x00, 0x18, 0x1C, 0x20, 0x24, 0x28, 0
    _TEACK, _REACK = 1 << 21, 1 << 22

    @classmethod
    def all_of(cls, rcc: Rcc, port: SerialPort) -> list[L4Usart]:
        """USART1, USART2, USART3 and LPUART1 with their clock bits."""
        places = ((0x40013800, (0x60, 14)), (0x40004400, (0x58, 17)), (0x40004800, (0x58, 18)))
        return [cls(base, rcc, clock, port) for base, clock in (*places, (0x40008000, (0x5C, 0)))]

    def read(self, offset: int) -> int:
        if not self._clocked:
            return 0
        if offset == self._ISR:
            receiving = self._on(self._UE, _RE, self._CR1)
            return self._flags() | (_RXNE if receiving and self._port.poll() else 0)
        if offset == self._RDR:
            return self._received()
        return super().read(offset)

    def write(self, offset: int, value: int) -> None:
        if not self._clocked:
            return
        if offset == self._TDR:
            if self._on(self._UE, _TE, self._CR1):
                self._port.send(value)
        elif offset not in (self._ISR, self._ICR, self._RQR):
            super().write(offset, value)
        if offset == self._CR1:
            receives, sends = self._on(self._UE, _RE, offset), self._on(self._UE, _TE, offset)
            data = (self._RDR if receives else -1, self._TDR if sends else -1)
            self._switch(self._ISR, self._flags(), *data)

    def _flags(self) -> int:
        word = _TXE | _TC
        if self._on(self._UE, _TE, self._CR1):
            word |= self._TEACK
        if self._on(self._UE, _RE, self._CR1):
            word |= self._REACK
        return word
