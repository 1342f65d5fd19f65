"""Measures the architectures of a study, resumably, into a ledger.

Conversions of the next group run while this one is measured. What stands in the ledger is not
measured again. Knows neither the command line nor what is made of the points.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

from munas.arch import sha256
from munas.boards.open import open_board
from munas.boards.session import BOARD_LOST
from munas.errors import BadInputError, InfrastructureError
from munas.latency.command import MODEL_FAULTS
from munas.latency.measure import Measurer
from munas.latency.measured import CANARY_TOLERANCE, CanaryMovedError
from munas.latency.measurement import Measurement
from munas.pipeline.executor import Executor
from munas.pipeline.revise import measurement_row
from munas.pipeline.tasks import Answer, convert_task
from munas.search import Candidate
from munas.store import CandidateRow, EventRow, Ledger, MeasurementRow
from munas.study.sample import Drawn
from munas.study.setup import Series

# Models a group: what an image of the engine aot holds, so that none is built half empty.
GROUP = 32
# This many board faults in a row are not the models'.
_FAULTS_IN_A_ROW = 4
_LOST = frozenset(fault.name for fault in BOARD_LOST)
# What may not change while one series is measured, besides the firmware's sources. The hash of an
# image is not among it: one of the engine aot holds its models.
_FIXED = ("unit", "clock_hz", "engine_revision", "kernels", "compiler", "flags", "source")
Key = tuple[str, str]
OpenMeasurer = Callable[[Series], AbstractContextManager[Measurer]]


@dataclass
class Progress:
    """How far a study is. `stage_s` are seconds by stage: conversions add up over workers."""

    total: int
    done: int = 0
    failed: int = 0
    stage_s: dict[str, float] = field(default_factory=dict)


class Watcher(Protocol):
    """Is told how a study goes."""

    def began(self, series: Sequence[Series], progress: Progress) -> None: ...

    def moved(self, progress: Progress) -> None: ...


@contextmanager
def open_measurer(one: Series) -> Iterator[Measurer]:
    """The series' board, held while the context lasts."""
    with (
        closing(open_board(one.board)) as board,
        Measurer(board, one.engine, per_operator=True, stands_for=one.stands_for) as measurer,
    ):
        yield measurer


