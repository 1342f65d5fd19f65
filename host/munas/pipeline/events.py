"""What a running search tells whoever watches it. No screen is known here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from munas.search import Candidate
from munas.store import ResultRow


@dataclass(frozen=True)
class RunStart:
    """What is about to run, for the first lines on screen.

    `mac_model` are the constants of the board's MAC model, where it has one.
    """

    name: str
    ledger: str
    dataset: str
    rounds: int
    done: int
    workers: int
    lag: int
    bounds: dict[str, float]
    latency_source: str
    latency_reason: str
    mac_model: Mapping[str, Any] | None = None
    notices: tuple[str, ...] = field(default=())


class Observer(Protocol):
    """Called from the search's own thread, except `progress`, which comes from worker threads."""

    def started(self, start: RunStart) -> None: ...

    def asked(self, candidate: Candidate) -> None: ...

    def progress(self, candidate_id: int, stage: str, done: int, total: int) -> None: ...

    def finished(self, candidate: Candidate, row: ResultRow, *, feasible: bool) -> None: ...

    def revising(self, candidates: int, why: str) -> None:
        """Latencies and arenas of so many candidates are read anew."""

    def testing(self, candidates: int) -> None: ...

    def finalists(self, trainings: int, candidates: int) -> None:
        """So many trainings of so many finalists begin."""


class Silent:
    """An observer that shows nothing."""

    def started(self, start: RunStart) -> None:
        del start

    def asked(self, candidate: Candidate) -> None:
        del candidate

    def progress(self, candidate_id: int, stage: str, done: int, total: int) -> None:
        del candidate_id, stage, done, total

    def finished(self, candidate: Candidate, row: ResultRow, *, feasible: bool) -> None:
        del candidate, row, feasible

    def revising(self, candidates: int, why: str) -> None:
        del candidates, why

    def testing(self, candidates: int) -> None:
        del candidates

    def finalists(self, trainings: int, candidates: int) -> None:
        del trainings, candidates
