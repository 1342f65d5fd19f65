"""A deadline bounds an operation however many steps it takes; a duration bounds only one step.

The clock is handed in, so that a simulated line can run in its own time. This module knows nothing
of the link.
"""

from __future__ import annotations

import time
from collections.abc import Callable

Clock = Callable[[], float]


class Deadline:
    """A moment `seconds` from now on `clock` (seconds, monotonic)."""

    def __init__(self, seconds: float, clock: Clock = time.monotonic) -> None:
        self.clock = clock
        self._end_s = clock() + seconds

    @property
    def remaining_s(self) -> float:
        """Seconds left, never below 0."""
        return max(0.0, self._end_s - self.clock())

    @property
    def expired(self) -> bool:
        """Whether the moment has passed."""
        return self.remaining_s == 0.0

    def within(self, seconds: float) -> Deadline:
        """This deadline, or `seconds` from now where that is sooner."""
        return Deadline(min(seconds, self.remaining_s), self.clock)
