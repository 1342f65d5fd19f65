"""Exceptions of the core: what an error of Unicorn means, how handlers are entered and left.

Unicorn stops at the faulting instruction; the host does what the core would: stack frame,
EXC_RETURN, status and address registers, vector. Armv7-M ARM, B1.5. Departures from silicon: bus
errors of stores are precise, frames are always basic (no floating-point part), a division by zero
gives 0, unaligned LDRD and LDM work, and so does the FPU before CPACR switches it on.
"""

from __future__ import annotations

from dataclasses import dataclass

from munas.emulator.instructions import Instruction, decode, size_of
from munas.emulator.memory import Memories
from munas.emulator.peripherals.scs import BFAR, CFSR, HFSR, MMFAR, SystemControlSpace
from munas.emulator.registers import Registers

HARD_FAULT, MEM_MANAGE, BUS_FAULT, USAGE_FAULT, SUPERVISOR_CALL = 3, 4, 5, 6, 11
_ENABLE_BIT = {MEM_MANAGE: 16, BUS_FAULT: 17, USAGE_FAULT: 18}
_FORCED, _DEBUG_EVENT, _VECTOR_READ = 1 << 30, 1 << 31, 1 << 1
_IACCVIOL, _MMARVALID = 1 << 0, 1 << 7
_IBUSERR, _PRECISERR, _STKERR, _BFARVALID = 1 << 8, 1 << 9, 1 << 12, 1 << 15
_UNDEFINSTR, _INVSTATE = 1 << 16, 1 << 17
_THUMB = 1 << 24
_ALIGNED = 1 << 9
_EXCEPTION_MASK = 0x1FF
IT_BITS = 0x0600FC00
_FRAME = ("r0", "r1", "r2", "r3", "ip", "lr", "pc")
_NEVER_EXECUTE = ((0x40000000, 0x60000000), (0xA0000000, 0x100000000))


class LockupError(Exception):
    """A fault inside HardFault: the core stops."""


@dataclass(frozen=True)
class Fault:
    """One fault: the exception that stands for it, its status bits and the address, if known."""

    exception: int
    status: int = 0
    address: int | None = None


