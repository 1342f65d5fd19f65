"""The host's side of the link: typed requests to one board, typed replies or faults.

Every operation takes a deadline. A lost or spoiled frame is sent again; a board that broke down or
restarted ends the operation at once with the fault that it reported. This module must not know
boards, probes or models.
"""

from __future__ import annotations

import os
import struct
import zlib
from dataclasses import dataclass
from typing import TypeVar

from munas.errors import ImplausibleError, TransportError
from munas.link.deadline import Deadline
from munas.link.exchange import Exchange, wrong_reply
from munas.link.faults import BoardCrashError, BoardRestartedError
from munas.link.framelog import FrameLog
from munas.link.loading import Loader
from munas.link.messages import (
    IDENTITY_STRINGS,
    MINIMUM_FRAME_CAPACITY,
    Cache,
    Chunk,
    Hello,
    Input,
    InputProgress,
    LoadBegin,
    Loaded,
    LoadEnd,
    LoadReady,
    Message,
    Prepare,
    Prepared,
    Ran,
    Read,
    Region,
    Reset,
    ResetMode,
    Resetting,
    Run,
    Slot,
    Source,
    Statistics,
    Stats,
    Welcome,
    name_of,
)
from munas.link.transport import Transport

_M = TypeVar("_M", bound=Message)
_INPUT_OFFSET_BYTES = 4


@dataclass(frozen=True)
class Identity:
    """What a board says about itself: its numbers, and its strings (IDENTITY_STRINGS)."""

    welcome: Welcome
    source_digest: str
    engine: str
    engine_revision: str
    kernels: str
    compiler: str
    flags: str
    mcu: str
    board: str

    @property
    def uid(self) -> str:
        """The chip's unique id, 24 hexadecimal digits."""
        words = (self.welcome.uid0, self.welcome.uid1, self.welcome.uid2)
        return "".join(f"{word:08x}" for word in words)

    @property
    def clock_hz(self) -> int:
        """The core clock that the firmware reached."""
        return self.welcome.clock_hz

    @property
    def caches(self) -> tuple[str, ...]:
        """Names of the caches that are on."""
        return tuple((cache.name or "").lower() for cache in Cache if cache & self.welcome.cache)

    @property
    def arena_region(self) -> str:
        """The kind of memory that the arena lies in."""
        return name_of(Region, self.welcome.arena_region).lower()

    def slot_region(self, slot: Slot) -> str:
        """The kind of memory that weights in `slot` lie in."""
        if slot is Slot.RAM:
            return name_of(Region, self.welcome.ram_slot_region).lower()
        return Region.FLASH.name.lower()

    def slot_bytes(self, slot: Slot) -> int:
        """What a loaded model may measure; 0 where the board has no such slot."""
        sizes = {
            Slot.RAM: self.welcome.ram_slot_bytes,
            Slot.FLASH: self.welcome.flash_slot_bytes,
        }
        return sizes.get(slot, 0)


@dataclass(frozen=True)
class ImageModel:
    """A model that is compiled into the image."""

    index: int
    name: str
    sha256: str


@dataclass(frozen=True)
class RunResult:
    """What a run measured, all in core cycles.

    `cycles` has one entry per repeat. `operator_cycles` belongs to one more, profiled inference of
    `profiled_cycles` in all; empty where none was asked for or the engine cannot.
    """

    cycles: tuple[int, ...]
    empty_cycles: int
    operator_cycles: tuple[int, ...]
    profiled_cycles: int


