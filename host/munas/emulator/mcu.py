"""The emulated microcontroller, in this process: core, memories, peripherals, cycle model.

Needs Unicorn (GPL-2.0), so only the emulator's own process and its tests import this module. It
knows no transport: bytes go in by `feed`, come out by `drain`, and `run` returns when the firmware
waits for more.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from munas.emulator import peripherals
from munas.emulator.board import BoardParameters
from munas.emulator.bus import Bus
from munas.emulator.chips import FLASH_BASE
from munas.emulator.core import Core, Stop
from munas.emulator.faults import (
    SUPERVISOR_CALL,
    FaultUnit,
    LockupError,
    after_one_instruction,
)
from munas.emulator.firmware_image import load_image
from munas.emulator.memory import Memories
from munas.emulator.parameters import MILLI
from munas.emulator.pricing import Pricing
from munas.emulator.serial_port import SerialPort
from munas.errors import InfrastructureError

SLICE_BLOCKS = 1 << 20
"""Blocks that run at most before `run` returns: some tens of milliseconds of the host's time."""

_INTR_SVC, _INTR_BKPT, _INTR_RETURN = 2, 7, 8
_CYCLES_PER_BLOCK_AT_LEAST = 8


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
        self._memories = Memories(board.chip, board.uid)
        load_image(elf, self._memories)
        self._core = Core(self._memories)
        self._counters, self._registers = self._core.counters, self._core.registers
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
        self._core.attach(self._bus, self.port)
        self._faults = FaultUnit(self._registers, self._memories, self._peripherals.scs)
        self.resets: list[ResetEvent] = []
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
        while self._obey(self._core.run()):
            pass
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

    def _obey(self, stop: Stop) -> bool:
        """Do what a stop asks for; whether the core can go on in the same slice."""
        if stop.why == "asleep":
            self._waiting = True  # WFI: no interrupt will come, only bytes
        elif stop.why != "asked":
            try:
                if stop.why == "error":
                    self._on_error(stop)
                else:
                    self._on_exception(stop)
            except LockupError:
                self._reset_wanted = "lockup"
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

    def _read_code(self, address: int, size: int) -> bytes:
        found = self._memories.find(address, size)
        return b"" if found is None else bytes(found)

    def _start(self) -> None:
        self._core.reset()
        table = self._memories.find(0, 8)
        assert table is not None
        self._registers["sp"] = int.from_bytes(table[:4], "little")
        self._registers["lr"] = 0xFFFFFFFF
        self._registers["pc"] = int.from_bytes(table[4:], "little") & ~1

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

    def _now(self) -> int:
        """The clock that the firmware would see, without a look at it."""
        return self._clock + (self._pricing.milli_before(None) - self._clock_milli) // MILLI

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

    def _code_changes(self, start: int, size: int) -> None:
        for place in (start, start - FLASH_BASE):  # the flash and its alias at 0
            if self._counters.has_code(place, size):
                self._pricing.code_changes(place, size)
                self._core.forget_code(place, size)

    # --- between runs --------------------------------------------------------------------------

    def _slice(self, blocks: int) -> int:
        bites_at = self._peripherals.iwdg.bites_at
        if bites_at is None:
            return blocks
        remaining = bites_at - self._now()
        return max(16, min(blocks, remaining // _CYCLES_PER_BLOCK_AT_LEAST))

    def _check_watchdog(self) -> None:
        bites_at = self._peripherals.iwdg.bites_at
        if bites_at is not None and self._now() >= bites_at:
            self._reset_wanted = "watchdog"

    def _on_error(self, stop: Stop) -> None:
        pc = self._registers["pc"]
        if stop.access == "store":
            instruction = self._faults.instruction_at(pc)
            if instruction and instruction.access:
                address = instruction.access.address(self._registers.operand(pc))
                if self._peripherals.flash.covers(address):
                    self._store_into_flash(pc, instruction, address)
                    return
        fault = self._faults.classify(stop.access)
        self._pricing.not_run(pc)
        self._faults.take(fault)

    def _on_exception(self, stop: Stop) -> None:
        pc = self._registers["pc"]
        if stop.number == _INTR_RETURN:
            self._faults.leave(pc)
        elif stop.number == _INTR_SVC:
            self._faults.enter(SUPERVISOR_CALL, pc)
        elif stop.number == _INTR_BKPT:
            self._faults.breakpoint()
        else:
            self._faults.take(self._faults.classify(None))

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
        self._pricing.continues_at(after)
        self._registers["xpsr"] = after_one_instruction(self._registers["xpsr"])
        self._registers["pc"] = after

    def _reset(self, cause: str) -> None:
        registers = self._registers
        self.resets.append(
            ResetEvent(cause, self._pricing.cycles(), registers["pc"], registers["lr"])
        )
        self._reset_wanted = self._before_wait = None
        self._waiting = False
        self._bus.reset()
        self.port.reset()
        self._peripherals.rcc.note_reset(cause)
        self._start()
