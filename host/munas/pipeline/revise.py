"""Readings taken anew: after a board was lost, or after its canary moved.

A result stays as it was written; a revision takes its place from then on, for the search as for the
front, and a resumed run lets it take effect at the same point. All revisions of one cause are kept
in one transaction with the event that tells of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

from munas.arch import Architecture
from munas.cost import Cost, cost
from munas.errors import ExitCode, MunasError
from munas.latency import LatencyProvider, Reading
from munas.pipeline.evaluation import (
    error_dict,
    evaluation_of,
    revised_row,
    with_host_arena,
)
from munas.pipeline.events import Observer
from munas.pipeline.executor import Executor
from munas.pipeline.tasks import convert_task
from munas.search import Screen, Search, expected
from munas.store import EventRow, Ledger, MeasurementRow, ResultRow, RevisionReason, RevisionRow
from munas.units import LatencySource

Fault = Mapping[str, str]
# A candidate, and the rung where it became a network of its own by pruning.
Subject = tuple[int, int | None]
Read = Callable[[Architecture, Cost, bytes | None], Reading]
ScreenFor = Callable[[LatencyProvider | None], Screen | None]


@dataclass(frozen=True)
class Cause:
    """Why readings are taken anew, and of which candidates (null: of all)."""

    reason: RevisionReason
    why: str
    candidates: Sequence[int] | None


@dataclass(frozen=True)
class CurrentSource:
    """Where the latencies of a run come from now, and why; by its hash, the predictor if any."""

    source: LatencySource
    board: str
    engine: str | None
    reason: str
    predictor_sha256: str | None = None


def current_source(ledger: Ledger) -> CurrentSource:
    """The source of the run's identity, or the one that took its place when a board was lost."""
    found: Mapping[str, Any] = ledger.run.identity
    for event in ledger.events():
        if event.kind == "revised" and event.detail["reason"] == "board-lost":
            found = event.detail
    return CurrentSource(
        LatencySource(found["latency_source"]),
        found["board"],
        found["engine"],
        found["latency_reason"],
        found.get("predictor_sha256"),
    )


def distrusted(ledger: Ledger) -> list[int]:
    """Candidates whose measurements a moved canary made void and that were not measured since."""
    numbers: set[int] = set()
    for event in ledger.events():
        if event.kind == "canary-moved":
            numbers |= set(event.detail["candidates"])
        elif event.kind == "revised":
            numbers -= set(event.detail["candidates"])
    return sorted(numbers)


class Reviser:
    """Revises what a search was told, now and when a run is replayed.

    `screen_for` gives the search's screen under a provider; of null it gives the screen of sources
    whose values only measuring tells.
    """

    def __init__(
        self,
        ledger: Ledger,
        search: Search,
        executor: Executor,
        observer: Observer,
        screen_for: ScreenFor,
    ) -> None:
        self._ledger = ledger
        self._search = search
        self._executor = executor
        self._observer = observer
        self._screen_for = screen_for
        self._waiting = ledger.revisions()
        self._switching = False

    def screen_by(self, provider: LatencyProvider, *, lost: bool = False) -> None:
        """From now on the search screens by `provider`.

        Not yet where the board was `lost` that it takes the place of, nor before the replay has
        come to where that happened.
        """
        self._switching = lost
        self._choose_screen(provider)

    def take_effect(self, provider: LatencyProvider) -> None:
        """Tell the revisions that were made when as many candidates had been asked for as now."""
        if not self._waiting or self._waiting[0].asked > len(self._search.asked):
            return
        while self._waiting and self._waiting[0].asked <= len(self._search.asked):
            row = self._waiting.pop(0)
            candidate = self._search.candidate(row.candidate_id, row.rung)
            self._search.revise(candidate, evaluation_of(row))
        self._choose_screen(provider)

    def _choose_screen(self, provider: LatencyProvider) -> None:
        """A board that was lost measured: until then the search had no screen of latencies."""
        measured = self._switching or any(row.reason == "board-lost" for row in self._waiting)
        self._search.screen = self._screen_for(None if measured else provider)

    def revise(
        self,
        cause: Cause,
        training: Set[int],
        provider: LatencyProvider,
        reason: str,
        read: Read,
    ) -> dict[int, Reading | Fault]:
        """Read anew, keep, and tell; gives the new readings of those in `training`.

        `reason` says why `provider` is used. Raises MunasErrors that concern the board; nothing is
        kept then.
        """
        source = CurrentSource(
            provider.source, str(provider.board), provider.engine, reason, provider.predictor_sha256
        )
        rows = [
            row
            for row in self._ledger.current_results()
            if row.status != "failed"
            and (cause.candidates is None or row.candidate_id in cause.candidates)
        ]
        subjects = sorted(
            {_subject(row) for row in rows} | {(each, None) for each in training},
            key=lambda subject: (subject[0], -1 if subject[1] is None else subject[1]),
        )
        now = f" Their source is {source.source.value} now ({source.reason})."
        why = cause.why + (now if cause.reason == "board-lost" else "")
        self._observer.revising(len({number for number, _ in subjects}), why)
        networks = {subject: self._network(subject, rows) for subject in subjects}
        found: dict[Subject, Reading | Fault] = {}
        for subject, reading in _readings(networks, provider, self._executor, read):
            found[subject] = reading
            if isinstance(reading, Reading):
                keep_measurement(self._ledger, subject[0], reading)
        _add_host_arena(rows, found, self._ledger, self._executor)
        asked = len(self._search.asked)
        for row in _keep(self._ledger, rows, found, source, cause, asked):
            candidate = self._search.candidate(row.candidate_id, row.rung)
            self._search.revise(candidate, evaluation_of(row))
        return {number: found[number, None] for number in training}

    def _network(self, subject: Subject, rows: Sequence[ResultRow]) -> Architecture:
        """What is measured of a subject: what pruning left of it, or what it is expected to."""
        for row in rows:
            if row.architecture is not None and _subject(row) == subject:
                return Architecture.from_dict(row.architecture)
        return expected(self._search.candidate(subject[0]))


