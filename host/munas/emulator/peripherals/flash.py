"""The flash controller: keys, erase by page or sector, programming, and an erase ledger.

Stores into the flash come here from the machine, word by word. Erasing and programming take no
emulated time. RM0432 section 3, RM0090 section 3.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

from munas.emulator.bus import Peripheral
from munas.emulator.chips import FLASH_BASE
from munas.emulator.memory import HostMemory

_ACR = 0x00
_KEYS = (0x45670123, 0xCDEF89AB)
_LOCK, _START, _PROGRAM = 1 << 31, 1 << 16, 1
_SEQUENCE_ERROR, _PROGRAM_ERROR = 1 << 7, 1 << 3


class FlashController(Peripheral, ABC):
    """What both generations share; concrete ones give register places and how a unit is chosen."""

    key_register: int
    status_register: int
    control_register: int

    def __init__(
        self,
        sectors: tuple[int, ...],
        memory: HostMemory,
        on_change: Callable[[int, int], None],
    ) -> None:
        self.reset_values = {self.control_register: _LOCK, _ACR: 0x600}
        super().__init__()
        self._memory = memory
        self._on_change = on_change
        self._sectors = sectors
        self._keys_seen = 0
        self._jammed = False
        self.erased = [0] * len(sectors)
        """How often each page or sector was erased since power-on."""

    def reset(self) -> None:
        super().reset()
        self._keys_seen = 0
        self._jammed = False

    @property
    def wait_states(self) -> int:
        """The latency that the firmware set."""
        return self.registers.get(_ACR, 0) & 15

    def write(self, offset: int, value: int) -> None:
        if offset == self.key_register:
            self._unlock(value)
        elif offset == self.status_register:
            kept = self.registers.get(offset, 0) & ~value  # flags are cleared by writing ones
            super().write(offset, kept)
        elif offset == self.control_register:
            self._control(value)
        else:
            super().write(offset, value)

    def _unlock(self, key: int) -> None:
        """The two keys in turn open the controller; a wrong one jams it until the next reset."""
        if self._jammed or key != _KEYS[min(self._keys_seen, 1)]:
            self._jammed = True
            return
        self._keys_seen += 1
        if self._keys_seen == len(_KEYS):
            self._keys_seen = 0
            self.registers[self.control_register] &= ~_LOCK

    def _control(self, value: int) -> None:
        if self.registers[self.control_register] & _LOCK:
            return
        if value & _START:
            for number in self.chosen(value):
                self._erase(number)
        self.registers[self.control_register] = value & ~_START

    def _erase(self, number: int) -> None:
        if number >= len(self._sectors):
            self._fail(_SEQUENCE_ERROR)
            return
        start, size = sum(self._sectors[:number]), self._sectors[number]
        self._on_change(FLASH_BASE + start, size)
        self._memory.view[start : start + size] = b"\xff" * size
        self.erased[number] += 1

    def covers(self, address: int) -> bool:
        """Whether the address lies in the flash or its alias at 0."""
        start = address - FLASH_BASE if address >= FLASH_BASE else address
        return 0 <= start < self._memory.size

    def program(self, address: int, data: bytes) -> None:
        """A store into the flash. Without PG it is refused with PGSERR, as on silicon."""
        control = self.registers[self.control_register]
        if control & _LOCK or not control & _PROGRAM:
            self._fail(_SEQUENCE_ERROR)
            return
        start = address - FLASH_BASE if address >= FLASH_BASE else address
        there = self._memory.view[start : start + len(data)]
        written = self.programmed(bytes(there), data)
        if written is None:
            self._fail(_PROGRAM_ERROR)
            return
        self._on_change(FLASH_BASE + start, len(data))
        there[:] = written

    def _fail(self, flag: int) -> None:
        status = self.registers.get(self.status_register, 0)
        self.registers[self.status_register] = status | flag

    @abstractmethod
    def chosen(self, control: int) -> list[int]:
        """Numbers of the units that a control word with the start bit erases."""

    @abstractmethod
    def programmed(self, there: bytes, data: bytes) -> bytes | None:
        """What stands in the flash after programming `data` over `there`; None if refused."""


class L4Flash(FlashController):
    """STM32L4+, dual bank: 256 pages of 4 KB a bank; only erased words can be programmed."""

    base = 0x40022000
    key_register, status_register, control_register = 0x08, 0x10, 0x14
    _OPTR = 0x20

    def read(self, offset: int) -> int:
        return 0xFFEFF8AA if offset == self._OPTR else super().read(offset)  # factory options

    def chosen(self, control: int) -> list[int]:
        half = len(self._sectors) // 2
        whole_banks = [bank for bank, bit in enumerate((2, 15)) if control >> bit & 1]  # MER1, MER2
        if whole_banks:
            return [bank * half + page for bank in whole_banks for page in range(half)]
        if not control & 1 << 1:  # PER
            return []
        return [(control >> 3 & 255) + (half if control >> 11 & 1 else 0)]

    def programmed(self, there: bytes, data: bytes) -> bytes | None:
        blank = all(byte == 0xFF for byte in there)
        return data if blank or not any(data) else None


class F4Flash(FlashController):
    """STM32F405: twelve sectors; programming can only clear bits."""

    base = 0x40023C00
    key_register, status_register, control_register = 0x04, 0x0C, 0x10

    def chosen(self, control: int) -> list[int]:
        if control & 1 << 2:  # MER
            return list(range(len(self._sectors)))
        return [control >> 3 & 15] if control & 1 << 1 else []

    def programmed(self, there: bytes, data: bytes) -> bytes | None:
        return bytes(old & new for old, new in zip(there, data, strict=True))
