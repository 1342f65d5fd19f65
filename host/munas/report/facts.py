"""Gathers what a report shows from a ledger.

Pure reading: this module knows the ledger's rows, not how a page looks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from munas.latency import MacModel, estimate_beside
from munas.pipeline.finalists import Finalist, finalists_of
from munas.pipeline.revise import current_source
from munas.store import CandidateRow, EventRow, Ledger, ResultRow, RunInfo

Record = Mapping[str, Any]

# The quantities that can be bounded besides the error, with their titles for people.
RESOURCES: Mapping[str, str] = {
    "macs": "MACs",
    "peak_memory_bytes": "Peak memory (bytes)",
    "model_size_bytes": "Model size (bytes)",
    "flash_bytes": "Flash (bytes)",
    "latency_us": "Latency (µs)",
    "arena_used_bytes": "Arena (bytes)",
}
# The columns that say where a value comes from; the others come from the model file or its graph.
SOURCES: Mapping[str, str] = {"latency_us": "latency_source", "arena_used_bytes": "arena_source"}

_OPENING = ("started", "resumed")


@dataclass(frozen=True)
class Facts:
    """A run as the page tells it.

    `table` is the candidates table (docs/ledger.md); `candidates` are by id; `wall_s` leaves out
    the time in which nothing ran; `stage_s` adds up over all workers. `pruned` has what pruning
    left of a candidate, by its number and rung.
    """

    ledger: str
    run: RunInfo
    table: tuple[Record, ...]
    candidates: Mapping[int, CandidateRow]
    bounds: Mapping[str, float]
    stage_s: Mapping[str, float]
    wall_s: float
    state: str
    pruned: Mapping[tuple[int, int], Mapping[str, Any]] = field(default_factory=dict)
    finalists: tuple[Finalist, ...] = ()

    def deployed(self, row: Record) -> Mapping[str, Any]:
        """The architecture of a row: what pruning left of the candidate's, where it was pruned."""
        number = row["candidate_id"]
        return self.pruned.get((number, row["rung"])) or self.candidates[number].architecture

    @property
    def front(self) -> list[Record]:
        """The front, least error first."""
        rows = [row for row in self.table if row["on_front"]]
        return sorted(rows, key=lambda row: -row["val_accuracy_int8"])

    @property
    def best(self) -> Record | None:
        """The feasible row with the least error; of the front where there is one."""
        feasible = [
            row for row in self.table if row["feasible"] and row["val_accuracy_int8"] is not None
        ]
        return next(iter(self.front or sorted(feasible, key=error_of)), None)

    @property
    def pending(self) -> list[int]:
        """Candidates that were asked for and have no result."""
        done = {row["candidate_id"] for row in self.table}
        return [number for number in self.candidates if number not in done]

    @property
    def mac_model(self) -> MacModel | None:
        """The board's MAC model, where latencies were measured and it has one."""
        return estimate_beside(self.run.identity.get("mac_model"), self.sources("latency_us"))

    def sources(self, resource: str) -> list[str]:
        """The distinct sources of a resource's known values, sorted."""
        column = SOURCES.get(resource)
        if column is None:
            return []
        return sorted({row[column] for row in self.table if row[resource] is not None})


def error_of(row: Record) -> float:
    """int8 validation error as a fraction; raises TypeError where the accuracy is not known."""
    return float(1 - row["val_accuracy_int8"])


def gather(ledger: Ledger) -> Facts:
    """Read everything that the report shows. Raises LedgerError."""
    table, results, events = ledger.table(), ledger.results(), ledger.events()
    experiment = ledger.run.experiment
    given = experiment.get("bounds") or {}
    candidates = {row.candidate_id: row for row in ledger.candidates()}
    rounds = (experiment.get("search") or {}).get("rounds")
    return Facts(
        ledger=str(ledger.path),
        run=_run_now(ledger),
        table=tuple(table),
        candidates=candidates,
        bounds={name: value for name, value in given.items() if value is not None},
        stage_s=_stages(results),
        wall_s=_wall_s(events, [row.finished_at for row in results]),
        state=_state(events, len({row.candidate_id for row in results}), rounds),
        pruned={
            (row.candidate_id, row.rung): row.architecture
            for row in results
            if row.architecture is not None
        },
        finalists=tuple(finalists_of(ledger.finals())),
    )


def _run_now(ledger: Ledger) -> RunInfo:
    """The run with the source that its latencies have now: a lost board may have changed it."""
    now = current_source(ledger)
    changed = {
        "latency_source": now.source.value,
        "latency_reason": now.reason,
        "board": now.board,
        "engine": now.engine,
    }
    return replace(ledger.run, identity={**ledger.run.identity, **changed})


def _stages(results: Iterable[ResultRow]) -> dict[str, float]:
    stages: dict[str, float] = {}
    for row in results:
        for stage, seconds in row.stage_s.items():
            stages[stage] = stages.get(stage, 0.0) + seconds
    return stages


def _wall_s(events: Sequence[EventRow], finished: Sequence[str]) -> float:
    """Seconds from each start or resumption to the last thing that was written after it."""
    marks = [(datetime.fromisoformat(row.created_at), row.kind in _OPENING) for row in events]
    marks += [(datetime.fromisoformat(time), False) for time in finished]
    total, opened, last = 0.0, None, None
    for time, opens in sorted(marks):
        if opens:
            total += (last - opened).total_seconds() if opened and last else 0.0
            opened = time
        last = time
    return total + ((last - opened).total_seconds() if opened and last else 0.0)


def _state(events: Sequence[EventRow], done: int, rounds: int | None) -> str:
    """One of finished, stopped, interrupted, not finished, with the count of candidates."""
    of = f"{done:,} of {rounds:,} candidates" if rounds else f"{done:,} candidates"
    kind = events[-1].kind if events else ""
    if kind == "finished":
        return f"finished: {of}" if not rounds or done >= rounds else f"stopped early: {of}"
    if kind in ("", *_OPENING):
        return f"not finished: {of}"
    return f"{kind}: {of}"