def keep_measurement(ledger: Ledger, candidate_id: int, reading: Reading) -> None:
    """Keep the measurement object of a reading, where it was measured."""
    if reading.measurement is not None:
        engine = str(reading.latency.engine)
        ledger.add_measurement(measurement_row(reading.measurement, engine, candidate_id))


def measurement_row(
    measurement: Mapping[str, Any], engine: str, candidate_id: int
) -> MeasurementRow:
    """The row of a measurement object; `engine` is what was to be measured with.

    A measurement that failed need not know its engine.
    """
    return MeasurementRow(
        measurement=measurement,
        source=measurement["source"],
        board=measurement["board"],
        engine=engine,
        candidate_id=candidate_id,
    )


def _subject(row: ResultRow) -> Subject:
    return row.candidate_id, None if row.architecture is None else row.rung


def _readings(
    subjects: Mapping[Subject, Architecture],
    provider: LatencyProvider,
    executor: Executor,
    read: Read,
) -> Iterator[tuple[Subject, Reading | Fault]]:
    """Every subject's new reading, or the fault that lies with its model.

    The next conversions run while one is measured. Raises MunasErrors that concern the board.
    """
    models = {}
    if provider.needs_model:
        for subject, architecture in subjects.items():
            models[subject] = executor.submit(convert_task(architecture, subject[0]))
    for subject, architecture in subjects.items():
        model = None
        if models:
            answer, blobs = models[subject].result()
            if "error" in answer:
                yield subject, answer["error"]
                continue
            model = blobs["model"]
        try:
            yield subject, read(architecture, cost(architecture), model)
        except MunasError as error:
            if error.exit_code == ExitCode.INFRASTRUCTURE:
                raise
            yield subject, error_dict(error)


def _add_host_arena(
    rows: Sequence[ResultRow],
    found: dict[Subject, Reading | Fault],
    ledger: Ledger,
    executor: Executor,
) -> None:
    """Complete readings without an arena by this host's, for rows that have a trained model."""
    waiting = {}
    for row in rows:
        reading = found.get(_subject(row))
        if isinstance(reading, Reading) and reading.arena is None and row.model_sha256:
            blobs = {"model": ledger.get_artifact(row.model_sha256)}
            waiting[_subject(row)] = reading, executor.submit({"task": "arena"}, blobs)
    for subject, (reading, future) in waiting.items():
        arena_bytes = future.result()[0].get("host_arena_bytes")
        found[subject] = with_host_arena(reading, arena_bytes)


def _keep(
    ledger: Ledger,
    rows: Sequence[ResultRow],
    found: Mapping[Subject, Reading | Fault],
    source: CurrentSource,
    cause: Cause,
    asked: int,
) -> list[RevisionRow]:
    """Write the revisions of `rows` and the event; all or nothing."""
    revisions = [
        revised_row(row, found[_subject(row)], asked=asked, reason=cause.reason)
        for row in rows
        if _subject(row) in found
    ]
    detail = {
        "reason": cause.reason,
        "candidates": sorted({number for number, _ in found} | set(cause.candidates or ())),
        "asked": asked,
        "latency_source": source.source.value,
        "latency_reason": source.reason,
        "board": source.board,
        "engine": source.engine,
        "predictor_sha256": source.predictor_sha256,
    }
    ledger.revise(revisions, EventRow(kind="revised", detail=detail))
    return revisions
