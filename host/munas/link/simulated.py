"""A device in Python that speaks the protocol, with faults on demand.

For tests and for the simulated board. It holds the same promises as the firmware (last reply kept,
faults told after the restart, unasked BOOTED); what it answers is SimulatedDispatch's, what it
computes an engine's, which is handed in. Nothing here waits: the line asks how long the device was
busy. This module must not know boards.
"""

from __future__ import annotations

from munas.link import framing
from munas.link.framing import Corrupt, Deframer, Frame
from munas.link.messages import (
    MESSAGES,
    PROTOCOL_VERSION,
    UNSOLICITED,
    Booted,
    Error,
    ErrorCode,
    Fault,
    FaultKind,
    Message,
    MessageType,
    Reset,
    ResetCause,
    ResetMode,
    Resetting,
)
from munas.link.simulated_dispatch import (
    SimulatedDispatch,
    SimulatedTraits,
    Survivors,
    WatchdogBite,
)
from munas.link.simulated_engine import DigestEngine, SimulatedEngine
from munas.link.simulated_troubles import Order, Trouble, Troubles, spoil

__all__ = ["SimulatedDevice", "SimulatedTraits"]

_CRASHES = {int(mode): FaultKind[mode.name] for mode in ResetMode if mode is not ResetMode.CLEAN}


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
        self._survivors = Survivors()
        self._busy_s = 0.0
        self._start()

    def _start(self) -> None:
        self._dispatch = SimulatedDispatch(self.engine, self.traits, self._survivors)
        self._deframer = Deframer()
        self._kept: tuple[Frame, bytes] | None = None
        self._hung = False

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

    def take_busy_s(self) -> float:
        """How long what was fed since the last call keeps the core busy, in its own time."""
        busy_s, self._busy_s = self._busy_s, 0.0
        return busy_s

    def feed(self, data: bytes) -> bytes:
        """Bytes arrive; the bytes that go back."""
        return b"".join(
            self._refuse_corrupt() if isinstance(frame, Corrupt) else self._on(frame)
            for frame in self._deframer.feed(data)
            if not self._hung
        )

    def _refuse_corrupt(self) -> bytes:
        self._survivors.corrupt += 1
        return _pack(UNSOLICITED, Error(ErrorCode.CORRUPT_FRAME, self._survivors.corrupt, b""))

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
        if self._kept is not None and self._kept[0] == frame:
            return self._kept[1]
        if frame.version == PROTOCOL_VERSION and frame.type == MessageType.RESET:
            return self._reset(frame)
        try:
            reply = _pack(frame.sequence, self._carry_out(frame))
        except WatchdogBite:
            return self._crash(frame, FaultKind.WATCHDOG)
        self._kept = (frame, reply)
        return reply

    def _carry_out(self, frame: Frame) -> Message:
        if frame.version != PROTOCOL_VERSION:
            return Error(ErrorCode.BAD_VERSION, PROTOCOL_VERSION, b"another protocol version")
        if frame.type in MESSAGES and frame.type < MessageType.BOOTED:
            self.requests.append(MessageType(frame.type))
        before_s = self._dispatch.busy_s
        try:
            return self._dispatch.carry_out(frame.type, frame.payload)
        finally:
            self._busy_s += self._dispatch.busy_s - before_s

    def _restart(self, cause: ResetCause) -> bytes:
        self._start()
        self._survivors.boots += 1
        self._survivors.cause = cause
        return _pack(UNSOLICITED, Booted(self._survivors.boots, cause))

    def _crash(self, frame: Frame, kind: FaultKind) -> bytes:
        hard = kind is FaultKind.HARD_FAULT
        self._survivors.fault = Fault(
            kind,
            *(0x08001234, 0x08000101, 0x01000000) if hard else (0, 0, 0),
            1 << 16 if hard else 0,
            1 << 30 if hard else 0,
            0,
        )
        self._restart(ResetCause.FAULT)
        reply = _pack(frame.sequence, self._survivors.fault)
        self._kept = (frame, reply)
        return reply

    def _reset(self, frame: Frame) -> bytes:
        mode = Reset.decode(frame.payload).mode
        if mode == ResetMode.CLEAN:
            return _pack(frame.sequence, Resetting()) + self._restart(ResetCause.SOFTWARE)
        if mode not in _CRASHES:
            return _pack(frame.sequence, Error(ErrorCode.BAD_VALUE, mode, b"no such way to reset"))
        return self._crash(frame, _CRASHES[mode])


def _pack(sequence: int, message: Message) -> bytes:
    return framing.encode(Frame(sequence, message.TYPE, message.encode()))
