"""Puts the loadable parts of a firmware ELF where they belong."""

from __future__ import annotations

from pathlib import Path

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile

from munas.emulator.chips import FLASH_BASE
from munas.emulator.memory import EXECUTE, WRITE, Memories
from munas.errors import BadInputError

_OTHER_CHIP = "Build it for this board."


def load_image(elf: Path, memories: Memories) -> None:
    """Copy every loadable segment to its load address.

    Raises BadInputError when the file is missing, is no ELF for Arm, or is not for this chip.
    """
    segments = _segments(elf)
    for address, size, data in segments:
        room = memories.find(address, size)
        if room is None:
            raise BadInputError(
                f"{elf} needs {size} bytes at {address:#x}, where the chip has no memory.",
                _OTHER_CHIP,
            )
        room[: len(data)] = data
    table = memories.find(FLASH_BASE, 8)
    assert table is not None
    stack, reset = (int.from_bytes(table[at : at + 4], "little") for at in (0, 4))
    if not (memories.rights(stack - 4) & WRITE and memories.rights(reset) & EXECUTE and reset & 1):
        raise BadInputError(
            f"{elf} has no vector table for this chip at {FLASH_BASE:#x}: there stand the stack "
            f"{stack:#010x} and the reset handler {reset:#010x}.",
            _OTHER_CHIP,
        )


def _segments(elf: Path) -> list[tuple[int, int, bytes]]:
    """(address, size, bytes) of what a firmware brings, and without bytes of what it uses."""
    try:
        with elf.open("rb") as stream:
            image = ELFFile(stream)
            if image.get_machine_arch() != "ARM":
                raise BadInputError(
                    f"{elf} is an ELF for {image.get_machine_arch()}, not for Arm.", _OTHER_CHIP
                )
            loadable = list(image.iter_segments("PT_LOAD"))
            brought = [(s["p_paddr"], s["p_filesz"], s.data()) for s in loadable]
            used = [(s["p_vaddr"], s["p_memsz"], b"") for s in loadable]
            return [segment for segment in brought + used if segment[1]]
    except OSError as error:
        raise BadInputError(
            f"The firmware {elf} cannot be read: {error.strerror}.", "Name an ELF that exists."
        ) from error
    except ELFError as error:
        raise BadInputError(
            f"{elf} is not an ELF file: {error}.", "Name the firmware's .elf, not its .bin or .hex."
        ) from error


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
