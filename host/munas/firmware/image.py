"""A built firmware image: what its ELF file says of itself.

Must not know how images are built or where they run.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from munas.deploy.engines.aot import AotModel
from munas.errors import BadInputError

DIGEST_SECTION = ".munas_digest"
MCU_SYMBOL = "munas_mcu"
MODELS_SECTION = ".aot_models"


@dataclass(frozen=True)
class FirmwareImage:
    """One image. Sizes in bytes.

    `sha256` is over all loaded sections but the source digest's, so it changes only with what runs.
    `sections` are those that are loaded, `source_digest` what HELLO answers. `models` are those of
    an aot image by their place in it; `kernels` are as the builder chose them. `mcu` is the chip
    that the image is for, empty where it does not say.
    """

    elf: Path
    board: str
    sha256: str
    source_digest: str
    sections: dict[str, int]
    flash_bytes: int
    compiler: str
    flags: str
    engine: str
    engine_revision: str
    kernels: str
    mcu: str = ""
    models: tuple[AotModel, ...] = ()

    def model_flash_bytes(self, index: int) -> int:
        """Flash of an aot image with model `index` alone: all but the other models of the batch.

        Kernels that only another model of the batch needs are counted, the code that only measures
        single operators is not.
        """
        others = self.sections.get(MODELS_SECTION, 0)
        own = self.models[index].prefix
        with self.elf.open("rb") as file:
            symbols = _symbols(file)
            size = sum(
                length
                for name, length in symbols
                if name.startswith(f"{own}_") and not name.endswith("_infer_marked")
            )
        return self.flash_bytes - others + size


@dataclass(frozen=True)
class ElfFacts:
    """What can be read from any firmware ELF."""

    sha256: str
    source_digest: str
    sections: dict[str, int]
    flash_bytes: int
    compiler: str
    mcu: str


def read_elf(path: Path) -> ElfFacts:
    """Raises BadInputError where `path` is no ELF file for Arm."""
    with opened_elf(path) as elf:
        if elf["e_machine"] != "EM_ARM":
            raise BadInputError(f"{path} is an ELF file, but not for Arm.")
        loaded = list(_loaded(elf))
        sections = {section.name: int(section.data_size) for section in loaded}
        total = hashlib.sha256()
        for section in loaded:
            if section.name != DIGEST_SECTION:
                total.update(f"{section.name} {section['sh_addr']:x} ".encode())
                total.update(section.data())
        digest = elf.get_section_by_name(DIGEST_SECTION)
        comment = elf.get_section_by_name(".comment")
        return ElfFacts(
            sha256=total.hexdigest(),
            source_digest="" if digest is None else _text(digest.data()),
            sections=sections,
            flash_bytes=sum(size for name, size in sections.items() if name != DIGEST_SECTION),
            compiler="unknown" if comment is None else _compiler(comment.data()),
            mcu=_named_text(elf, MCU_SYMBOL),
        )


@contextmanager
def opened_elf(path: Path) -> Iterator[Any]:
    """The ELF file at `path`, open. Raises BadInputError where it is none or breaks off."""
    from elftools.common.exceptions import ELFError
    from elftools.elf.elffile import ELFFile

    try:
        with path.open("rb") as file:
            yield ELFFile(file)
    except OSError as error:
        raise BadInputError(f"{path} cannot be read: {error.strerror}.") from None
    except ELFError as error:
        raise BadInputError(
            f"{path} is not an ELF file: {error}.", "Give the firmware.elf of a build."
        ) from None


def image_of_elf(path: Path) -> FirmwareImage:
    """An image of which nothing is known but its ELF; HELLO tells the rest once it runs.

    `board`, `engine`, `flags` and `kernels` are empty. Raises BadInputError.
    """
    facts = read_elf(path)
    return FirmwareImage(
        elf=path,
        board="",
        sha256=facts.sha256,
        source_digest=facts.source_digest,
        sections=facts.sections,
        flash_bytes=facts.flash_bytes,
        compiler=facts.compiler,
        flags="",
        engine="",
        engine_revision="",
        kernels="",
        mcu=facts.mcu,
    )


def _loaded(elf: Any) -> Iterator[Any]:
    allocated = 0x2
    for section in elf.iter_sections():
        if (
            section["sh_flags"] & allocated
            and section["sh_type"] != "SHT_NOBITS"
            and section.data_size
        ):
            yield section


def _symbols(file: Any) -> list[tuple[str, int]]:
    from elftools.elf.elffile import ELFFile

    table = ELFFile(file).get_section_by_name(".symtab")
    symbols = [] if table is None else table.iter_symbols()
    return [(symbol.name, int(symbol["st_size"])) for symbol in symbols]


def _named_text(elf: Any, name: str) -> str:
    """The text that the symbol `name` stands for; empty where there is none."""
    table = elf.get_section_by_name(".symtab")
    for symbol in (None if table is None else table.get_symbol_by_name(name)) or ():
        address, size = int(symbol["st_value"]), int(symbol["st_size"])
        for section in _loaded(elf):
            offset = address - int(section["sh_addr"])
            if 0 <= offset < section.data_size:
                return _text(section.data()[offset : offset + size])
    return ""


def _text(data: bytes) -> str:
    return data.split(b"\0", 1)[0].decode("ascii", "replace")


def _compiler(comment: bytes) -> str:
    """`GCC: (15:12.2.rel1-1) 12.2.1 20221205` → `gcc 12.2.1`."""
    found = re.search(r"GCC: \(.*?\) (\d+\.\d+\.\d+)", comment.decode("utf-8", "replace"))
    return f"gcc {found.group(1)}" if found else _text(comment)
