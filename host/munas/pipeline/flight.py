"""What a run keeps of candidates on their way, and of its own time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from munas.arch import Architecture
from munas.cost import Cost, cost
from munas.latency import Reading
from munas.search import Candidate, expected


@dataclass
class Flight:
    """A candidate on its way through the stages of one rung.

    `architecture` is what is converted and measured, and `costs` are its costs: until it is
    trained, the candidate's own, or what pruning is expected to leave of it; then what pruning has
    left. `trained` is what the worker answered, with its blobs.
    """

    candidate: Candidate
    architecture: Architecture
    costs: Cost
    stage: str
    stage_s: dict[str, float]
    reading: Reading | None = None
    trained: tuple[dict[str, Any], dict[str, bytes]] | None = None

    @property
    def number(self) -> int:
        return self.candidate.candidate_id

    @property
    def awaits_pruning(self) -> bool:
        """Whether what is known of its resources is what pruning is expected to leave."""
        return self.candidate.sparsity is not None and self.trained is None

    def costs_of_candidate(self) -> Cost:
        """The costs of the architecture as it was asked for; of a flight that was not trained."""
        whole = self.candidate.architecture
        return self.costs if whole is self.architecture else cost(whole)

    def spend(self, stage: str, seconds: float) -> None:
        """Add to what a stage has taken."""
        self.stage_s[stage] = self.stage_s.get(stage, 0.0) + seconds

    def keep_trained(self, answer: dict[str, Any], blobs: dict[str, bytes]) -> None:
        """Take the worker's answer; from now on the pruned network is what counts."""
        self.trained = answer, blobs
        if answer.get("architecture") is not None:
            self.architecture = Architecture.from_dict(answer["architecture"])
            self.costs = cost(self.architecture)
            self.reading = None


def new_flight(candidate: Candidate) -> Flight:
    """A candidate at its first stage, with what is expected to be deployed of it."""
    architecture = expected(candidate)
    return Flight(candidate, architecture, cost(architecture), "screen", {})


@dataclass
class Stages:
    """Where the wall time of this process went, in seconds."""

    wall_s: float = 0.0
    waiting_s: float = 0.0

    @property
    def overhead_s(self) -> float:
        """What the search itself took: wall time in which it was not waiting for an evaluation."""
        return self.wall_s - self.waiting_s
