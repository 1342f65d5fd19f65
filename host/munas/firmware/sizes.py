"""What takes room in a firmware: its sections and symbols, as the ELF file tells.

Works on any ELF for Arm, ours or not. Must not know how it was built.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from munas.firmware.image import DIGEST_SECTION, opened_elf

_ALLOCATED, _WRITABLE = 0x2, 0x1
# Reserved whole, whatever is in it: sizes of the board, not of the build.
RESERVED = frozenset({".arena", ".staging", ".ram_slot", ".flash_slot", ".stack"})


@dataclass(frozen=True)
class Sizes:
    """Sizes in bytes. `flash` are sections by name that are stored, `ram` those that lie in RAM
    (initialised data are in both); `symbols` are functions and objects by their readable name.
    """

    flash: dict[str, int]
    ram: dict[str, int]
    symbols: dict[str, int]

    @property
    def flash_bytes(self) -> int:
        return sum(self.flash.values())

    @property
    def ram_bytes(self) -> int:
        return sum(self.ram.values())


def sizes_of(path: Path) -> Sizes:
    """Raises BadInputError where `path` is no ELF file."""
    with opened_elf(path) as elf:
        return _sizes(elf)


def _sizes(elf: Any) -> Sizes:
    flash: dict[str, int] = {}
    ram: dict[str, int] = {}
    for section in elf.iter_sections():
        size, flags = int(section.data_size), section["sh_flags"]
        if not flags & _ALLOCATED or not size or section.name in {DIGEST_SECTION, *RESERVED}:
            continue
        stored = section["sh_type"] != "SHT_NOBITS"
        if stored:
            flash[section.name] = flash.get(section.name, 0) + size
        if not stored or (flags & _WRITABLE and _is_copied(elf, section)):
            ram[section.name] = ram.get(section.name, 0) + size
    return Sizes(flash, ram, _symbols(elf))


def _is_copied(elf: Any, section: Any) -> bool:
    """Whether it is stored in one place and used in another: initialised data, but no table of
    constructors, which merely is marked as writable."""
    start = int(section["sh_offset"])
    for segment in elf.iter_segments():
        first, length = int(segment["p_offset"]), int(segment["p_filesz"])
        if segment["p_type"] == "PT_LOAD" and first <= start < first + length:
            return bool(segment["p_paddr"] != segment["p_vaddr"])
    return False


def _symbols(elf: Any) -> dict[str, int]:
    """By readable name; what shares one (local functions of several files) is added up."""
    found: dict[str, int] = {}
    table = elf.get_section_by_name(".symtab")
    seen = set()
    for symbol in () if table is None else table.iter_symbols():
        size, kind = int(symbol["st_size"]), symbol["st_info"]["type"]
        place = (symbol["st_value"], size)
        if not size or kind not in ("STT_FUNC", "STT_OBJECT") or place in seen:
            continue
        seen.add(place)  # an alias takes no room of its own
        name = readable(symbol.name)
        found[name] = found.get(name, 0) + size
    return dict(sorted(found.items()))


def readable(name: str) -> str:
    """A C++ name as people write it, without arguments; any other as it is."""
    # Copies that GCC makes of one function (name.part.0, name.isra.0) belong to it.
    base = re.sub(r"(\.(part|isra|constprop|cold|lto_priv)\.?\d*)+$", "", name)
    if not base.startswith("_Z"):
        return base
    from itanium_demangler import parse

    try:
        tree = parse(base)
    # What the demangler does not know comes out of it in any of these ways; the name then stays.
    except (NotImplementedError, AssertionError, IndexError, ValueError, AttributeError):
        return base
    if tree is None:
        return base
    text = str(tree.name) if tree.kind == "func" else str(tree)
    return text.replace("_GLOBAL__N_1::", "")