class Collector:
    """Measures what the ledger lacks. Raises MunasErrors; the study can then be resumed."""

    def __init__(
        self,
        ledger: Ledger,
        series: Sequence[Series],
        executor: Executor,
        watcher: Watcher,
        open_measurer: OpenMeasurer = open_measurer,
    ) -> None:
        self.ledger = ledger
        self._open = open_measurer
        self.series = series
        self._executor = executor
        self._watcher = watcher
        self._faults = 0
        self._done: dict[Key, set[int]] = {one.key: set() for one in series}
        self._models: dict[int, str] = {}
        for row in ledger.measurements():
            if row.candidate_id is not None:
                self._done.setdefault((row.board, row.engine), set()).add(row.candidate_id)
                digest = row.measurement.get("model_sha256")
                if digest:
                    self._models[row.candidate_id] = digest
        self._begun: dict[Key, Mapping[str, Any]] = {
            (event.detail["board"], event.detail["engine"]): event.detail
            for event in ledger.events()
            if event.kind == "series-begun"
        }

    def run(self, drawn: Sequence[Drawn]) -> Progress:
        """Measure `drawn` on every series; candidate numbers count from 1 in its order."""
        for one in self.series:
            self._require_target(one)
        candidates = self._admit(drawn)
        progress = Progress(len(candidates) * len(self.series))
        progress.done = sum(len(self._done[one.key]) for one in self.series)
        self._watcher.began(self.series, progress)
        wanting = [
            candidate
            for candidate in candidates
            if any(candidate.candidate_id not in self._done[one.key] for one in self.series)
        ]
        groups = [wanting[i : i + GROUP] for i in range(0, len(wanting), GROUP)]
        began = time.perf_counter()
        try:
            with ExitStack() as stack:
                boards: dict[Key, Measurer] = {}
                coming = self._convert(groups[0]) if groups else {}
                for index, group in enumerate(groups):
                    models, coming = coming, {}
                    if index + 1 < len(groups):
                        coming = self._convert(groups[index + 1])
                    self._measure(group, models, boards, stack, progress)
            self.ledger.add_event(EventRow(kind="finished"))
        finally:
            spent = {"stage_s": progress.stage_s, "wall_s": _since(began)}
            self.ledger.add_event(EventRow(kind="collected", detail=spent))
        return progress

    def _admit(self, drawn: Sequence[Drawn]) -> list[Candidate]:
        """The architectures as candidates, in the ledger too."""
        known = {row.candidate_id: row.architecture_sha256 for row in self.ledger.candidates()}
        candidates = []
        for number, (architecture, costs) in enumerate(drawn, start=1):
            candidate = Candidate(number, architecture, sha256(architecture))
            candidates.append(candidate)
            if known.get(number) == candidate.architecture_sha256:
                continue
            self.ledger.add_candidate(
                CandidateRow(
                    candidate_id=number,
                    architecture=architecture.as_dict(),
                    architecture_sha256=candidate.architecture_sha256,
                    macs=costs.macs,
                    peak_memory_bytes=costs.peak_memory_bytes,
                    model_size_bytes=costs.model_size_bytes,
                )
            )
        return candidates

    def _convert(self, group: Sequence[Candidate]) -> dict[int, Future[Answer]]:
        """Conversions under way; what was measured before, elsewhere, is measured byte for byte."""
        return {
            candidate.candidate_id: self._kept(candidate)
            or self._executor.submit(convert_task(candidate.architecture, candidate.candidate_id))
            for candidate in group
        }

    def _kept(self, candidate: Candidate) -> Future[Answer] | None:
        digest = self._models.get(candidate.candidate_id)
        if digest is None:
            return None
        kept: Future[Answer] = Future()
        model = self.ledger.get_artifact(digest)
        kept.set_result(({"model_sha256": digest, "stage_s": {}}, {"model": model}))
        return kept

    def _measure(
        self,
        group: Sequence[Candidate],
        models: Mapping[int, Future[Answer]],
        boards: dict[Key, Measurer],
        stack: ExitStack,
        progress: Progress,
    ) -> None:
        converted: list[tuple[Candidate, bytes]] = []
        for candidate in group:
            answer, blobs = models[candidate.candidate_id].result()
            if "error" in answer:
                self._keep_unconverted(candidate, answer["error"], progress)
                continue
            for stage, seconds in answer["stage_s"].items():
                _add(progress.stage_s, stage, seconds)
            if candidate.candidate_id not in self._models:
                self.ledger.put_artifact(blobs["model"])
            converted.append((candidate, blobs["model"]))
        for one in self.series:
            done = self._done[one.key]
            wanted = [(c, model) for c, model in converted if c.candidate_id not in done]
            if not wanted:
                continue
            began = time.perf_counter()
            if one.key not in boards:
                boards[one.key] = stack.enter_context(self._open(one))
            measurer = boards[one.key]
            self._measure_on(one, measurer, wanted, progress)
            _add(progress.stage_s, f"measure {one.board} {one.engine.name}", _since(began))
            self._watcher.moved(progress)

    def _measure_on(
        self,
        one: Series,
        measurer: Measurer,
        wanted: Sequence[tuple[Candidate, bytes]],
        progress: Progress,
    ) -> None:
        """Measure a group; its rows are kept one by one, on silicon once the canary has not moved.

        The canary is the group's first model, measured again at its end.
        """
        on_silicon = one.source == "silicon"
        named = [(c.architecture_sha256[:12], model) for c, model in wanted]
        held: list[MeasurementRow] = []
        numbers = [candidate.candidate_id for candidate, _ in wanted]
        for number, found in zip(numbers, measurer.measure_all(named), strict=True):
            row = self._row(one, number, found)
            self._require_unchanged(one, measurer, found)
            if on_silicon:
                held.append(row)
            else:
                self._keep(one, row, progress)
        if on_silicon:
            self._check_canary(one, measurer, wanted, held)
            for row in held:
                self._keep(one, row, progress)

    def _row(self, one: Series, number: int, found: Measurement) -> MeasurementRow:
        """The row of a measurement. Raises InfrastructureError where the board is not to blame
        the model for: it is lost, or one model after the other fails on it."""
        if found.error is not None and found.error["name"] not in MODEL_FAULTS:
            self._faults += 1
            if found.error["name"] in _LOST or self._faults >= _FAULTS_IN_A_ROW:
                raise InfrastructureError(
                    f"{one.board} no longer measures: {found.error['message']}",
                    found.error.get("mend", ""),
                )
        else:
            self._faults = 0
        return measurement_row(found.as_dict(), one.engine.name, number)

    def _require_unchanged(self, one: Series, measurer: Measurer, found: Measurement) -> None:
        """Raises BadInputError where the board is no longer what the series was begun on."""
        if found.error is not None:
            return
        now = {name: getattr(found, name) for name in _FIXED}
        now |= {"firmware_source": measurer.firmware_source}
        before = self._begun.get(one.key)
        if before is None:
            self._begun[one.key] = now
            target = one.stands_for and one.stands_for.board
            detail = {"board": one.board, "engine": one.engine.name, "stands_for": target, **now}
            self.ledger.add_event(EventRow(kind="series-begun", detail=detail))
            return
        for name, value in now.items():
            if before[name] != value:
                raise BadInputError(
                    f"{one.board} with {one.engine.name} is not what the study began with: its "
                    f"{name} was {before[name]} and is {value}.",
                    "Restore it and go on, or begin a new --ledger: points of both cannot be one "
                    "series.",
                )

    def _require_target(self, one: Series) -> None:
        """Raises BadInputError where the series was begun for another target than now."""
        before = self._begun.get(one.key)
        target = one.stands_for and one.stands_for.board
        if before is not None and before.get("stands_for", target) != target:
            raise BadInputError(
                f"What {self.ledger.path} holds of {one.board} was measured for "
                f"{before['stands_for'] or one.board}, not for {target or one.board}.",
                "Go on with that board, or begin a new --ledger: their clocks may differ.",
            )

    def _check_canary(
        self,
        one: Series,
        measurer: Measurer,
        wanted: Sequence[tuple[Candidate, bytes]],
        held: Sequence[MeasurementRow],
    ) -> None:
        index = next((i for i, row in enumerate(held) if not row.measurement["error"]), None)
        if index is None:
            return
        before = held[index].measurement["cycles"]
        now = measurer.measure(("canary", wanted[index][1])).cycles
        if now is None or abs(now - before) > CANARY_TOLERANCE * before:
            window = tuple(candidate.architecture_sha256 for candidate, _ in wanted)
            raise CanaryMovedError(one.board, before, now, window)

    def _keep(self, one: Series, row: MeasurementRow, progress: Progress) -> None:
        self.ledger.add_measurement(row)
        self._done[one.key].add(int(row.candidate_id or 0))
        progress.done += 1
        progress.failed += row.measurement["error"] is not None

    def _keep_unconverted(
        self, candidate: Candidate, error: Mapping[str, str], progress: Progress
    ) -> None:
        """A model that could not be converted fails on every series."""
        for one in self.series:
            if candidate.candidate_id in self._done[one.key]:
                continue
            failed = Measurement(
                model=candidate.architecture_sha256[:12],
                model_sha256="",
                board=one.board,
                unit="",
                engine=one.engine.name,
                error=dict(error),
            )
            self._keep(one, self._row(one, candidate.candidate_id, failed), progress)


def _add(stages: dict[str, float], stage: str, seconds: float) -> None:
    stages[stage] = stages.get(stage, 0.0) + seconds


def _since(began: float) -> float:
    return time.perf_counter() - began


def time_by_stage(ledger: Ledger) -> dict[str, float]:
    """Seconds by stage over all calls that measured into `ledger`, `wall` among them."""
    stages: dict[str, float] = {}
    for event in ledger.events():
        if event.kind == "collected":
            for stage, seconds in (
                event.detail["stage_s"] | {"wall": event.detail["wall_s"]}
            ).items():
                _add(stages, stage, seconds)
    return stages
