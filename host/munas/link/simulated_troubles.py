"""What can go wrong on a simulated line, on demand.

This module must not know what requests mean.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from munas.link.messages import MessageType


class Trouble(Enum):
    """What can go wrong on demand, each with one request or its reply."""

    DROP_REQUEST = "the request never arrives"
    DROP_REPLY = "the reply never arrives"
    CORRUPT_REQUEST = "a bit of the request flips"
    CORRUPT_REPLY = "a bit of the reply flips"
    HALF_REPLY = "the reply stops in the middle"
    GARBAGE = "noise comes before the reply"
    DUPLICATE_REPLY = "the reply comes twice"
    HANG = "the device falls silent until it is reset from outside"
    RESET = "the device restarts instead of answering"
    CRASH = "the device faults, restarts and says so"


@dataclass
class Order:
    """One trouble to come: with the next `count` requests of type `on` after `skip` others."""

    trouble: Trouble
    on: MessageType | None
    skip: int
    count: int


class Troubles:
    """The troubles still to come."""

    def __init__(self) -> None:
        self._orders: list[Order] = []

    def add(self, order: Order) -> None:
        """Let one come."""
        self._orders.append(order)

    def next_for(self, kind: int) -> Trouble | None:
        """The trouble that befalls the request of type `kind` that has just arrived."""
        for order in self._orders:
            if order.on is not None and order.on != kind:
                continue
            if order.skip > 0:
                order.skip -= 1
                continue
            order.count -= 1
            if order.count == 0:
                self._orders.remove(order)
            return order.trouble
        return None


def spoil(reply: bytes, trouble: Trouble | None) -> bytes:
    """What of `reply` gets onto the line."""
    match trouble:
        case Trouble.DROP_REPLY:
            return b""
        case Trouble.CORRUPT_REPLY:
            middle = len(reply) // 2
            flipped = reply[middle] ^ 0x10 or 0x01  # never a delimiter
            return reply[:middle] + bytes([flipped]) + reply[middle + 1 :]
        case Trouble.HALF_REPLY:
            return reply[: len(reply) // 2]
        case Trouble.GARBAGE:
            return b"\x55noise\x00\xff\x13\x00" + reply
        case Trouble.DUPLICATE_REPLY:
            return reply + reply
    return reply
