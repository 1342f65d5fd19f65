"""The modelled peripherals, one small file each, and which chip has which."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from munas.emulator.bus import Peripheral
from munas.emulator.chips import Chip
from munas.emulator.memory import Memories
from munas.emulator.peripherals.debug import Dbgmcu, Dwt
from munas.emulator.peripherals.flash import F4Flash, FlashController, L4Flash
from munas.emulator.peripherals.gpio import Gpio
from munas.emulator.peripherals.iwdg import Iwdg
from munas.emulator.peripherals.pwr import F4Pwr, L4Pwr
from munas.emulator.peripherals.rcc import F4Rcc, L4Rcc, Rcc
from munas.emulator.peripherals.scs import SystemControlSpace
from munas.emulator.peripherals.usart import F4Usart, L4Usart
from munas.emulator.serial_port import SerialPort


@dataclass(frozen=True)
class Machine:
    """What peripherals ask of the machine around them."""

    chip: Chip
    memories: Memories
    port: SerialPort
    cycles: Callable[[int], int]
    """Cycles up to the load from this address that runs now."""
    request_reset: Callable[[str], None]
    code_changed: Callable[[int, int], None]
    """Called with address and size before the flash changes."""


@dataclass(frozen=True)
class Peripherals:
    """The peripherals of one chip; those that the machine itself looks at have names."""

    everything: tuple[Peripheral, ...]
    rcc: Rcc
    flash: FlashController
    scs: SystemControlSpace
    dwt: Dwt
    iwdg: Iwdg


def build(machine: Machine) -> Peripherals:
    """The peripherals of the machine's chip."""
    scs = SystemControlSpace(machine.cycles, machine.request_reset)
    dwt = Dwt(machine.cycles, lambda: scs.tracing)
    flash_memory, changed = machine.memories.flash, machine.code_changed
    rcc: Rcc
    flash: FlashController
    chip: list[Peripheral]
    if machine.chip.family == "l4":
        rcc = L4Rcc()
        flash = L4Flash(machine.chip.sectors, flash_memory, changed)
        usarts = L4Usart.all_of(rcc, machine.port)
        chip = [L4Pwr(), *Gpio.bank(0x48000000, 9), *usarts]
    else:
        rcc = F4Rcc()
        flash = F4Flash(machine.chip.sectors, flash_memory, changed)
        chip = [F4Pwr(), *Gpio.bank(0x40020000, 9), *F4Usart.all_of(rcc, machine.port)]
    iwdg = Iwdg(machine.cycles, rcc.core_clock_hz)
    everything = (scs, dwt, Dbgmcu(machine.chip.idcode), iwdg, rcc, flash, *chip)
    return Peripherals(everything, rcc, flash, scs, dwt, iwdg)
