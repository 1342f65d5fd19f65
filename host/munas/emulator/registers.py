"""The core's registers by name, as Capstone spells them."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

_NAMES = {
    **{f"r{i}": f"R{i}" for i in range(13)},
    "sb": "R9",
    "sl": "R10",
    "fp": "R11",
    "ip": "R12",
    "sp": "SP",
    "lr": "LR",
    "pc": "PC",
    "xpsr": "XPSR",
    "msp": "MSP",
    "psp": "PSP",
    "control": "CONTROL",
    **{f"s{i}": f"S{i}" for i in range(32)},
    **{f"d{i}": f"D{i}" for i in range(16)},
}


class Registers:
    """Reads and writes the registers of a Unicorn engine.

    Straight through the C interface: its Python wrapper costs six times as much.
    """

    def __init__(self, library: Any, engine: Any) -> None:
        from unicorn import arm_const

        self._engine = engine
        self._handle = engine._uch
        self._read, self._write = library.uc_reg_read, library.uc_reg_write
        self._ids = {n: getattr(arm_const, f"UC_ARM_REG_{u}") for n, u in _NAMES.items()}
        self._fpexc = arm_const.UC_ARM_REG_FPEXC
        self._cpacr = arm_const.UC_ARM_REG_C1_C0_2
        self._word = ctypes.c_uint64()
        self._place = ctypes.byref(self._word)

    def __getitem__(self, name: str) -> int:
        self._word.value = 0
        self._read(self._handle, self._ids[name], self._place)
        return self._word.value

    def __setitem__(self, name: str, value: int) -> None:
        self._word.value = value
        self._write(self._handle, self._ids[name], self._place)

    def operand(self, pc: int) -> Callable[[str], int]:
        """How an instruction at `pc` sees the registers: PC reads as the word 4 bytes on."""
        return lambda name: (pc + 4) & ~3 if name == "pc" else self[name]

    def enable_fpu(self) -> None:
        """Switch the floating-point unit on: a firmware's store to CPACR does not reach Unicorn."""
        self._engine.reg_write(self._fpexc, 0x40000000)
        self._engine.reg_write(self._cpacr, 0xF00000)
