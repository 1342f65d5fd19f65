"""Flash and RAM of the emulated chip in memory of the host, mapped into Unicorn with their aliases.

An address that is mapped nowhere faults, as on silicon.
"""

from __future__ import annotations

import ctypes
import mmap
from typing import Any

from munas.emulator.chips import FLASH_BASE, Chip

_PAGE = 4096
_SYSTEM_BASE, _SYSTEM_BYTES = 0x1FFF0000, 0x8000
READ, WRITE, EXECUTE = 1, 2, 4


class HostMemory:
    """One memory, page-aligned in the host, so that Unicorn can use it in place."""

    def __init__(self, size: int, fill: int) -> None:
        self._map = mmap.mmap(-1, size)
        self._map.write(bytes([fill]) * size)
        self.view = memoryview(self._map)
        self.address = ctypes.addressof(ctypes.c_char.from_buffer(self._map))
        self.size = size


class Memories:
    """All memories of a chip. RAM starts with a fixed pattern: its content at power-on is random on
    silicon, and zeros would hide a missing initialisation.
    """

    RAM_PATTERN = 0xA5

    def __init__(self, chip: Chip, uid: bytes) -> None:
        self.flash = HostMemory(chip.flash_bytes, 0xFF)
        self._places: list[tuple[int, int, HostMemory, int, int]] = []
        readable = READ | EXECUTE
        for base in (FLASH_BASE, 0):
            self._places.append((base, chip.flash_bytes, self.flash, 0, readable))
        owners: list[tuple[int, HostMemory]] = []
        for memory in chip.memories:
            if memory.alias_of is None:
                host, offset = HostMemory(memory.size, self.RAM_PATTERN), 0
                owners.append((memory.base, host))
            else:
                owner, host = next(
                    (base, held)
                    for base, held in owners
                    if base <= memory.alias_of < base + held.size
                )
                offset = memory.alias_of - owner
            self._places.append(
                (memory.base, memory.size, host, offset, readable | WRITE),
            )
        system = HostMemory(_SYSTEM_BYTES, 0xFF)
        at = chip.uid_address - _SYSTEM_BASE
        system.view[at : at + 12] = uid
        at = chip.flash_size_address - _SYSTEM_BASE
        system.view[at : at + 2] = (chip.flash_bytes // 1024).to_bytes(2, "little")
        self._places.append((_SYSTEM_BASE, _SYSTEM_BYTES, system, 0, READ))

    def map_into(self, engine: Any) -> None:
        """Map everything into a Unicorn engine."""
        for base, size, host, offset, rights in self._places:
            engine.mem_map_ptr(base, size, rights, host.address + offset)

    def code_regions(self) -> list[tuple[int, int]]:
        """(base, size) of everything that code can run from, flash first."""
        return [(base, size) for base, size, _, _, rights in self._places if rights & EXECUTE]

    def rights(self, address: int) -> int:
        """READ, WRITE and EXECUTE or-ed, as far as an address allows; 0 where nothing is mapped."""
        for base, length, _, _, rights in self._places:
            if base <= address < base + length:
                return rights
        return 0

    def find(self, address: int, size: int = 1) -> memoryview | None:
        """The bytes at an address, writable by the host; None where nothing is mapped."""
        for base, length, host, offset, _ in self._places:
            if base <= address and address + size <= base + length:
                at = address - base + offset
                return host.view[at : at + size]
        return None
