"""The contract of a board.

One suite (tests/contract/test_board.py) runs over every implementation. This module must not know
any of them.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Literal, Protocol

from munas.boards.types import BoardType
from munas.firmware.image import FirmwareImage
from munas.link.client import Identity
from munas.link.transport import Transport


@dataclass(frozen=True)
class Capabilities:
    """What can be done with a board.

    `source` is what its measurements are called. `deterministic`: the same image and input give the
    same cycles every time, so one repeat says it all. `flashes`: it takes images (a board at a
    given URL does not). `model_error_percent` is the known error of its cycles; null on silicon and
    where it was never checked. `note` is to be printed where its numbers are.
    """

    source: Literal["silicon", "emulated", "simulated"]
    deterministic: bool
    flashes: bool
    model_error_percent: float | None = None
    note: str = ""


class Board(Protocol):
    """One device of a type.

    `unit` names the device: `<probe serial>` of a physical one, else the kind of stand-in. All
    methods but `lease` and `close` want the lease to be held.

    - `flash(image)` puts the image onto the board and starts it. Does nothing where that very image
      runs already. Raises FlashError, and BadInputError for an ELF that a person gave and that is
      not for this board. An open transport is of no use afterwards.
    - `open()` gives a fresh line to the running firmware; the caller closes it. Raises
      TransportError with the mend (no permission, port busy, nothing attached).
    - `reset()` restarts the firmware as the reset pin does; the image stays.
    - `verify(identity)` refuses a firmware that is not the flashed image's, and a chip that is not
      the enrolled one. Raises ImplausibleError.
    - `identity()` asks the running firmware who it is over a line of its own, and verifies it.
      Raises DeadlineError where it is silent.
    - `lease()` holds the device for this process alone while the context lasts; raises
      TransportError that says who has it.
    - `close()` lets go of everything; closing twice is harmless.
    """

    type: BoardType
    unit: str
    capabilities: Capabilities

    def flash(self, image: FirmwareImage) -> None: ...

    def open(self) -> Transport: ...

    def reset(self) -> None: ...

    def verify(self, identity: Identity) -> None: ...

    def identity(self) -> Identity: ...

    def lease(self) -> AbstractContextManager[None]: ...

    def close(self) -> None: ...
