"""The emulated microcontroller, in this process: core, memories, peripherals, cycle model.

Needs Unicorn (GPL-2.0), so only the emulator's own process and its tests import this module. It
knows no transport: bytes go in by `feed`, come out by `drain`, and `run` returns when the firmware
waits for more.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from munas.emulator import counting, peripherals
from munas.emulator.board import BoardParameters
from munas.emulator.bus import APB, Bus
from munas.emulator.chips import FLASH_BASE
from munas.emulator.counting import BLOCK_HOOK, CodeRegion, Counters
from munas.emulator.faults import (
    IT_BITS,
    SUPERVISOR_CALL,
    FaultUnit,
    LockupError,
    after_one_instruction,
)
from munas.emulator.firmware_image import load_image
from munas.emulator.memory import Memories
from munas.emulator.native import NativeCode
from munas.emulator.parameters import MILLI
from munas.emulator.pricing import Pricing
from munas.emulator.registers import Registers
from munas.emulator.serial_port import PORT_LOAD, PORT_STORE, SerialPort
from munas.errors import InfrastructureError, missing_extra

SLICE_BLOCKS = 1 << 18
"""Blocks that run at most before `run` returns: some ten milliseconds of the host's time."""

_NEVER_REACHED = 0x1FFF7FFE  # where Unicorn would stop by itself: mapped, and never run
_INTR_SVC, _INTR_BKPT, _INTR_RETURN = 2, 7, 8
_CYCLES_PER_BLOCK_AT_LEAST = 8
_READ, _WRITE, _EXECUTE = 1, 2, 4
_LOAD = ctypes.CFUNCTYPE(
    ctypes.c_uint64, ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint, ctypes.c_void_p
)
_STORE = ctypes.CFUNCTYPE(
    None, ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint, ctypes.c_uint64, ctypes.c_void_p
)


class Pause(StrEnum):
    """Why `run` returned."""

    WAITING = "waiting"
    """The firmware polls for input and there is none, or sleeps."""
    RESET = "reset"
    """The chip was reset; it starts again on the next run."""
    RUNNING = "running"
    """A slice is over, or enough output has gathered."""


@dataclass(frozen=True)
class ResetEvent:
    """A reset and what led to it: "software", "watchdog", "lockup", "pin"."""

    cause: str
    cycles: int
    pc: int
    lr: int