class Client:
    """Speaks with the board at the end of `transport`. Call `hello` first."""

    def __init__(self, transport: Transport, log: FrameLog | None = None) -> None:
        self._exchange = Exchange(transport, log)
        self._identity: Identity | None = None

    @property
    def resends(self) -> int:
        """Frames that had to be sent again so far: a measure of the line's quality."""
        return self._exchange.resends

    def deadline(self, seconds: float) -> Deadline:
        """A deadline in the time of this client's line."""
        return Deadline(seconds, self._exchange.transport.clock)

    def close(self) -> None:
        """Let go of the line."""
        self._exchange.transport.close()

    def hello(self, deadline: Deadline) -> Identity:
        """Who is there? Also finds the way back after garbage, a restart or another host."""
        self._exchange.connected = False
        self._exchange.resynchronise(deadline)
        nonce = int.from_bytes(os.urandom(8), "little")
        welcome = self._ask(Hello(nonce), Welcome, deadline)
        if welcome.nonce != nonce:
            raise TransportError(
                f"The board at {self._exchange.transport.name} answered another HELLO.",
                "Another program may be using the line: close it.",
            )
        _check_numbers(welcome, self._exchange.transport.name)
        self._exchange.connected = True
        strings = _strings(self.read(Source.IDENTITY, deadline))
        if len(strings) != len(IDENTITY_STRINGS):
            raise TransportError(
                f"The board gave {len(strings)} strings of {len(IDENTITY_STRINGS)} about itself.",
                "The firmware is of another version: rebuild and flash it.",
            )
        self._identity = Identity(welcome, **dict(zip(IDENTITY_STRINGS, strings, strict=True)))
        return self._identity

    def load(self, data: bytes, slot: Slot, deadline: Deadline) -> None:
        """Put model bytes into a slot. Any prepared model is forgotten."""
        ready = self._ask(LoadBegin(slot, len(data)), LoadReady, deadline, patient=True)
        Loader(self._exchange, data, self._capacity(), ready.window).run(deadline)
        crc = zlib.crc32(data)
        loaded = self._ask(LoadEnd(crc), Loaded, deadline, patient=True)
        if loaded.crc != crc:
            raise ImplausibleError(
                f"The slot holds bytes of CRC-32 {loaded.crc:#010x}; {crc:#010x} were sent.",
                "Load the model again.",
            )

    def prepare(
        self, slot: Slot, deadline: Deadline, *, index: int = 0, arena_limit_bytes: int = 0
    ) -> Prepared:
        """Get a loaded model, or model `index` of the image, ready to run.

        `arena_limit_bytes` gives the engine no more arena than that (0: all there is).
        """
        request = Prepare(slot, index, arena_limit_bytes)
        return self._ask(request, Prepared, deadline, patient=True)

    def input(self, data: bytes, deadline: Deadline) -> None:
        """Fill the input tensor of the prepared model with raw int8 bytes."""
        portion = self._capacity() - _INPUT_OFFSET_BYTES
        for offset in range(0, len(data), portion):
            part = data[offset : offset + portion]
            progress = self._ask(Input(offset, part), InputProgress, deadline)
            if progress.next_offset != offset + len(part):
                raise TransportError(
                    f"The board has {progress.next_offset} input bytes,"
                    f" {offset + len(part)} were sent.",
                    "Prepare the model and send the input again.",
                )

    def run(
        self, deadline: Deadline, *, repeats: int, warmup: int = 0, per_operator: bool = False
    ) -> RunResult:
        """Infer. `repeats` and `warmup` may each be at most the board's `max_repeats`."""
        request = Run(warmup, repeats, int(per_operator))
        ran = self._ask(request, Ran, deadline, patient=True)
        if ran.repeats != repeats:
            raise ImplausibleError(
                f"{repeats} repeats were asked for, the firmware measured {ran.repeats}.",
                "RAN must say as many as RUN asked for: mend the firmware (docs/link.md).",
            )
        cycles = self._cycles(Source.CYCLES, ran.repeats, deadline)
        operators = self._cycles(Source.OPERATOR_CYCLES, ran.operators, deadline)
        return RunResult(cycles, ran.empty_cycles, operators, ran.profiled_cycles)

    def output(self, deadline: Deadline) -> bytes:
        """The raw int8 output tensor of the last inference."""
        return self.read(Source.OUTPUT, deadline)

    def operators(self, deadline: Deadline) -> tuple[str, ...]:
        """Names of the prepared model's operators, in execution order."""
        return _strings(self.read(Source.OPERATORS, deadline))

    def models(self, deadline: Deadline) -> tuple[ImageModel, ...]:
        """The models that are compiled into the image."""
        texts = _strings(self.read(Source.MODELS, deadline))
        if len(texts) % 2:
            raise ImplausibleError(
                f"The firmware gave {len(texts)} strings about the models in its image.",
                "Each has two, name and SHA-256, ended by a NUL: mend the firmware (docs/link.md).",
            )
        pairs = zip(texts[::2], texts[1::2], strict=True)
        return tuple(ImageModel(i, name, sha256) for i, (name, sha256) in enumerate(pairs))

    def stats(self, deadline: Deadline) -> Statistics:
        """Stack, flash wear, uptime and the last fault."""
        return self._ask(Stats(), Statistics, deadline)

    def reset(self, deadline: Deadline, mode: ResetMode = ResetMode.CLEAN) -> None:
        """Restart the board. `hello` must follow.

        Other modes than CLEAN break the board on purpose: BoardCrashError is then what comes.
        """
        try:
            self._ask(Reset(mode), Resetting, deadline, patient=mode is not ResetMode.CLEAN)
        except BoardRestartedError:
            if mode is not ResetMode.CLEAN:
                raise
        except BoardCrashError:
            self._exchange.connected = False
            raise
        self._exchange.connected = False

    def read(self, source: Source, deadline: Deadline) -> bytes:
        """All bytes of `source`, however many chunks they take."""
        data = b""
        while True:
            chunk = self._ask(Read(source, len(data)), Chunk, deadline)
            data += chunk.data
            if len(data) >= chunk.total_bytes:
                return data
            if not chunk.data or chunk.offset + len(chunk.data) != len(data):
                raise TransportError(
                    f"The board gave {len(data)} of {chunk.total_bytes} bytes of {source.name}.",
                    "Prepare and run the model again.",
                )

    def _cycles(self, source: Source, count: int, deadline: Deadline) -> tuple[int, ...]:
        if count == 0:
            return ()
        data = self.read(source, deadline)
        if len(data) != 8 * count:
            raise TransportError(
                f"The board gave {len(data)} bytes of {source.name}, {8 * count} were announced.",
                "Run the model again.",
            )
        return struct.unpack(f"<{count}Q", data)

    def _capacity(self) -> int:
        return self._identity.welcome.frame_capacity if self._identity else MINIMUM_FRAME_CAPACITY

    def _ask(
        self, request: Message, reply: type[_M], deadline: Deadline, *, patient: bool = False
    ) -> _M:
        answer = self._exchange.ask(request, deadline, patient=patient)
        if not isinstance(answer, reply):
            raise wrong_reply(request, answer)
        return answer


def _check_numbers(welcome: Welcome, name: str) -> None:
    """Refuse numbers with which nothing can be measured. Raises ImplausibleError."""
    least = {"clock_hz": 1, "max_repeats": 1, "frame_capacity": MINIMUM_FRAME_CAPACITY}
    for field, smallest in least.items():
        given = getattr(welcome, field)
        if given < smallest:
            raise ImplausibleError(
                f"The firmware at {name} says {field} {given} in its WELCOME; it is at least "
                f"{smallest}.",
                "Mend the firmware: docs/porting.md says what each field is.",
            )


def _strings(data: bytes) -> tuple[str, ...]:
    return tuple(part.decode("utf-8", "replace") for part in data.split(b"\x00")[:-1])
