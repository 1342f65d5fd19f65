"""The emulated chips: memory maps, identities and flash layouts, from the reference manuals.

STM32L4R5: RM0432 (L4+ series), DS12023. STM32F405: RM0090, DS8626. Pure data.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from munas.errors import BadInputError

FLASH_BASE = 0x08000000


@dataclass(frozen=True)
class Memory:
    """A memory; `alias_of` names the address it mirrors, if it is the same memory elsewhere."""

    name: str
    base: int
    size: int
    alias_of: int | None = None


@dataclass(frozen=True)
class Chip:
    """One chip. `sectors` are the sizes of the flash's erase units, in bytes, from its start."""

    name: str
    family: Literal["l4", "f4"]
    flash_bytes: int
    memories: tuple[Memory, ...]
    sectors: tuple[int, ...]
    uid_address: int
    flash_size_address: int
    idcode: int
    reset_clock_hz: int


_K = 1024

_L4R5 = Chip(
    name="STM32L4R5",
    family="l4",
    flash_bytes=2048 * _K,
    memories=(
        Memory("sram", 0x20000000, 640 * _K),  # SRAM1 192 K, SRAM2 64 K, SRAM3 384 K
        Memory("sram2", 0x10000000, 64 * _K, alias_of=0x20030000),
    ),
    sectors=(4 * _K,) * 512,  # dual bank
    uid_address=0x1FFF7590,
    flash_size_address=0x1FFF75E0,
    idcode=0x10036470,
    reset_clock_hz=4_000_000,
)

_F405 = Chip(
    name="STM32F405",
    family="f4",
    flash_bytes=1024 * _K,
    memories=(Memory("sram", 0x20000000, 128 * _K), Memory("ccm", 0x10000000, 64 * _K)),
    sectors=(16 * _K,) * 4 + (64 * _K,) + (128 * _K,) * 7,
    uid_address=0x1FFF7A10,
    flash_size_address=0x1FFF7A22,
    idcode=0x10076413,
    reset_clock_hz=16_000_000,
)

CHIPS = {chip.name: chip for chip in (_L4R5, _F405)}


def chip_of(mcu: str) -> Chip:
    """The chip that an MCU name such as "STM32L4R5ZI" stands for.

    Raises BadInputError where there is no emulation of it.
    """
    for name, chip in CHIPS.items():
        if mcu.upper().startswith(name):
            return chip
    raise BadInputError(
        f"There is no emulation of {mcu}.",
        f"Emulated are: {', '.join(CHIPS)}. The Cortex-M7 has no additive cycle model.",
    )