class FaultUnit:
    """Turns errors into exceptions on one core."""

    def __init__(self, registers: Registers, memories: Memories, scs: SystemControlSpace) -> None:
        self._registers = registers
        self._memories = memories
        self._scs = scs

    def instruction_at(self, address: int) -> Instruction | None:
        """The instruction at an address, None where no code can be."""
        first = self._memories.find(address, 2)
        if first is None:
            return None
        size = size_of(int.from_bytes(first, "little"))
        whole = self._memories.find(address, size)
        return None if whole is None else decode(bytes(whole))

    def classify(self, refused: str | None) -> Fault:
        """What stopped the core at the present PC is on silicon.

        `refused` is the kind of the access that reached nothing: "load", "store", "fetch"; None for
        anything else.
        """
        pc = self._registers["pc"]
        if any(low <= pc < high for low, high in _NEVER_EXECUTE):
            return Fault(MEM_MANAGE, _IACCVIOL)
        if refused == "fetch":
            return Fault(BUS_FAULT, _IBUSERR)
        if refused is not None:
            address = self._missing_address(pc)
            valid = _PRECISERR | (_BFARVALID if address is not None else 0)
            return Fault(BUS_FAULT, valid, address)
        if not self._registers["xpsr"] & _THUMB:
            return Fault(USAGE_FAULT, _INVSTATE)
        return Fault(USAGE_FAULT, _UNDEFINSTR)

    def _missing_address(self, pc: int) -> int | None:
        """The first address of the access at PC that lies nowhere."""
        found = self.instruction_at(pc)
        if found is None or found.access is None:
            return None
        access = found.access
        first = access.address(self._registers.operand(pc))
        places = [first + i * access.unit for i in range(max(len(access.registers), 1))]
        return next((a for a in places if self._memories.find(a, access.unit) is None), first)

    def take(self, fault: Fault) -> None:
        """Enter the handler of a fault.

        Raises LockupError when the core is in HardFault (or NMI) already.
        """
        self._scs.raise_status(CFSR, fault.status)
        if fault.address is not None:
            register, valid = (
                (MMFAR, _MMARVALID) if fault.exception == MEM_MANAGE else (BFAR, _BFARVALID)
            )
            if fault.status & valid:
                self._scs.registers[register] = fault.address
        exception = fault.exception
        running = self._registers["xpsr"] & _EXCEPTION_MASK
        if running in (2, HARD_FAULT):
            raise LockupError
        own_handler = self._scs.enabled_fault(_ENABLE_BIT[exception]) and running not in _ENABLE_BIT
        if not own_handler:
            exception = HARD_FAULT
            self._scs.raise_status(HFSR, _FORCED)
        self.enter(exception, self._registers["pc"])

    def breakpoint(self) -> None:
        """BKPT without a debugger: HardFault. Raises LockupError inside HardFault."""
        self._scs.raise_status(HFSR, _DEBUG_EVENT)
        if self._registers["xpsr"] & _EXCEPTION_MASK in (2, HARD_FAULT):
            raise LockupError
        self.enter(HARD_FAULT, self._registers["pc"])

    def enter(self, exception: int, return_address: int) -> None:
        """Stack a frame and go to a handler.

        Raises LockupError where the vector cannot be read.
        """
        registers = self._registers
        xpsr = registers["xpsr"]
        in_handler = bool(xpsr & _EXCEPTION_MASK)
        on_process_stack = not in_handler and bool(registers["control"] & 2)
        stack = registers["psp" if on_process_stack else "msp"]
        padded = stack & 4
        top = (stack - padded - 4 * (len(_FRAME) + 1)) & 0xFFFFFFFF
        values = [registers[name] for name in _FRAME[:-1]] + [return_address]
        values.append(xpsr & ~_ALIGNED | (_ALIGNED if padded else 0))
        frame = self._memories.find(top, 32)
        if frame is None:
            self._scs.raise_status(CFSR, _STKERR)
        else:
            frame[:] = b"".join(value.to_bytes(4, "little") for value in values)
        registers["psp" if on_process_stack else "msp"] = top
        vector = self._memories.find(self._scs.vector_table + 4 * exception, 4)
        if vector is None:
            self._scs.raise_status(HFSR, _VECTOR_READ)
            raise LockupError
        target = int.from_bytes(vector, "little")
        if on_process_stack:
            registers["control"] &= ~2
        registers["xpsr"] = (xpsr & ~_EXCEPTION_MASK & ~IT_BITS) | exception | _THUMB
        registers["sp"] = registers["msp"] if on_process_stack else top
        registers["lr"] = (
            0xFFFFFFF1 if in_handler else 0xFFFFFFFD if on_process_stack else 0xFFFFFFF9
        )
        registers["pc"] = target & ~1

    def leave(self, exc_return: int) -> None:
        """Return from a handler by an EXC_RETURN value (its low bits as PC shows them).

        Raises LockupError where the frame cannot be read.
        """
        registers = self._registers
        to_process_stack = exc_return & 0xC == 0xC
        stack = registers["psp" if to_process_stack else "msp"]
        frame = self._memories.find(stack, 32)
        if frame is None:
            raise LockupError
        values = [int.from_bytes(frame[i : i + 4], "little") for i in range(0, 32, 4)]
        xpsr = values[-1]
        after = stack + 32 + (4 if xpsr & _ALIGNED else 0)
        registers["psp" if to_process_stack else "msp"] = after
        registers["xpsr"] = xpsr & ~_ALIGNED
        if to_process_stack:
            registers["control"] |= 2
        registers["sp"] = after
        for name, value in zip(_FRAME, values, strict=False):
            registers[name] = value & ~1 if name == "pc" else value


def after_one_instruction(xpsr: int) -> int:
    """The xPSR once an instruction is over: the IT state moved on (Armv7-M ARM, A7.3.3)."""
    state = xpsr >> 8 & 0xFC | xpsr >> 25 & 3
    state = state & 0xE0 | state << 1 & 0x1F if state & 7 else 0
    return xpsr & ~IT_BITS | (state & 0xFC) << 8 | (state & 3) << 25
