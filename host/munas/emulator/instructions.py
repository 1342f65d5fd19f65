"""What one Thumb-2 instruction is to the cycle model, from its encoding alone.

`decode` turns an encoding into an `Instruction`: base features, what it reads and writes, how it
leaves the straight line. `context` gives the features that it adds after a given fall-through
predecessor. Both are pure; the prices are not known here. Capstone is imported on first use.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, Literal

from munas.emulator.parameters import FEATURES

Kind = Literal["alu", "load", "store", "load-many", "store-many", "branch"]
Leaves = Literal["never", "direct", "indirect"]

_INDEX = {name: i for i, name in enumerate(FEATURES)}
_LOADS = ("load", "load-many")
_STORES = ("store", "store-many")
_CONDITION = re.compile("(eq|ne|cs|hs|cc|lo|mi|pl|vs|vc|hi|ls|ge|lt|gt|le)$")
_SINGLE_LOADS = {"ldr", "ldrb", "ldrh", "ldrsb", "ldrsh", "ldrt", "ldrex", "ldrexb", "ldrexh"}
_SINGLE_STORES = {"str", "strb", "strh", "strt", "strex", "strexb", "strexh"}
_MULTIPLY_ADD = {"vmla", "vmls", "vnmla", "vnmls", "vfma", "vfms", "vfnma", "vfnms"}
_FP_RESULT = _MULTIPLY_ADD | {"vadd", "vsub", "vmul", "vnmul", "vcvt"}
_MANY = re.compile("v?(ldm|stm|push|pop)")
_IT = re.compile("it[te]{0,3}$")


@dataclass(frozen=True)
class Access:
    """What a load or store touches: `registers` in turn, `unit` bytes each, upwards from
    base + (index << shift) + displacement. `writeback` is what is added to the base afterwards.
    """

    base: str
    index: str
    shift: int
    displacement: int
    registers: tuple[str, ...]
    unit: int
    writeback: int

    def address(self, register: Callable[[str], int]) -> int:
        """The first byte touched, given the registers' values."""
        index = register(self.index) << self.shift if self.index else 0
        return (register(self.base) + index + self.displacement) & 0xFFFFFFFF


@dataclass(frozen=True)
class Instruction:
    """One decoded encoding. `features` are its own, without any context."""

    size: int
    mnemonic: str
    kind: Kind
    leaves: Leaves
    features: tuple[tuple[int, int], ...]
    reads: frozenset[int]
    writes: frozenset[int]
    address_registers: frozenset[int]
    access: Access | None


def size_of(first_halfword: int) -> int:
    """Bytes of the Thumb instruction that starts with this half-word (ARMv7-M ARM, A5.1)."""
    return 4 if first_halfword >> 11 in (0b11101, 0b11110, 0b11111) else 2


@lru_cache(maxsize=1 << 16)
def decode(encoding: bytes) -> Instruction:
    """The instruction of this encoding (2 or 4 bytes, little endian).

    Independent of the address and of a surrounding IT block: neither changes a cost. An encoding
    that Capstone does not know costs one cycle.
    """
    found = next(_disassembler().disasm(encoding, 0, 1), None)
    if found is None:
        nothing: frozenset[int] = frozenset()
        return Instruction(
            len(encoding), "?", "alu", "never", ((0, 1),), nothing, nothing, nothing, None
        )
    return _Reader(found).instruction()


def context(before: Instruction, this: Instruction) -> list[int]:
    """Indices of the features that `this` adds when it runs straight after `before`."""
    added: list[int] = []
    if before.kind == "load":
        waits_for_address = bool(this.address_registers & before.writes)
        if this.kind not in ("load", "store") or waits_for_address:
            added.append(_INDEX["load_alone"])
    if before.kind in _STORES and this.kind in _LOADS:
        added.append(_INDEX["load_after_store"])
    if before.kind in _LOADS and this.kind in _STORES:
        added.append(_INDEX["store_after_load"])
    if before.mnemonic in _FP_RESULT and this.reads & before.writes:
        added.append(_INDEX["fp_result_at_once"])
    return added


@cache
def _disassembler() -> Any:
    import capstone

    disassembler = capstone.Cs(
        capstone.CS_ARCH_ARM, capstone.CS_MODE_THUMB | capstone.CS_MODE_MCLASS
    )
    disassembler.detail = True
    return disassembler


