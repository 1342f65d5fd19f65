"""Puts the loadable parts of a firmware ELF where they belong."""

from __future__ import annotations

from pathlib import Path

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile

from munas.emulator.memory import Memories
from munas.errors import BadInputError


def load_image(elf: Path, memories: Memories) -> None:
    """Copy every loadable segment to its load address.

    Raises BadInputError when the file is missing, is no ELF for Arm, or does not fit the chip.
    """
    try:
        with elf.open("rb") as stream:
            image = ELFFile(stream)
            if image.get_machine_arch() != "ARM":
                raise BadInputError(f"{elf} is an ELF for {image.get_machine_arch()}, not for Arm.")
            segments = [
                (s["p_paddr"], s.data()) for s in image.iter_segments("PT_LOAD") if s["p_filesz"]
            ]
    except OSError as error:
        raise BadInputError(f"The firmware {elf} cannot be read: {error.strerror}.") from error
    except ELFError as error:
        raise BadInputError(f"{elf} is not an ELF file: {error}.") from error
    for address, data in segments:
        room = memories.find(address, len(data))
        if room is None:
            raise BadInputError(
                f"{elf} puts {len(data)} bytes at {address:#x}, where the chip has no memory.",
                "Build it for this board.",
            )
        room[:] = data


def functions(elf: Path) -> list[tuple[int, str]]:
    """(address, name) of the functions of an ELF, by address."""
    with elf.open("rb") as stream:
        table = ELFFile(stream).get_section_by_name(".symtab")
        if table is None:
            return []
        found = {
            s["st_value"] & ~1: s.name
            for s in table.iter_symbols()
            if s["st_info"]["type"] == "STT_FUNC" and s.name
        }
    return sorted(found.items())