class EmulatedMcu:
    """One chip with a firmware.

    `elf` is the firmware; `board` says which chip, its cycle parameters and its UID. Raises
    MissingExtraError without Unicorn, Capstone or Numba, BadInputError for an ELF that is not for
    the chip.
    """

    def __init__(self, board: BoardParameters, elf: Path) -> None:
        self.board = board
        self._unicorn = _import_unicorn()
        self._memories = Memories(board.chip, board.uid)
        load_image(elf, self._memories)
        self._counters = Counters([CodeRegion(*r) for r in self._memories.code_regions()])
        self._code_pages: set[int] = set()
        self._engine = self._make_engine()
        self._library = self._unicorn.unicorn_py3.unicorn.uclib
        self._registers = Registers(self._library, self._engine)
        self._pricing = Pricing(self._counters, self._read_code, board.cycles)
        self.port = SerialPort(
            lambda: self._counters.executed,
            self._wait_begins,
            self._waits,
            self._wait_is_over,
            self._stop,
        )
        machine = peripherals.Machine(
            chip=board.chip,
            memories=self._memories,
            port=self.port,
            cycles=self._cycles_at,
            request_reset=self._request_reset,
            code_changed=self._code_changes,
        )
        self._peripherals = peripherals.build(machine)
        self._bus = Bus(self._peripherals.everything)
        self._bus.map_into(self._engine)
        self._native = self._attach_native()
        self._faults = FaultUnit(
            self._registers, self._memories, self._peripherals.scs, self._unicorn
        )
        self._blank = self._engine.context_save()
        self.resets: list[ResetEvent] = []
        self._error: Exception | None = None
        self._refused: int | None = None
        self._interrupt: int | None = None
        self._reset_wanted: str | None = None
        self._waiting = False
        self._before_wait: Any = None
        self._last_located = (-1, 0)
        self._clock = self._clock_milli = 0
        self._start()

    # --- running -------------------------------------------------------------------------------

    def run(self, blocks: int = SLICE_BLOCKS) -> Pause:
        """Run until the firmware waits, the chip resets, or about `blocks` blocks are over."""
        if self._waiting:
            if not self.port.ready:
                return Pause.WAITING
            self._waiting = False
        self._counters.allow(self._slice(blocks))
        while self._went_on():
            pass
        if self._error is not None:
            raise self._error
        if self._counters.full:
            raise InfrastructureError(
                "The firmware ran more distinct blocks of code than the emulator can count.",
                "Use a firmware that does not rewrite its code.",
            )
        self._check_watchdog()
        if self._reset_wanted is not None:
            self._reset(self._reset_wanted)
            return Pause.RESET
        return Pause.WAITING if self._waiting else Pause.RUNNING

    def _went_on(self) -> bool:
        """Run until something stops the core; whether it can go on in the same slice."""
        self._refused = None
        try:
            self._engine.emu_start(self._registers["pc"] | 1, _NEVER_REACHED)
        except self._unicorn.UcError:
            self._on_error()
        else:
            if self._interrupt is not None:
                self._on_interrupt()
            elif not self._counters.stopped:
                self._waiting = True  # WFI: no interrupt will come, only bytes
        return not (self._waiting or self._reset_wanted or self._counters.stopped)

    def feed(self, data: bytes) -> None:
        """Bytes arrive on the serial line."""
        self.port.feed(data)

    def drain(self) -> bytes:
        """What the firmware sent since the last call."""
        return self.port.drain()

    def reset(self) -> None:
        """Pull the reset pin: RAM and counters stay."""
        self._reset("pin")

    # --- looking -------------------------------------------------------------------------------

    @property
    def pricing(self) -> Pricing:
        """Cycles, instructions and profile since power-on."""
        return self._pricing

    def counters(self) -> dict[str, Any]:
        """The totals since power-on, for people and for the control channel."""
        flash = self._peripherals.flash
        return {
            "cycles": self._pricing.cycles(),
            "instructions": self._pricing.instructions(),
            "blocks": self._counters.executed,
            "core_clock_hz": self._peripherals.rcc.core_clock_hz(),
            "flash_wait_states": flash.wait_states,
            "flash_erases": sum(flash.erased),
            "resets": len(self.resets),
            "unmodelled": [f"{base:#010x}" for base in self._bus.unmodelled],
            "pc": self._registers["pc"],
        }

    def memory(self, address: int, size: int) -> bytes | None:
        """What stands at an address; None where nothing is mapped."""
        found = self._memories.find(address, size)
        return None if found is None else bytes(found)

    # --- construction --------------------------------------------------------------------------

    def _make_engine(self) -> Any:
        u = self._unicorn
        engine = u.Uc(u.UC_ARCH_ARM, u.UC_MODE_THUMB | u.UC_MODE_MCLASS)
        engine.ctl_set_cpu_model(u.arm_const.UC_CPU_ARM_CORTEX_M4)
        self._memories.map_into(engine)
        engine.hook_add(u.UC_HOOK_INTR, self._note_interrupt)
        engine.ctl_set_tlb_mode(u.UC_TLB_VIRTUAL)
        engine.hook_add(u.UC_HOOK_TLB_FILL, self._fill_tlb)
        return engine

    def _attach_native(self) -> Any:
        """The block hook and the APB's callbacks; what must live as long as the engine."""
        library = self._library
        load, store = _LOAD(self._load_apb), _STORE(self._store_apb)
        code = NativeCode(
            (BLOCK_HOOK, PORT_LOAD, PORT_STORE),
            {
                "uc_emu_stop": _address(library.uc_emu_stop),
                "slow_load": _address(load),
                "slow_store": _address(store),
            },
        )
        hook, port_load, port_store = code.addresses
        counting.attach(library, self._engine._uch, hook, self._counters)
        port = ctypes.c_void_p(self.port.address)
        status = library.uc_mmio_map(
            self._engine._uch,
            ctypes.c_uint64(APB[0]),
            ctypes.c_size_t(APB[1]),
            ctypes.c_void_p(port_load),
            port,
            ctypes.c_void_p(port_store),
            port,
        )
        if status:
            raise RuntimeError(f"uc_mmio_map failed with {status}")
        return code, load, store

    def _load_apb(self, _engine: int, offset: int, size: int, _data: int) -> int:
        try:
            return self._bus.load(APB[0] + offset, size)
        except Exception as error:  # must not leave a C callback
            self._callback_failed(error)
            return 0

    def _store_apb(self, _engine: int, offset: int, size: int, value: int, _data: int) -> None:
        try:
            self._bus.store(APB[0] + offset, size, value)
        except Exception as error:  # must not leave a C callback
            self._callback_failed(error)

    def _callback_failed(self, error: Exception) -> None:
        self._error = error
        self._stop()

    def _read_code(self, address: int, size: int) -> bytes:
        found = self._memories.find(address, size)
        return b"" if found is None else bytes(found)

    def _start(self) -> None:
        table = self._memories.find(0, 8)
        assert table is not None
        self._registers["sp"] = int.from_bytes(table[:4], "little")
        self._registers["lr"] = 0xFFFFFFFF
        self._registers["pc"] = int.from_bytes(table[4:], "little") & ~1
        self._registers.enable_fpu()
        self._counters.forget_previous()

    # --- called while the core runs ------------------------------------------------------------

    def _cycles_at(self, address: int) -> int:
        """The clock that the firmware sees, at the access to `address` that runs now.

        Each span between two looks is rounded by itself, so that it does not depend on what ran
        before.
        """
        self._before_wait = None  # the firmware has seen the time: it cannot be taken back
        milli = self._pricing.milli_before(self._accessing(address))
        self._clock += (milli - self._clock_milli + MILLI // 2) // MILLI
        self._clock_milli = milli
        return self._clock

    def _accessing(self, address: int) -> int | None:
        """Where the instruction that accesses `address` lies in the current block.

        Unicorn does not tell: it is the first one, after the last one found in this execution of
        the block, whose operand gives that address.
        """
        execution, after = self._last_located
        if execution != self._counters.executed:
            after = -1
        for at, instruction in self._pricing.block(self._counters.current).placed():
            access = instruction.access
            if at > after and access and access.address(self._registers.operand(at)) == address:
                self._last_located = (self._counters.executed, at)
                return at
        return None

    def _wait_begins(self) -> None:
        self._before_wait = self._counters.save()

    def _waits(self) -> None:
        self._waiting = True
        self._stop()

    def _wait_is_over(self) -> None:
        """A wait takes no emulated time, if the firmware did not look at the time meanwhile."""
        if self._before_wait is not None:
            self._counters.restore(self._before_wait)
            self._before_wait = None

    def _stop(self) -> None:
        self._counters.request_stop()

    def _request_reset(self, cause: str) -> None:
        self._reset_wanted = cause
        self._stop()

    def _note_interrupt(self, engine: Any, number: int, _data: Any) -> None:
        self._interrupt = number
        engine.emu_stop()

    def _fill_tlb(self, _engine: Any, page: int, access: int, entry: Any, _data: Any) -> bool:
        """Addresses mean themselves, and an access that reaches nothing is refused here: elsewhere
        Unicorn runs on to the end of an IT block first. Unicorn takes its slow path for every store
        into a page that is executable (20 times slower), so RAM is not, until code is fetched from
        the page.

        Before it calls this for a load or store, Unicorn 2.1.4 writes the IT state of that
        instruction into the core, where translated code keeps none; left there, it would make
        later instructions conditional.
        """
        fetches = access == self._unicorn.UC_MEM_FETCH
        device = self._bus.covers(page)
        writable = True if device else self._memories.writable(page)
        stores = access == self._unicorn.UC_MEM_WRITE
        if writable is None or (stores and not writable) or (fetches and device):
            self._refused = access
            return False
        if fetches:
            self._code_pages.add(page)
        else:
            xpsr = self._registers["xpsr"]
            if xpsr & IT_BITS:
                self._registers["xpsr"] = xpsr & ~IT_BITS
        entry.paddr = page
        entry.perms = _READ | (_WRITE if writable else 0)
        if page in self._code_pages:
            entry.perms |= _EXECUTE
        return True

    def _code_changes(self, start: int, size: int) -> None:
        for place in (start, start - FLASH_BASE):  # the flash and its alias at 0
            if self._counters.has_code(place, size):
                self._pricing.decode_new()
                self._counters.forget_code(place, size)
                self._engine.ctl_remove_cache(place, place + size)

    # --- between runs --------------------------------------------------------------------------

    def _slice(self, blocks: int) -> int:
        bites_at = self._peripherals.iwdg.bites_at
        if bites_at is None:
            return blocks
        remaining = bites_at - self._pricing.cycles()
        return max(16, min(blocks, remaining // _CYCLES_PER_BLOCK_AT_LEAST))

    def _check_watchdog(self) -> None:
        bites_at = self._peripherals.iwdg.bites_at
        if bites_at is not None and self._pricing.cycles() >= bites_at:
            self._reset_wanted = "watchdog"

    def _on_error(self) -> None:
        pc = self._registers["pc"]
        if self._refused == self._unicorn.UC_MEM_WRITE:
            instruction = self._faults.instruction_at(pc)
            if instruction and instruction.access:
                address = instruction.access.address(self._registers.operand(pc))
                if self._peripherals.flash.covers(address):
                    self._store_into_flash(pc, instruction, address)
                    return
        fault = self._faults.classify(self._refused)
        self._pricing.not_run(pc)
        try:
            self._faults.take(fault)
        except LockupError:
            self._reset_wanted = "lockup"

    def _on_interrupt(self) -> None:
        number, self._interrupt = self._interrupt, None
        pc = self._registers["pc"]
        try:
            if number == _INTR_RETURN:
                self._faults.leave(pc)
            elif number == _INTR_SVC:
                self._faults.enter(SUPERVISOR_CALL, pc)
            elif number == _INTR_BKPT:
                self._faults.breakpoint()
            else:
                self._faults.take(self._faults.classify(None))
        except LockupError:
            self._reset_wanted = "lockup"

    def _store_into_flash(self, pc: int, instruction: Any, address: int) -> None:
        access = instruction.access
        for i, name in enumerate(access.registers):
            value = self._registers[name] & ((1 << 8 * access.unit) - 1)
            data = value.to_bytes(access.unit, "little")
            self._peripherals.flash.program(address + i * access.unit, data)
        if access.writeback:
            self._registers[access.base] += access.writeback
        after = pc + instruction.size
        self._pricing.not_run(after)
        self._counters.continue_at(after)
        self._registers["xpsr"] = after_one_instruction(self._registers["xpsr"])
        self._registers["pc"] = after

    def _reset(self, cause: str) -> None:
        registers = self._registers
        self.resets.append(
            ResetEvent(cause, self._pricing.cycles(), registers["pc"], registers["lr"])
        )
        self._reset_wanted = self._interrupt = self._before_wait = None
        self._waiting = False
        self._engine.context_restore(self._blank)
        self._bus.reset()
        self.port.reset()
        self._peripherals.rcc.note_reset(cause)
        self._start()


def _import_unicorn() -> Any:
    try:
        import capstone
        import llvmlite  # type: ignore[import-untyped]
        import unicorn
        import unicorn.arm_const
    except ImportError as error:
        raise missing_extra("emulator", "The emulated board") from error
    del capstone, llvmlite
    return unicorn


def _address(function: Any) -> int:
    return ctypes.cast(function, ctypes.c_void_p).value or 0