class _Reader:
    """Reads one Capstone instruction."""

    def __init__(self, found: Any) -> None:
        from capstone import arm

        self._arm = arm
        self._found = found
        self._operands = list(found.operands)
        self._registers = [o.reg for o in self._operands if o.type == arm.ARM_OP_REG]
        reads, writes = found.regs_access()
        self._reads, self._writes = frozenset(reads), frozenset(writes)
        self._memory = next((o.mem for o in self._operands if o.type == arm.ARM_OP_MEM), None)
        self._name = self._plain_name()

    def _plain_name(self) -> str:
        """The mnemonic without width and condition."""
        name: str = self._found.mnemonic.split(".")[0]
        if self._found.cc in (self._arm.ARM_CC_AL, self._arm.ARM_CC_INVALID):
            return name
        return _CONDITION.sub("", name)

    def instruction(self) -> Instruction:
        kind, leaves, costs = self._classify()
        return Instruction(
            size=self._found.size,
            mnemonic=self._name,
            kind=kind,
            leaves=leaves,
            features=tuple((_INDEX[name], count) for name, count in costs.items() if count),
            reads=self._reads,
            writes=self._writes,
            address_registers=self._address_registers(),
            access=self._access(),
        )

    def _classify(self) -> tuple[Kind, Leaves, dict[str, int]]:
        name = self._name
        if name in ("b", "bl", "cbz", "cbnz"):
            return "branch", "direct", {"base": 1}
        if name in ("bx", "blx"):
            return "branch", "indirect", {"base": 1}
        if name in ("tbb", "tbh"):
            return "branch", "indirect", {"table_branch": 1}
        if name in ("ldrd", "strd"):
            return (
                ("load-many" if name == "ldrd" else "store-many"),
                "never",
                {"double_transfer": 1},
            )
        if _MANY.match(name):
            return self._many()
        if name in _SINGLE_LOADS or name == "vldr":
            if self._first_register() == self._arm.ARM_REG_PC:
                return "branch", "indirect", {"base": 2}
            return "load", "never", {"base": 2 if self._is_double() else 1}
        if name in _SINGLE_STORES or name == "vstr":
            return "store", "never", {"base": 2 if self._is_double() else 1}
        leaves: Leaves = "never"
        if name in ("mov", "add") and self._arm.ARM_REG_PC in self._writes:
            leaves = "indirect"
        return "alu", leaves, self._arithmetic()

    def _many(self) -> tuple[Kind, Leaves, dict[str, int]]:
        """LDM, STM, PUSH, POP and their floating-point forms: 1 + N."""
        name = self._name
        registers = len(self._registers) - (0 if "push" in name or "pop" in name else 1)
        words = registers
        if name[0] == "v" and self._found.op_str.split("{")[-1].startswith("d"):
            words = 2 * registers
        loads = "ld" in name or "pop" in name
        kind: Kind = "load-many" if loads else "store-many"
        to_pc = loads and self._arm.ARM_REG_PC in self._registers
        return kind, "indirect" if to_pc else "never", {"base": 1 + words}

    def _arithmetic(self) -> dict[str, int]:
        name = self._name
        if _IT.match(name):
            return {"it": 1}
        if name in ("sdiv", "udiv"):
            return {"divide": 1}
        if name in ("vdiv", "vsqrt"):
            return {"fp_divide": 1}
        if name in _MULTIPLY_ADD:
            return {"fp_multiply_add": 1}
        if name in ("mrs", "msr"):
            return {"special_register": 1}
        if name == "vmov" and len(self._registers) >= 3:
            return {"base": 2}
        return {"base": 1}

    def _first_register(self) -> int:
        return self._registers[0] if self._registers else 0

    def _is_double(self) -> bool:
        return self._name[0] == "v" and bool(self._found.op_str.startswith("d"))

    def _address_registers(self) -> frozenset[int]:
        if self._memory is not None:
            return frozenset(r for r in (self._memory.base, self._memory.index) if r)
        if _MANY.match(self._name) and "push" not in self._name and "pop" not in self._name:
            return frozenset({self._first_register()})
        return frozenset()

    def _access(self) -> Access | None:
        name = self._found.reg_name
        if self._memory is None:
            return self._block_access() if _MANY.match(self._name) else None
        operand = next(o for o in self._operands if o.type == self._arm.ARM_OP_MEM)
        step = 0
        if self._found.post_index:
            last = self._operands[-1]
            step = -last.imm if last.subtracted else last.imm
        elif self._found.writeback:
            step = self._memory.disp
        data = self._registers[1:] if "strex" in self._name else self._registers
        return Access(
            base=name(self._memory.base),
            index=name(self._memory.index) if self._memory.index else "",
            shift=operand.shift.value if operand.shift.type else 0,
            displacement=self._memory.disp,
            registers=tuple(name(r) for r in data),
            unit=self._unit(),
            writeback=step,
        )

    def _unit(self) -> int:
        if self._is_double():
            return 8
        if self._name in ("ldrd", "strd"):
            return 4
        return {"b": 1, "h": 2}.get(self._name[-1], 4)

    def _block_access(self) -> Access:
        name = self._found.reg_name
        on_stack = "push" in self._name or "pop" in self._name
        data = self._registers if on_stack else self._registers[1:]
        unit = 8 if data and name(data[0]).startswith("d") else 4
        length = unit * len(data)
        down = "push" in self._name or "db" in self._name
        moves = on_stack or self._found.writeback
        return Access(
            base="sp" if on_stack else name(self._registers[0]),
            index="",
            shift=0,
            displacement=-length if down else 0,
            registers=tuple(name(r) for r in data),
            unit=unit,
            writeback=(-length if down else length) if moves else 0,
        )
