"""A device in Python that speaks the protocol, with faults on demand, on a line in simulated time.

For tests and for the simulated board. Nothing here waits: time moves when somebody reads. The
device holds the same promises as the firmware (last reply kept, loads only append, unasked
BOOTED); what it computes is an engine's, which is handed in. This module must not know boards.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field

from munas.link import framing
from munas.link.framing import Corrupt, Deframer, Frame
from munas.link.messages import (
    IDENTITY_STRINGS,
    MESSAGES,
    PROTOCOL_VERSION,
    UNSOLICITED,
    Booted,
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
    Reset,
    ResetCause,
    ResetMode,
    Resetting,
    Run,
    Slot,
    Source,
    Statistics,
    Stats,
    Welcome,
)
from munas.link.simulated_engine import DigestEngine, SimulatedEngine, SimulatedRefusalError
from munas.link.simulated_troubles import Order, Trouble, Troubles, spoil

_CHUNK_FIXED_BYTES = 8


@dataclass(frozen=True)
class SimulatedTraits:
    """The numbers that a simulated device gives about itself."""

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
    kept: tuple[Frame, bytes] | None = None


class SimulatedDevice:
    """The far end of a line: `feed` takes bytes and gives the bytes that come back."""

    def __init__(
        self, engine: SimulatedEngine | None = None, traits: SimulatedTraits | None = None
    ) -> None:
        self.engine = engine or DigestEngine()
        self.traits = traits or SimulatedTraits()
        self.requests: list[MessageType] = []
        """Types of the requests that were carried out (not those answered from memory)."""
        self._troubles = Troubles()
        self._boots = 0
        self._cause = ResetCause.POWER
        self._fault = Fault(FaultKind.NONE, 0, 0, 0, 0, 0, 0)
        self._erases = 0
        self._corrupt = 0
        self._hung = False
        self._deframer = Deframer()
        self._state = _State()

    def inject(
        self, trouble: Trouble, on: MessageType | None = None, *, skip: int = 0, count: int = 1
    ) -> None:
        """Make `trouble` happen with the next `count` requests of type `on` after `skip` others."""
        self._troubles.add(Order(trouble, on, skip, count))

    def power_on(self) -> bytes:
        """Start; the bytes that a starting device sends."""
        return self._restart(ResetCause.POWER)

    def reset_from_outside(self) -> bytes:
        """What a probe's reset does, also to a device that hangs."""
        return self._restart(ResetCause.PIN)

    def feed(self, data: bytes) -> bytes:
        """Bytes arrive; the bytes that go back."""
        return b"".join(
            self._refuse_corrupt() if isinstance(frame, Corrupt) else self._on(frame)
            for frame in self._deframer.feed(data)
            if not self._hung
        )

    def _refuse_corrupt(self) -> bytes:
        self._corrupt += 1
        return _pack(UNSOLICITED, Error(ErrorCode.CORRUPT_FRAME, self._corrupt, b""))

    def _on(self, frame: Frame) -> bytes:
        trouble = self._troubles.next_for(frame.type)
        match trouble:
            case Trouble.DROP_REQUEST:
                return b""
            case Trouble.CORRUPT_REQUEST:
                return self._refuse_corrupt()
            case Trouble.HANG:
                self._hung = True
                return b""
            case Trouble.RESET:
                return self._restart(ResetCause.SOFTWARE)
            case Trouble.CRASH:
                return self._crash(frame, FaultKind.HARD_FAULT)
        reply = self._answer(frame)
        return spoil(reply, trouble)

    def _answer(self, frame: Frame) -> bytes:
        kept = self._state.kept
        if kept is not None and kept[0] == frame:
            return kept[1]
        if frame.type == MessageType.RESET:
            return self._reset(frame)
        reply = _pack(frame.sequence, self._carry_out(frame))
        self._state.kept = (frame, reply)
        return reply

    def _carry_out(self, frame: Frame) -> Message:
        if frame.version != PROTOCOL_VERSION:
            return Error(ErrorCode.BAD_VERSION, PROTOCOL_VERSION, b"another protocol version")
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
        handler = handlers.get(frame.type)
        if handler is None:
            return Error(ErrorCode.UNKNOWN_TYPE, frame.type, b"no such request")
        kind = MessageType(frame.type)
        self.requests.append(kind)
        try:
            return handler(MESSAGES[kind].decode(frame.payload))
        except SimulatedRefusalError as refusal:
            return Error(refusal.code, refusal.detail, str(refusal).encode())

    def _restart(self, cause: ResetCause) -> bytes:
        self._state = _State()
        self._deframer = Deframer()
        self._hung = False
        self._boots += 1
        self._cause = cause
        return _pack(UNSOLICITED, Booted(self._boots, cause))

    def _crash(self, frame: Frame, kind: FaultKind) -> bytes:
        hard = kind is FaultKind.HARD_FAULT
        self._fault = Fault(
            kind,
            *(0x08001234, 0x08000101, 0x01000000) if hard else (0, 0, 0),
            1 << 16 if hard else 0,
            1 << 30 if hard else 0,
            0,
        )
        self._restart(ResetCause.FAULT)
        reply = _pack(frame.sequence, self._fault)
        self._state.kept = (frame, reply)
        return reply

    def _reset(self, frame: Frame) -> bytes:
        mode = Reset.decode(frame.payload).mode
        if mode == ResetMode.CLEAN:
            return _pack(frame.sequence, Resetting()) + self._restart(ResetCause.SOFTWARE)
        hard = mode == ResetMode.HARD_FAULT
        return self._crash(frame, FaultKind.HARD_FAULT if hard else FaultKind.WATCHDOG)

    def _hello(self, request: Hello) -> Message:
        traits = self.traits
        return Welcome(
            nonce=request.nonce,
            boots=self._boots,
            reset_cause=self._cause,
            last_fault=self._fault.kind,
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
            models=len(self.engine.image_models()),
            max_repeats=traits.max_repeats,
            max_operators=traits.max_operators,
        )

    def _load_begin(self, request: LoadBegin) -> Message:
        sizes = {
            Slot.RAM: self.traits.ram_slot_bytes,
            Slot.FLASH: self.traits.flash_slot_bytes,
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
            self._erases += 1
        self._state.loading = (slot, request.size_bytes, bytearray())
        window = 1 if slot is Slot.FLASH else self.traits.window
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
        limit = request.arena_limit_bytes or self.traits.arena_bytes
        prepared = self.engine.prepare(model, limit)
        state.operators = self.engine.operators()
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
        if request.repeats > self.traits.max_repeats:
            raise SimulatedRefusalError(
                ErrorCode.BAD_VALUE, self.traits.max_repeats, "too many repeats at once"
            )
        state.output, operator_cycles = self.engine.invoke(bytes(state.input))
        total = sum(operator_cycles)
        state.cycles = (total,) * request.repeats
        state.operator_cycles = operator_cycles if request.per_operator else ()
        profiled = total if request.per_operator else 0
        return Ran(request.repeats, len(state.operator_cycles), 0, profiled)

    def _read(self, request: Read) -> Message:
        data = self._source(request.source)
        if request.offset > len(data):
            raise SimulatedRefusalError(ErrorCode.BAD_VALUE, len(data), "offset beyond the end")
        room = self.traits.frame_capacity - _CHUNK_FIXED_BYTES
        return Chunk(len(data), request.offset, data[request.offset : request.offset + room])

    def _source(self, source: int) -> bytes:
        state = self._state
        match source:
            case Source.IDENTITY:
                return _strings(self._identity())
            case Source.MODELS:
                return _strings([text for pair in self.engine.image_models() for text in pair])
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
            "source_digest": self.traits.source_digest,
            "engine": self.engine.name,
            "mcu": "none",
            "board": self.traits.board,
        }
        return [known.get(name, "simulated") for name in IDENTITY_STRINGS]

    def _stats(self, _request: Stats) -> Message:
        f = self._fault
        return Statistics(
            stack_bytes=0,
            stack_used_bytes=0,
            flash_erases=self._erases,
            uptime_cycles=0,
            corrupt_frames=self._corrupt,
            fault_kind=f.kind,
            fault_pc=f.pc,
            fault_lr=f.lr,
            fault_psr=f.psr,
            fault_cfsr=f.cfsr,
            fault_hfsr=f.hfsr,
            fault_address=f.address,
        )


def _pack(sequence: int, message: Message) -> bytes:
    return framing.encode(Frame(sequence, message.TYPE, message.encode()))


def _strings(texts: list[str] | tuple[str, ...]) -> bytes:
    return b"".join(text.encode() + b"\x00" for text in texts)
