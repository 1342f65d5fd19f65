"""What a run keeps of candidates on their way, and of its own time."""

from __future__ import annotations

from dataclasses import dataclass

from munas.cost import Cost
from munas.latency import Reading
from munas.search import Candidate


@dataclass
class Flight:
    """A candidate on its way through the stages."""

    candidate: Candidate
    costs: Cost
    stage: str
    stage_s: dict[str, float]
    reading: Reading | None = None


@dataclass
class Stages:
    """Where the wall time of this process went, in seconds."""

    wall_s: float = 0.0
    waiting_s: float = 0.0

    @property
    def overhead_s(self) -> float:
        """What the search itself took: wall time in which it was not waiting for an evaluation."""
        return self.wall_s - self.waiting_s
