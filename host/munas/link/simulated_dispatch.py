"""What a simulated device answers to each request, with an engine that is handed in.

It holds the same promises as the firmware's dispatch: loads only append, nothing runs before it is
prepared, an inference that outlasts the watchdog ends in a fault. This module must not know frames
nor troubles.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field

from munas.link.messages import (
    IDENTITY_STRINGS,
    MESSAGES,
    Chunk,
    Error,
    ErrorCode,
    Fault,
    FaultKind,
    Hello,
    Input,
    InputProgress,
    LoadBegin,
    LoadData,
    Loaded,
    LoadEnd,
    LoadProgress,
    LoadReady,
    Message,
    MessageType,
    Prepare,
    Prepared,
    Ran,
    Read,
    Region,
    ResetCause,
    Run,
    Slot,
    Source,
    Statistics,
    Stats,
    Welcome,
)
from munas.link.simulated_engine import SimulatedEngine, SimulatedRefusalError

_CHUNK_FIXED_BYTES = 8


@dataclass(frozen=True)
class SimulatedTraits:
    """The numbers that a simulated device gives about itself, and how patient its watchdog is."""

    clock_hz: int = 120_000_000
    arena_bytes: int = 256 * 1024
    ram_slot_bytes: int = 256 * 1024
    flash_slot_bytes: int = 512 * 1024
    frame_capacity: int = 1040
    window: int = 8
    max_repeats: int = 256
    max_operators: int = 256
    uid: tuple[int, int, int] = (0x51D, 0, 1)
    source_digest: str = "0" * 64
    board: str = "simulated"
    watchdog_s: int = 26


@dataclass
class Survivors:
    """What outlives a restart."""

    boots: int = 0
    cause: ResetCause = ResetCause.POWER
    fault: Fault = Fault(FaultKind.NONE, 0, 0, 0, 0, 0, 0)  # noqa: RUF009 (it is frozen)
    erases: int = 0
    corrupt: int = 0


@dataclass
class _State:
    """What a restart forgets."""

    loading: tuple[Slot, int, bytearray] | None = None
    slots: dict[Slot, bytes] = field(default_factory=dict)
    prepared: Prepared | None = None
    operators: tuple[str, ...] = ()
    input: bytearray = field(default_factory=bytearray)
    output: bytes = b""
    cycles: tuple[int, ...] = ()
    operator_cycles: tuple[int, ...] = ()


class WatchdogBite(Exception):  # noqa: N818 (nothing is wrong with the program)
    """The request under way took longer than the watchdog waits."""


class SimulatedDispatch:
    """Carries out requests between two restarts. `survivors` is the device's.

    `busy_s` is how long the requests so far have kept the core busy, in its own time.
    """

    def __init__(
        self, engine: SimulatedEngine, traits: SimulatedTraits, survivors: Survivors
    ) -> None:
        self._engine = engine
        self._traits = traits
        self._survivors = survivors
        self._state = _State()
        self.busy_s = 0.0

    def carry_out(self, kind: int, payload: bytes) -> Message:
        """The reply, which may be an ERROR. Raises WatchdogBite."""
        handlers: dict[int, Callable[..., Message]] = {
            MessageType.HELLO: self._hello,
            MessageType.LOAD_BEGIN: self._load_begin,
            MessageType.LOAD_DATA: self._load_data,
            MessageType.LOAD_END: self._load_end,
            MessageType.PREPARE: self._prepare,
            MessageType.INPUT: self._input,
            MessageType.RUN: self._run,
            MessageType.READ: self._read,
            MessageType.STATS: self._stats,
        }
        handler = handlers.get(kind)
        if handler is None:
            return Error(ErrorCode.UNKNOWN_TYPE, kind, b"no such request")
        try:
            return handler(MESSAGES[MessageType(kind)].decode(payload))
        except SimulatedRefusalError as refusal:
            return Error(refusal.code, refusal.detail, str(refusal).encode())

    def _hello(self, request: Hello) -> Message:
        traits = self._traits
        return Welcome(
            nonce=request.nonce,
            boots=self._survivors.boots,
            reset_cause=self._survivors.cause,
            last_fault=self._survivors.fault.kind,
            clock_hz=traits.clock_hz,
            device_id=0,
            uid0=traits.uid[0],
            uid1=traits.uid[1],
            uid2=traits.uid[2],
            cache=0,
            flash_wait_states=0,
            arena_region=Region.HOST,
            ram_slot_region=Region.HOST,
            arena_address=0x20000000,
            arena_bytes=traits.arena_bytes,
            ram_slot_address=0x20040000,
            ram_slot_bytes=traits.ram_slot_bytes,
            flash_slot_address=0x08080000,
            flash_slot_bytes=traits.flash_slot_bytes,
            frame_capacity=traits.frame_capacity,
            window=traits.window,
            models=len(self._engine.image_models()),
            max_repeats=traits.max_repeats,
            max_operators=traits.max_operators,
        )

    def _load_begin(self, request: LoadBegin) -> Message:
        sizes = {
            Slot.RAM: self._traits.ram_slot_bytes,
            Slot.FLASH: self._traits.flash_slot_bytes,
        }
        if request.slot not in sizes:
            raise SimulatedRefusalError(ErrorCode.BAD_SLOT, request.slot, "no such slot")
        slot = Slot(request.slot)
        if not 0 < request.size_bytes <= sizes[slot]:
            raise SimulatedRefusalError(
                ErrorCode.DOES_NOT_FIT, sizes[slot], "model does not fit the slot"
            )
        self._forget(slot)
        if slot is Slot.FLASH:
            self._survivors.erases += 1
        self._state.loading = (slot, request.size_bytes, bytearray())
        window = 1 if slot is Slot.FLASH else self._traits.window
        return LoadReady(0x20040000, sizes[slot], window)

    def _forget(self, slot: Slot) -> None:
        self._state.prepared = None
        self._state.slots.pop(slot, None)

    def _load_data(self, request: LoadData) -> Message:
        if self._state.loading is None:
            raise SimulatedRefusalError(ErrorCode.NOT_LOADED, 0, "no load under way")
        _, size, data = self._state.loading
        if request.offset == len(data):
            if len(data) + len(request.data) > size:
                raise SimulatedRefusalError(ErrorCode.BAD_LENGTH, size, "more bytes than announced")
            data += request.data
        return LoadProgress(len(data))

    def _load_end(self, request: LoadEnd) -> Message:
        if self._state.loading is None:
            raise SimulatedRefusalError(ErrorCode.NOT_LOADED, 0, "no load under way")
        slot, size, data = self._state.loading
        if len(data) != size:
            raise SimulatedRefusalError(ErrorCode.BAD_LENGTH, len(data), "model bytes are missing")
        self._state.loading = None
        crc = zlib.crc32(data)
        if crc != request.crc:
            raise SimulatedRefusalError(ErrorCode.CRC_MISMATCH, crc, "the slot holds other bytes")
        self._state.slots[slot] = bytes(data)
        return Loaded(crc)

    def _prepare(self, request: Prepare) -> Message:
        state = self._state
        state.prepared = None
        state.cycles = state.operator_cycles = ()
        state.output = b""
        if request.slot == Slot.IMAGE:
            model: bytes | int = request.index
        elif request.slot in state.slots:
            model = state.slots[Slot(request.slot)]
        else:
            raise SimulatedRefusalError(
                ErrorCode.NOT_LOADED, request.slot, "no model is loaded there"
            )
        limit = request.arena_limit_bytes or self._traits.arena_bytes
        prepared = self._engine.prepare(model, limit)
        state.operators = self._engine.operators()
        state.prepared = prepared
        state.input = bytearray()
        return prepared

    def _ready(self) -> Prepared:
        if self._state.prepared is None:
            raise SimulatedRefusalError(ErrorCode.NOT_PREPARED, 0, "PREPARE comes first")
        return self._state.prepared

    def _input(self, request: Input) -> Message:
        size = self._ready().input_bytes
        tensor = self._state.input
        if request.offset == 0:
            tensor.clear()
        if request.offset == len(tensor):
            if len(tensor) + len(request.data) > size:
                raise SimulatedRefusalError(ErrorCode.BAD_LENGTH, size, "input tensor is smaller")
            tensor += request.data
        return InputProgress(len(tensor))

    def _run(self, request: Run) -> Message:
        state = self._state
        if len(state.input) != self._ready().input_bytes:
            raise SimulatedRefusalError(ErrorCode.NO_INPUT, len(state.input), "INPUT comes first")
        most = self._traits.max_repeats
        if request.repeats > most or request.warmup > most:
            raise SimulatedRefusalError(ErrorCode.BAD_VALUE, most, "too many repeats at once")
        if request.repeats + request.warmup == 0:
            raise SimulatedRefusalError(ErrorCode.BAD_VALUE, 0, "no inference is asked for")
        state.output, operator_cycles = self._engine.invoke(bytes(state.input))
        total = sum(operator_cycles)
        self._take_time(total, request.warmup + request.repeats + int(request.per_operator != 0))
        state.cycles = (total,) * request.repeats
        state.operator_cycles = operator_cycles if request.per_operator else ()
        profiled = total if request.per_operator else 0
        return Ran(request.repeats, len(state.operator_cycles), 0, profiled)

    def _take_time(self, cycles: int, times: int) -> None:
        """An inference of `cycles`, so many times over; the watchdog is kicked before each."""
        if cycles > self._traits.watchdog_s * self._traits.clock_hz:
            self.busy_s += self._traits.watchdog_s
            raise WatchdogBite
        self.busy_s += times * cycles / self._traits.clock_hz

    def _read(self, request: Read) -> Message:
        data = self._source(request.source)
        if request.offset > len(data):
            raise SimulatedRefusalError(ErrorCode.BAD_VALUE, len(data), "offset beyond the end")
        room = self._traits.frame_capacity - _CHUNK_FIXED_BYTES
        return Chunk(len(data), request.offset, data[request.offset : request.offset + room])

    def _source(self, source: int) -> bytes:
        state = self._state
        match source:
            case Source.IDENTITY:
                return _strings(self._identity())
            case Source.MODELS:
                return _strings([text for pair in self._engine.image_models() for text in pair])
            case Source.OPERATORS:
                self._ready()
                return _strings(state.operators)
            case Source.OUTPUT:
                self._ready()
                return state.output
            case Source.CYCLES:
                return struct.pack(f"<{len(state.cycles)}Q", *state.cycles)
            case Source.OPERATOR_CYCLES:
                return struct.pack(f"<{len(state.operator_cycles)}Q", *state.operator_cycles)
        raise SimulatedRefusalError(ErrorCode.BAD_VALUE, source, "no such source")

    def _identity(self) -> list[str]:
        known = {
            "source_digest": self._traits.source_digest,
            "engine": self._engine.name,
            "mcu": "none",
            "board": self._traits.board,
        }
        return [known.get(name, "simulated") for name in IDENTITY_STRINGS]

    def _stats(self, _request: Stats) -> Message:
        f = self._survivors.fault
        return Statistics(
            stack_bytes=0,
            stack_used_bytes=0,
            flash_erases=self._survivors.erases,
            uptime_cycles=0,
            corrupt_frames=self._survivors.corrupt,
            fault_kind=f.kind,
            fault_pc=f.pc,
            fault_lr=f.lr,
            fault_psr=f.psr,
            fault_cfsr=f.cfsr,
            fault_hfsr=f.hfsr,
            fault_address=f.address,
        )


def _strings(texts: list[str] | tuple[str, ...]) -> bytes:
    return b"".join(text.encode() + b"\x00" for text in texts)
