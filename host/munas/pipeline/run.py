"""One search run: asks candidates, evaluates them stage by stage, keeps rows, tells the search.

screen (exact costs) → latency and arena (a board, before any training) → train → int8 accuracy.
A candidate outside a hard bound leaves at the first stage that shows it. The ledger is written
before the search is told, so a run killed at any point resumes where it was: candidates with a
result are told again, those without are evaluated again.
"""

from __future__ import annotations

import hashlib
import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any

from munas.cost import Cost, cost
from munas.errors import ExitCode, InfrastructureError, LedgerError, MunasError
from munas.experiment import Experiment
from munas.latency import LatencyProvider, Reading
from munas.pipeline.evaluation import (
    error_dict,
    evaluation_of,
    failed_row,
    screened_row,
    trained_row,
)
from munas.pipeline.events import Observer
from munas.pipeline.executor import Executor
from munas.search import Candidate, Search
from munas.store import (
    CandidateRow,
    EventRow,
    FinalRow,
    Ledger,
    MeasurementRow,
    ResultRow,
)

# This many candidates in a row that fail for other reasons than themselves stop the run.
FAILURES_IN_A_ROW = 4
_BLAMELESS = {"worker", "internal", "infrastructure"}


@dataclass
class _Flight:
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


class SearchRun:
    """Runs `search` to its end, or to `max_candidates`."""

    def __init__(
        self,
        ledger: Ledger,
        experiment: Experiment,
        search: Search,
        executor: Executor,
        provider: LatencyProvider,
        observer: Observer,
        *,
        max_candidates: int | None = None,
    ) -> None:
        self.ledger = ledger
        self.experiment = experiment
        self.search = search
        self.executor = executor
        self.provider = provider
        self.observer = observer
        self.limit = min(search.settings.rounds, max_candidates or search.settings.rounds)
        self.times = Stages()
        self._flights: dict[Future[Any], _Flight] = {}
        self._known = {row.candidate_id: row for row in ledger.results()}
        self._listed = {row.candidate_id: row for row in ledger.candidates()}
        # One thread: a board measures one model at a time.
        self._board = ThreadPoolExecutor(1, "munas-board") if provider.needs_model else None
        self._failures = 0

    def run(self) -> None:
        """Evaluate until the limit is reached, then test the front.

        Raises InfrastructureError when candidate after candidate fails through no fault of its own
        or the board is lost (the run can be resumed), and LedgerError when a row cannot be kept.
        """
        started = time.perf_counter()
        try:
            while self._fill() or self._flights:
                self._collect()
            self._test_front()
            self.ledger.add_event(EventRow(kind="finished", detail={"candidates": self.limit}))
        finally:
            self.times.wall_s += time.perf_counter() - started
            if self._board:
                self._board.shutdown(wait=False, cancel_futures=True)

    def _fill(self) -> bool:
        """Ask for as many candidates as may be in flight; whether any was asked."""
        asked = False
        while self.search.can_ask and len(self.search.asked) < self.limit:
            candidate = self.search.ask()
            self._admit(candidate)
            asked = True
        return asked

    def _admit(self, candidate: Candidate) -> None:
        known = self._listed.get(candidate.candidate_id)
        if known and known.architecture_sha256 != candidate.architecture_sha256:
            raise LedgerError(
                f"Candidate {candidate.candidate_id} in {self.ledger.path} is not the one that "
                "this version of munas asks for, so the run cannot be continued here.",
                "Resume with the munas version that began it, or start a new search.",
            )
        row = self._known.get(candidate.candidate_id)
        if row is not None:
            self.search.tell(candidate, evaluation_of(row))
            return
        began = time.perf_counter()
        costs = cost(candidate.architecture)
        if known is None:
            self.ledger.add_candidate(
                CandidateRow(
                    candidate_id=candidate.candidate_id,
                    architecture=candidate.architecture.as_dict(),
                    architecture_sha256=candidate.architecture_sha256,
                    macs=costs.macs,
                    peak_memory_bytes=costs.peak_memory_bytes,
                    model_size_bytes=costs.model_size_bytes,
                    parent_id=candidate.parent_id,
                    morphism=candidate.morphism,
                )
            )
        self.observer.asked(candidate)
        flight = _Flight(candidate, costs, "screen", {"screen": time.perf_counter() - began})
        self._after_screen(flight)

    def _after_screen(self, flight: _Flight) -> None:
        if self.provider.needs_model:
            task = {
                "task": "convert",
                "architecture": flight.candidate.architecture.as_dict(),
                "seed": flight.candidate.candidate_id,
            }
            self._launch(flight, "convert", self.executor.submit(task))
            return
        flight.reading = self.provider.read(flight.candidate.architecture, flight.costs, None)
        self._after_reading(flight)

    def _after_reading(self, flight: _Flight) -> None:
        """Train only what can still win: a hard bound that is broken already ends it here."""
        assert flight.reading is not None
        row = screened_row(flight.candidate, flight.costs, flight.reading, flight.stage_s)
        objective = self.search.settings.objective
        if objective.kind == "feasible-first" and objective.violation(evaluation_of(row)) > 0:
            self._finish(flight, row)
            return
        number = flight.candidate.candidate_id
        task = {
            "task": "train",
            "architecture": flight.candidate.architecture.as_dict(),
            "train": self.experiment.train.model_dump(mode="json"),
            "augment": self.experiment.data.augment.model_dump(mode="json"),
            "seed": self.search.settings.seed * 1_000_003 + number,
        }

        def progress(said: dict[str, Any]) -> None:
            self.observer.progress(number, "train", said["epoch"], said["epochs"])

        self._launch(flight, "train", self.executor.submit(task, progress=progress))

    def _launch(self, flight: _Flight, stage: str, future: Future[Any]) -> None:
        flight.stage = stage
        self._flights[future] = flight

    def _collect(self) -> None:
        """Wait for evaluations to come on, and move each to its next stage."""
        began = time.perf_counter()
        done, _ = wait(self._flights, timeout=1.0, return_when=FIRST_COMPLETED)
        self.times.waiting_s += time.perf_counter() - began
        for future in sorted(done, key=lambda f: self._flights[f].candidate.candidate_id):
            flight = self._flights.pop(future)
            try:
                self._advance(flight, future)
            except LedgerError:
                raise
            except MunasError as error:
                if flight.stage == "measure" and error.exit_code == ExitCode.INFRASTRUCTURE:
                    raise
                self._fail(flight, error_dict(error))

    def _advance(self, flight: _Flight, future: Future[Any]) -> None:
        if flight.stage == "measure":
            flight.reading, flight.stage_s["measure"] = future.result()
            self._keep_measurement(flight)
            self._after_reading(flight)
            return
        answer, blobs = future.result()
        if "error" in answer:
            self._fail(flight, answer["error"])
            return
        flight.stage_s.update(answer["stage_s"])
        if flight.stage == "convert":
            assert self._board is not None
            self._launch(flight, "measure", self._board.submit(self._read, flight, blobs["model"]))
            return
        assert flight.reading is not None
        weights_sha256 = hashlib.sha256(blobs["weights"]).hexdigest()
        row = trained_row(
            flight.candidate, flight.costs, flight.reading, answer, flight.stage_s, weights_sha256
        )
        self._failures = 0
        artifacts = {answer["model_sha256"]: blobs["model"], weights_sha256: blobs["weights"]}
        self._finish(flight, row, artifacts)

    def _read(self, flight: _Flight, model: bytes) -> tuple[Reading, float]:
        """Measure, on the board's thread: the reading and the seconds that it took."""
        began = time.perf_counter()
        reading = self.provider.read(flight.candidate.architecture, flight.costs, model)
        return reading, time.perf_counter() - began

    def _keep_measurement(self, flight: _Flight) -> None:
        assert flight.reading is not None
        latency, measurement = flight.reading.latency, flight.reading.measurement
        if measurement is not None:
            self.ledger.add_measurement(
                MeasurementRow(
                    measurement=measurement,
                    source=latency.source.value,
                    board=str(latency.board),
                    engine=str(latency.engine),
                    candidate_id=flight.candidate.candidate_id,
                )
            )

    def _fail(self, flight: _Flight, error: dict[str, str]) -> None:
        self._failures = self._failures + 1 if error["name"] in _BLAMELESS else 0
        if self._failures >= FAILURES_IN_A_ROW:
            raise InfrastructureError(
                f"{self._failures} candidates in a row could not be evaluated. "
                f"The last one: {error['message']}",
                error.get("mend", ""),
            )
        self._finish(flight, failed_row(flight.candidate, error, flight.stage_s))

    def _finish(
        self, flight: _Flight, row: ResultRow, artifacts: dict[str, bytes] | None = None
    ) -> None:
        self.ledger.add_result(row, artifacts)
        evaluation = evaluation_of(row)
        objective = self.search.settings.objective
        feasible = row.status == "ok" and objective.violation(evaluation) == 0
        self.search.tell(flight.candidate, evaluation)
        self.observer.finished(flight.candidate, row, feasible=feasible)

    def _test_front(self) -> None:
        """Touch the test set, once, for the candidates of the front."""
        tested = {row.candidate_id for row in self.ledger.finals()}
        rows = {row.candidate_id: row for row in self.ledger.results()}
        front = [int(row["candidate_id"]) for row in self.ledger.front()]
        todo = [number for number in front if number not in tested]
        if not todo:
            return
        self.observer.testing(len(todo))
        futures = {}
        for number in todo:
            model = self.ledger.get_artifact(str(rows[number].model_sha256))
            futures[number] = self.executor.submit({"task": "test"}, {"model": model})
        began = time.perf_counter()
        for number, future in futures.items():
            answer, _ = future.result()
            if "error" in answer:
                raise InfrastructureError(answer["error"]["message"], answer["error"]["mend"])
            self.ledger.add_final(
                FinalRow(candidate_id=number, test_accuracy_int8=answer["test_accuracy_int8"])
            )
        self.times.waiting_s += time.perf_counter() - began
