"""Two probes of a prepared model: the smallest arena that works, and whether the clock is true."""

from __future__ import annotations

import time

from munas.errors import ImplausibleError
from munas.link.client import Client
from munas.link.faults import BoardRefusedError
from munas.link.messages import Prepared, Slot

PREPARE_S = 30.0
_ARENA_STEP = 16
_CLOCK_TOLERANCE = 0.05


def smallest_arena(client: Client, slot: Slot, prepared: Prepared) -> int:
    """The smallest arena in bytes with which the engine prepares the model (to 16 bytes)."""
    low, high = 0, min(2 * prepared.arena_used_bytes + 1024, prepared.arena_bytes)
    while high - low > _ARENA_STEP:
        middle = (low + high) // 2 // _ARENA_STEP * _ARENA_STEP
        if middle <= low:
            break
        try:
            client.prepare(slot, client.deadline(PREPARE_S), arena_limit_bytes=middle)
            high = middle
        except BoardRefusedError:  # with the whole arena it was prepared, so this is the arena
            low = middle
    return high


def check_clock(client: Client, clock_hz: int, cycles: int, most_repeats: int) -> None:
    """Compare the board's clock with the host's over about two seconds.

    Raises ImplausibleError where they differ by more than 5 % (HSI is good to about 1 %).
    """
    repeats = min(max(1, round(2 * clock_hz / max(cycles, 1))), most_repeats)
    began = time.monotonic()
    result = client.run(client.deadline(60.0), repeats=repeats)
    elapsed = time.monotonic() - began
    counted = sum(result.cycles) / clock_hz
    if counted > 0.5 and abs(elapsed / counted - 1) > _CLOCK_TOLERANCE:
        raise ImplausibleError(
            f"The board counted {counted:.2f} s at {clock_hz} Hz while {elapsed:.2f} s went by.",
            "Its clock is not what the firmware believes: check the crystal and the board type.",
        )
