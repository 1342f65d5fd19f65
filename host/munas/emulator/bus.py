"""The peripheral address space: hands each access to the peripheral that lies there.

Peripherals see whole 32-bit registers; narrower accesses are widened here. Addresses of the buses'
ranges where no peripheral is modelled hold what is written to them and are remembered, so that a
person can see what a firmware relied on. Outside the ranges an access faults, as on silicon.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

_BLOCK = 0x400  # peripherals of an STM32 lie on multiples of this
APB = (0x40000000, 0x17000)
"""Base and size of APB1 and APB2, where the USARTs are."""
_RANGES = (
    (0x40020000, 0x10000),  # AHB1
    (0x48000000, 0x2000),  # AHB2: GPIO of the L4+
    (0x50060000, 0x1000),  # AHB2
    (0xE0000000, 0x3000),  # private peripheral bus: ITM, DWT, FPB
    (0xE000E000, 0x1000),  # system control space
    (0xE0040000, 0x3000),  # TPIU, ETM, DBGMCU
)


class Peripheral:
    """A file of 32-bit registers that hold what is written to them.

    Concrete peripherals override `read` and `write` for the registers that do more, and give
    `reset_values` for those that do not start as 0.
    """

    base: int = 0
    size: int = _BLOCK
    reset_values: dict[int, int] = {}  # noqa: RUF012 - a table, overridden by classes and instances

    def __init__(self) -> None:
        self.registers: dict[int, int] = dict(self.reset_values)

    def reset(self) -> None:
        """What a system reset does."""
        self.registers = dict(self.reset_values)

    def read(self, offset: int) -> int:
        """The word at `offset`, a multiple of 4."""
        return self.registers.get(offset, 0)

    def write(self, offset: int, value: int) -> None:
        """A store of a word at `offset`; a narrower store comes with the other bytes kept."""
        self.registers[offset] = value


class Unmodelled(Peripheral):
    """Stands where the chip may have a peripheral that is not modelled."""

    def __init__(self, base: int) -> None:
        super().__init__()
        self.base = base


class Bus:
    """All peripherals of a chip by address."""

    def __init__(self, peripherals: Iterable[Peripheral]) -> None:
        self._by_block: dict[int, Peripheral] = {}
        self._peripherals: list[Peripheral] = []
        for peripheral in peripherals:
            self.add(peripheral)

    def add(self, peripheral: Peripheral) -> None:
        """Put a peripheral at its base address."""
        self._peripherals.append(peripheral)
        for block in range(peripheral.base, peripheral.base + peripheral.size, _BLOCK):
            self._by_block[block] = peripheral

    @property
    def unmodelled(self) -> list[int]:
        """Base addresses of the peripherals that the firmware used and that are not modelled."""
        return sorted(p.base for p in self._peripherals if isinstance(p, Unmodelled))

    @staticmethod
    def covers(address: int) -> bool:
        """Whether the address lies in one of the buses' ranges."""
        return any(base <= address < base + size for base, size in (APB, *_RANGES))

    def reset(self) -> None:
        """Reset every peripheral."""
        for peripheral in self._peripherals:
            peripheral.reset()

    def map_into(self, engine: Any) -> None:
        """Map all ranges but the APB into a Unicorn engine."""
        for base, size in _RANGES:
            engine.mmio_map(base, size, self._loader(base), None, self._storer(base), None)

    def _find(self, address: int) -> Peripheral:
        block = address & ~(_BLOCK - 1)
        found = self._by_block.get(block)
        if found is None:
            found = Unmodelled(block)
            self.add(found)
        return found

    def load(self, address: int, size: int) -> int:
        """A load of `size` bytes."""
        peripheral = self._find(address)
        word = peripheral.read((address & ~3) - peripheral.base)
        return (word >> 8 * (address & 3)) & ((1 << 8 * size) - 1)

    def store(self, address: int, size: int, value: int) -> None:
        """A store of `size` bytes."""
        peripheral = self._find(address)
        offset = (address & ~3) - peripheral.base
        if size < 4:
            shift, mask = 8 * (address & 3), ((1 << 8 * size) - 1)
            kept = peripheral.registers.get(offset, 0) & ~(mask << shift)
            value = kept | (value & mask) << shift
        peripheral.write(offset, value & 0xFFFFFFFF)

    def _loader(self, base: int) -> Any:
        return lambda _engine, offset, size, _data: self.load(base + offset, size)

    def _storer(self, base: int) -> Any:
        return lambda _engine, offset, size, value, _data: self.store(base + offset, size, value)
