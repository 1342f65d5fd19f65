"""The core itself: Unicorn with the memories, the devices and the native hooks attached.

Needs Unicorn (GPL-2.0), so only the emulator's own process and its tests import this module. It
stops and says why; what that means is decided elsewhere.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from munas.emulator import counting
from munas.emulator.bus import APB, Bus
from munas.emulator.counting import BLOCK_HOOK, FIND_BLOCK, CodeRegion, Counters
from munas.emulator.faults import IT_BITS
from munas.emulator.memory import EXECUTE, READ, WRITE, Memories
from munas.emulator.native import NativeCode
from munas.emulator.registers import Registers
from munas.emulator.serial_port import PORT_LOAD, PORT_STORE, SerialPort
from munas.errors import missing_extra

_LOAD = ctypes.CFUNCTYPE(
    ctypes.c_uint64, ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint, ctypes.c_void_p
)
_STORE = ctypes.CFUNCTYPE(
    None, ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint, ctypes.c_uint64, ctypes.c_void_p
)


@dataclass(frozen=True)
class Stop:
    """Why the core stopped: the block hook asked for it, WFI, an exception of Unicorn's with its
    number, or an error. `access` is the kind of the access that reached nothing, None for any other
    error.
    """

    why: Literal["asked", "asleep", "exception", "error"]
    number: int | None = None
    access: Literal["load", "store", "fetch"] | None = None


class Core:
    """A Cortex-M4F over these memories.

    Raises MissingExtraError without Unicorn, Capstone or Numba.
    """

    def __init__(self, memories: Memories) -> None:
        self._unicorn = _import_unicorn()
        self._memories = memories
        self._code_pages: set[int] = set()
        self._error: Exception | None = None
        self._refused: Literal["load", "store", "fetch"] | None = None
        self._interrupt: int | None = None
        self.counters = Counters([CodeRegion(*r) for r in memories.code_regions()])
        self._engine = self._make_engine()
        self._library = self._unicorn.unicorn_py3.unicorn.uclib
        self.registers = Registers(self._library, self._engine)

    def attach(self, bus: Bus, port: SerialPort) -> None:
        """Connect the devices; to be called once, before the first run."""
        bus.map_into(self._engine)
        self._native = self._attach_native(bus, port)
        self._blank = self._engine.context_save()

    def run(self) -> Stop:
        """Run from PC until something stops the core.

        Raises what a peripheral raised.
        """
        self._forget_stop()
        try:
            self._engine.emu_start(self.registers["pc"] | 1, until=0)
        except self._unicorn.UcError:
            stop = Stop("error", access=self._refused)
        else:
            if self._interrupt is not None:
                stop = Stop("exception", number=self._interrupt)
            else:
                stop = Stop("asked" if self.counters.stopped else "asleep")
        if self._error is not None:
            raise self._error
        return stop

    def _forget_stop(self) -> None:
        self._refused = self._interrupt = None

    def reset(self) -> None:
        """All registers as at power-on."""
        self._engine.context_restore(self._blank)
        self.registers.enable_fpu()
        self.counters.forget_previous()

    def forget_code(self, start: int, size: int) -> None:
        """The code in this range changed."""
        self.counters.forget_code(start, size)
        self._engine.ctl_remove_cache(start, start + size)

    def _make_engine(self) -> Any:
        u = self._unicorn
        engine = u.Uc(u.UC_ARCH_ARM, u.UC_MODE_THUMB | u.UC_MODE_MCLASS)
        engine.ctl_set_cpu_model(u.arm_const.UC_CPU_ARM_CORTEX_M4)
        engine.ctl_exits_enabled(True)  # and none given: `until` means nothing
        self._memories.map_into(engine)
        engine.hook_add(u.UC_HOOK_INTR, self._note_interrupt)
        engine.ctl_set_tlb_mode(u.UC_TLB_VIRTUAL)
        engine.hook_add(u.UC_HOOK_TLB_FILL, self._fill_tlb)
        return engine

    def _attach_native(self, bus: Bus, port: SerialPort) -> Any:
        """The block hook and the APB's callbacks; what must live as long as the engine."""
        library = self._library
        load, store = _LOAD(self._guarded(bus.load)), _STORE(self._guarded(bus.store))
        code = NativeCode(
            (FIND_BLOCK, BLOCK_HOOK, PORT_LOAD, PORT_STORE),
            {
                "uc_emu_stop": _address(library.uc_emu_stop),
                "slow_load": _address(load),
                "slow_store": _address(store),
            },
        )
        _, hook, port_load, port_store = code.addresses
        counting.attach(library, self._engine._uch, hook, self.counters)
        shared = ctypes.c_void_p(port.address)
        status = library.uc_mmio_map(
            self._engine._uch,
            ctypes.c_uint64(APB[0]),
            ctypes.c_size_t(APB[1]),
            ctypes.c_void_p(port_load),
            shared,
            ctypes.c_void_p(port_store),
            shared,
        )
        if status:
            raise RuntimeError(f"uc_mmio_map failed with {status}")
        return code, load, store

    def _guarded(self, access: Callable[..., int | None]) -> Callable[..., int]:
        """A callback of the bus that lets no exception into C: `run` raises it."""

        def call(_engine: int, offset: int, size: int, *value_and_data: int) -> int:
            try:
                return access(APB[0] + offset, size, *value_and_data[:-1]) or 0
            except Exception as error:
                self._error = error
                self.counters.request_stop()
                return 0

        return call

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
        stores = access == self._unicorn.UC_MEM_WRITE
        rights = READ | WRITE if Bus.covers(page) else self._memories.rights(page)
        wanted = EXECUTE if fetches else WRITE if stores else READ
        if not rights & wanted:
            self._refused = "fetch" if fetches else "store" if stores else "load"
            return False
        if fetches:
            self._code_pages.add(page)
        else:
            xpsr = self.registers["xpsr"]
            if xpsr & IT_BITS:
                self.registers["xpsr"] = xpsr & ~IT_BITS
        entry.paddr = page
        entry.perms = rights if page in self._code_pages else rights & ~EXECUTE
        return True


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
