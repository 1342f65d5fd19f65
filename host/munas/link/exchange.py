"""One request and its reply: sequence numbers, resending, resynchronising, and what breaks a wait.

The device answers a resent request with the reply that it kept, so resending is always safe. This
module knows messages only as bytes with a type; what they mean is the client's.
"""

from __future__ import annotations

from collections import deque

from munas.errors import DeadlineError, TransportError
from munas.link import framing
from munas.link.deadline import Deadline
from munas.link.faults import BoardCrashError, BoardRefusedError, BoardRestartedError
from munas.link.framelog import FrameLog
from munas.link.framing import Corrupt, Deframer, Frame
from munas.link.messages import (
    MESSAGES,
    UNSOLICITED,
    Booted,
    Error,
    ErrorCode,
    Fault,
    Message,
    MessageType,
    name_of,
)
from munas.link.transport import Transport

# How long a reply may take before the request is sent again; doubled with each try.
_QUICK_S = 0.3
_PATIENT_S = 3.0
_LONGEST_S = 30.0
# Resends asked for by corrupt frames are free of waiting, hence bounded by number.
_MOST_CORRUPT = 64


class Exchange:
    """The conversation on one transport. Not for use from several threads."""

    def __init__(self, transport: Transport, log: FrameLog | None = None) -> None:
        self.transport = transport
        self._log = log
        self._deframer = Deframer()
        self._arrived: deque[Frame | Corrupt] = deque()
        self._sequence = 0
        self.connected = False
        """Whether a HELLO was answered: from then on a restart of the board breaks any wait."""
        self.resends = 0
        """Frames sent again since the start, over all requests."""

    def next_sequence(self) -> int:
        """A sequence number for a new request."""
        self._sequence = (self._sequence + 1) % UNSOLICITED
        return self._sequence

    def send(self, message: Message, sequence: int, deadline: Deadline) -> None:
        """Put one request on the line."""
        frame = Frame(sequence, message.TYPE, message.encode())
        if self._log:
            self._log.sent(frame)
        self.transport.write(framing.encode(frame), deadline)

    def receive(self, deadline: Deadline) -> Frame | Corrupt:
        """The next frame of the board. Raises DeadlineError when none comes."""
        while not self._arrived:
            self._arrived.extend(self._deframer.feed(self.transport.read(deadline)))
        frame = self._arrived.popleft()
        if self._log:
            self._log.received(frame)
        return frame

    def resynchronise(self, deadline: Deadline) -> None:
        """Leave whatever half-sent or half-received frames there are behind."""
        self.transport.write(framing.DELIMITER * 4, deadline)
        self.transport.drain()
        self._deframer = Deframer()
        self._arrived.clear()
        if self._log:
            self._log.note("resynchronised")

    def ask(self, request: Message, deadline: Deadline, *, patient: bool = False) -> Message:
        """The reply to `request`, which is sent again as often as it takes.

        `patient`: the board may work on the request for long. Raises DeadlineError when no reply
        came in time, BoardRefusedError, BoardCrashError and BoardRestartedError as the board
        says, TransportError when the line is broken.
        """
        sequence = self.next_sequence()
        wait_s = _PATIENT_S if patient else _QUICK_S
        corrupt_left = _MOST_CORRUPT
        self.send(request, sequence, deadline)
        while True:
            reply = self._wait(request, sequence, deadline.within(wait_s))
            if reply is not None and not isinstance(reply, Corrupt):
                return reply
            if deadline.expired:
                raise DeadlineError(
                    f"The board at {self.transport.name} did not answer {request.TYPE.name}"
                    " before the deadline.",
                    "If it stays silent reset it, or flash it again.",
                )
            if reply is None:
                wait_s = min(2 * wait_s, _LONGEST_S)
            else:
                corrupt_left -= 1
                if corrupt_left == 0:
                    raise TransportError(
                        f"Frames to or from {self.transport.name} are corrupt again and again.",
                        "Check the cable and the baud rate.",
                    )
            self.resends += 1
            self.transport.write(framing.DELIMITER, deadline)
            self.send(request, sequence, deadline)

    def _wait(self, request: Message, sequence: int, soon: Deadline) -> Message | Corrupt | None:
        """The reply, or Corrupt when a frame was spoiled either way, or None when none came."""
        while True:
            try:
                frame = self.receive(soon)
            except DeadlineError:
                return None
            if isinstance(frame, Corrupt):
                return frame
            message = self.judge(frame, request.TYPE.name)
            if isinstance(message, Error) and frame.sequence == UNSOLICITED:
                return Corrupt(b"", "the board received a corrupt frame")
            if message is not None and frame.sequence == sequence:
                return self.accept(message, request.TYPE.name)

    def judge(self, frame: Frame, during: str) -> Message | None:
        """The message in `frame`; None for one that is of no interest.

        Raises what a board that broke down or restarted means for the wait.
        """
        kind = MESSAGES.get(MessageType(frame.type)) if _is_reply(frame.type) else None
        if kind is None:
            return None
        message = kind.decode(frame.payload)
        if isinstance(message, Booted):
            if self.connected:
                self.connected = False
                raise BoardRestartedError(message, during)
            return None
        if isinstance(message, Fault) and self.connected:
            self.connected = False
            raise BoardCrashError(message, during)
        return message

    def accept(self, message: Message, during: str) -> Message:
        """`message` unless it is a refusal, which is raised."""
        if isinstance(message, Error):
            text = message.text.decode("ascii", "replace")
            raise BoardRefusedError(message.code, message.detail, text, during)
        return message


def is_corrupt_notice(message: Message | None) -> bool:
    """Whether the board says that it received something which is no frame."""
    return isinstance(message, Error) and message.code == ErrorCode.CORRUPT_FRAME


def wrong_reply(request: Message, reply: Message) -> TransportError:
    """The fault for a reply whose type does not belong to the request."""
    return TransportError(
        f"{name_of(MessageType, reply.TYPE)} is no answer to {request.TYPE.name}.",
        "The firmware speaks another protocol: rebuild and flash it.",
    )


def _is_reply(value: int) -> bool:
    return value >= MessageType.BOOTED and value in MessageType._value2member_map_
