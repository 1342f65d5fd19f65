"""One search run: asks candidates, evaluates them stage by stage, keeps rows, tells the search.

screen (exact costs) → latency and arena (a board, before any training) → train → int8 accuracy.
A candidate outside a hard bound leaves at the first stage that shows it. One that goes on to its
next rung keeps its latency and is trained on; one that pruning has changed is measured anew. The
ledger is written before the search is told, so a run killed at any point resumes where it was:
candidates with a result are told again, those without are evaluated again.

A board may measure only what is undecided; the rest is read before a rank or the front depends on
it.
A board that is lost pauses the run, or its candidates are scored anew by the next source. A board
whose canary has moved has the candidates of the doubtful window measured again.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any

from munas.arch import Architecture
from munas.boards.session import BOARD_LOST
from munas.cost import Cost
from munas.errors import (
    ExitCode,
    InfrastructureError,
    LedgerError,
    MunasError,
)
from munas.experiment import Experiment
from munas.latency import Choice, LatencyProvider, Reading
from munas.latency.measured import CanaryMovedError
from munas.pipeline.evaluation import (
    candidate_row,
    error_dict,
    evaluation_of,
    failed_row,
    screened_row,
    trained_row,
)
from munas.pipeline.events import Observer
from munas.pipeline.executor import Executor
from munas.pipeline.faults import BLAMELESS, FAILURES_IN_A_ROW, OF_ONE_MEASUREMENT
from munas.pipeline.finalists import train_finalists
from munas.pipeline.flight import Flight, Stages, new_flight
from munas.pipeline.front import open_on_front, test_front
from munas.pipeline.revise import Cause, Reviser, ScreenFor, distrusted, keep_measurement
from munas.pipeline.tasks import convert_task
from munas.pipeline.training import ask_teacher, reading_below, training_of
from munas.search import Candidate, Search
from munas.store import EventRow, Ledger, ResultRow, RevisionReason
from munas.units import LatencySource

NextSource = Callable[[LatencySource], "tuple[LatencyProvider, Choice] | None"]


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
        screen_for: ScreenFor,
        max_candidates: int | None = None,
        next_source: NextSource = lambda _lost: None,
        lost: str | None = None,
        reason: str = "",
    ) -> None:
        """`screen_for` gives the search's screen under a provider (see Reviser).

        `next_source` gives what takes the place of a source whose board was lost; null: the run
        pauses. `lost` says why the run's source is gone since it was interrupted; `provider` is
        then the next one. `reason` says why `provider` is used.
        """
        self.ledger = ledger
        self.experiment = experiment
        self.search = search
        self.executor = executor
        self.provider = provider
        self.observer = observer
        self.times = Stages()
        self._teacher: dict[str, bytes] | None = None
        self._flights: dict[Future[Any], Flight] = {}
        self._known = {(row.candidate_id, row.rung): row for row in ledger.results()}
        rounds = search.settings.rounds
        # What is done already is always told again.
        done = max((number for number, _ in self._known), default=0)
        self.limit = max(min(rounds, max_candidates or rounds), done)
        self._listed = {row.candidate_id: row for row in ledger.candidates()}
        self.reviser = Reviser(ledger, search, executor, observer, screen_for)
        self._next_source, self._lost, self._reason = next_source, lost, reason
        # One thread: a board measures one model at a time.
        self._board = ThreadPoolExecutor(1, "munas-board")
        self._failures = 0

    def run(self) -> None:
        """Evaluate until the limit is reached, then test the front.

        Raises InfrastructureError when candidate after candidate fails through no fault of its own
        or the board is lost (the run can be resumed), and LedgerError when a row cannot be kept.
        """
        started = time.perf_counter()
        try:
            self._replay()
            while self._fill(self.limit) or self._flights:
                self._collect()
            began = time.perf_counter()
            self._settle_front()
            test_front(self.ledger, self.executor, self.observer)
            if self.search.finished:
                train_finalists(
                    self.ledger, self.experiment, self.executor, self.observer, self._answers
                )
            self.times.waiting_s += time.perf_counter() - began
            self.ledger.add_event(EventRow(kind="finished", detail={"candidates": self.limit}))
        finally:
            self.times.wall_s += time.perf_counter() - started
            self._board.shutdown(wait=False, cancel_futures=True)

    def _replay(self) -> None:
        """Ask and tell again what the ledger holds, with revisions where they took effect."""
        self.reviser.screen_by(self.provider, lost=self._lost is not None)
        self._fill(min(len(self._listed), self.limit))
        self.reviser.take_effect(self.provider)
        if self._lost:
            self._revise(None, "board-lost", self._lost)
            self.reviser.screen_by(self.provider)
        elif doubtful := distrusted(self.ledger):
            self._revise(doubtful, "canary-moved", "the board's canary had moved")

    def _fill(self, limit: int) -> bool:
        """Ask for as many candidates as may be in flight, up to `limit`; whether any was asked."""
        asked = False
        while (following := self.search.next_id) is not None and following <= limit:
            self.reviser.take_effect(self.provider)
            while (candidate := self.search.contested()) is not None:
                self._measure_late(candidate)
            self._admit(self.search.ask())
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
        row = self._known.get((candidate.candidate_id, candidate.rung))
        if row is not None:
            self.search.tell(candidate, evaluation_of(row))
            return
        began = time.perf_counter()
        flight = new_flight(candidate)
        if known is None and candidate.rung == 0:
            self.ledger.add_candidate(candidate_row(candidate, flight.costs_of_candidate()))
        self.observer.asked(candidate)
        flight.spend("screen", time.perf_counter() - began)
        if candidate.rung == 0:
            self._after_screen(flight)
        else:
            flight.reading = reading_below(self.ledger, candidate, flight.costs)
            self._train(flight)

    def _measure_late(self, candidate: Candidate) -> None:
        """Measure what was spared it, now that a rank depends on it."""
        numbers = [candidate.candidate_id]
        try:
            self._revise(numbers, "rank-open", "its predicted latency leaves a rank open")
        except CanaryMovedError as moved:
            self._distrust(None, moved)
        except BOARD_LOST as lost:
            self._switch(None, lost)

    def _settle_front(self) -> None:
        """Have all measured that might be on the front, so that it has one source."""
        while numbers := open_on_front(self.ledger):
            self._measure_late(self.search.candidate(numbers[0]))

    def _after_screen(self, flight: Flight) -> None:
        flight.reading = self.provider.spared(flight.costs)
        if flight.reading is not None:
            self._after_reading(flight)
            return
        if self.provider.needs_model:
            task = convert_task(flight.architecture, flight.number)
            self._launch(flight, "convert", self.executor.submit(task))
            return
        flight.reading = self.provider.read(flight.architecture, flight.costs, None)
        self._after_reading(flight)

    def _after_reading(self, flight: Flight) -> None:
        """Train only what can still win: a hard bound that is broken already ends it here."""
        assert flight.reading is not None
        row = screened_row(flight.candidate, flight.costs, flight.reading, flight.stage_s)
        objective = self.search.settings.objective
        if objective.kind == "feasible-first" and objective.violation(evaluation_of(row)) > 0:
            self._finish(flight, row)
            return
        self._train(flight)

    def _train(self, flight: Flight) -> None:
        task, blobs = training_of(self.ledger, self.experiment, self.search, flight.candidate)
        blobs |= self._answers()

        def progress(said: dict[str, Any]) -> None:
            self.observer.progress(flight.number, "train", said["epoch"], said["epochs"])

        self._launch(flight, "train", self.executor.submit(task, blobs, progress=progress))

    def _answers(self) -> dict[str, bytes]:
        """The teacher's answers, asked for when first needed."""
        if self._teacher is None:
            known = self.ledger.run.identity.get("teacher_sha256")
            self._teacher = ask_teacher(self.experiment, self.executor, known)
        return self._teacher

    def _launch(self, flight: Flight, stage: str, future: Future[Any]) -> None:
        flight.stage = stage
        self._flights[future] = flight

    def _collect(self) -> None:
        """Wait for evaluations to come on, and move each to its next stage."""
        began = time.perf_counter()
        done, _ = wait(self._flights, timeout=1.0, return_when=FIRST_COMPLETED)
        self.times.waiting_s += time.perf_counter() - began
        for future in sorted(done, key=lambda f: self._flights[f].candidate.candidate_id):
            flight = self._flights.pop(future, None)
            if flight is None:  # recalled when the board of another one was lost
                continue
            try:
                self._advance(flight, future)
            except LedgerError:
                raise
            except CanaryMovedError as error:
                self._distrust(flight, error)
            except BOARD_LOST as error:
                self._switch(flight, error)
            except MunasError as error:
                of_model = error.exit_code != ExitCode.INFRASTRUCTURE
                passes = of_model or isinstance(error, OF_ONE_MEASUREMENT)
                if flight.stage == "measure" and not passes:
                    raise
                self._fail(flight, error_dict(error))

    def _advance(self, flight: Flight, future: Future[Any]) -> None:
        if flight.stage == "measure":
            flight.reading, seconds = future.result()
            flight.spend("measure", seconds)
            keep_measurement(self.ledger, flight.number, flight.reading)
            if flight.trained is None:
                self._after_reading(flight)
            else:
                self._finish_trained(flight)
            return
        answer, blobs = future.result()
        if "error" in answer:
            self._fail(flight, answer["error"])
            return
        for stage, seconds in answer["stage_s"].items():
            flight.spend(stage, seconds)
        if flight.stage == "convert":
            self._measure(flight, blobs["model"])
            return
        flight.keep_trained(answer, blobs)
        self._read_trained(flight)

    def _measure(self, flight: Flight, model: bytes) -> None:
        self._launch(flight, "measure", self._board.submit(self._read, flight, model))

    def _read_trained(self, flight: Flight) -> None:
        """Read what pruning has left; nothing has changed where nothing was pruned."""
        assert flight.trained is not None
        if flight.reading is None:
            flight.reading = self.provider.spared(flight.costs)
        if flight.reading is None and self.provider.needs_model:
            self._measure(flight, flight.trained[1]["model"])
            return
        if flight.reading is None:
            flight.reading = self.provider.read(flight.architecture, flight.costs, None)
        self._finish_trained(flight)

    def _finish_trained(self, flight: Flight) -> None:
        assert flight.reading is not None and flight.trained is not None
        answer, blobs = flight.trained
        weights_sha256 = hashlib.sha256(blobs["weights"]).hexdigest()
        row = trained_row(
            flight.candidate, flight.costs, flight.reading, answer, flight.stage_s, weights_sha256
        )
        self._failures = 0
        artifacts = {answer["model_sha256"]: blobs["model"], weights_sha256: blobs["weights"]}
        self._finish(flight, row, artifacts)

    def _read(self, flight: Flight, model: bytes) -> tuple[Reading, float]:
        """Measure, on the board's thread: the reading and the seconds that it took."""
        began = time.perf_counter()
        reading = self.provider.read(flight.architecture, flight.costs, model)
        return reading, time.perf_counter() - began

    def _fail(self, flight: Flight, error: dict[str, str]) -> None:
        self._failures = self._failures + 1 if error["name"] in BLAMELESS else 0
        if self._failures >= FAILURES_IN_A_ROW:
            raise InfrastructureError(
                f"{self._failures} candidates in a row could not be evaluated. "
                f"The last one: {error['message']}",
                error.get("mend", ""),
            )
        self._finish(flight, failed_row(flight.candidate, error, flight.stage_s))

    def _finish(
        self, flight: Flight, row: ResultRow, artifacts: dict[str, bytes] | None = None
    ) -> None:
        self.ledger.add_result(row, artifacts)
        evaluation = evaluation_of(row)
        objective = self.search.settings.objective
        feasible = row.status == "ok" and objective.violation(evaluation) == 0
        self.search.tell(flight.candidate, evaluation)
        self.observer.finished(flight.candidate, row, feasible=feasible)

    def _distrust(self, flight: Flight | None, moved: CanaryMovedError) -> None:
        """Measure the candidates of the doubtful window again, once the board is as it was.

        Raises the fault where it is not; a resumed run then measures them first.
        """
        numbers = [
            candidate.candidate_id
            for candidate in self.search.asked
            if candidate.architecture_sha256 in moved.window
        ]
        detail = {"candidates": numbers, **moved.as_dict()}
        self.ledger.add_event(EventRow(kind="canary-moved", detail=detail))
        waiting = [*([flight] if flight else []), *self._recall()]
        self._board.submit(self.provider.renew).result()
        self._revise(numbers, "canary-moved", moved.what)
        for each in waiting:
            self._start_again(each)

    def _switch(self, flight: Flight | None, lost: MunasError) -> None:
        """Go on with the next source, by which all candidates are scored anew.

        Raises `lost` where there is none, or the run is to pause.
        """
        old = self.provider
        following = self._next_source(old.source)
        if following is None:
            raise lost
        waiting = [*([flight] if flight else []), *self._recall()]
        self._board.submit(old.close).result()
        self.provider, choice = following
        self._reason = choice.reason
        self._revise(None, "board-lost", lost.what)
        self.reviser.screen_by(self.provider)
        for each in waiting:
            self._start_again(each)

    def _start_again(self, flight: Flight) -> None:
        """Read a candidate anew that was waiting for its board."""
        if flight.trained is None:
            self._after_screen(flight)
        else:
            self._read_trained(flight)

    def _recall(self) -> list[Flight]:
        """Take back the candidates that wait for the board."""
        futures = [f for f, flight in self._flights.items() if flight.stage == "measure"]
        for future in futures:
            future.cancel()
        wait(futures)
        return [self._flights.pop(future) for future in futures]

    def _revise(self, numbers: Sequence[int] | None, reason: RevisionReason, why: str) -> None:
        """Read the latencies of these candidates (null: of all) anew, those in training too."""
        training = {
            flight.number: future
            for future, flight in self._flights.items()
            if flight.stage == "train"
            and not flight.awaits_pruning
            and (numbers is None or flight.candidate.candidate_id in numbers)
        }
        found = self.reviser.revise(
            Cause(reason, why, numbers),
            training.keys(),
            self.provider,
            self._reason,
            self._read_now,
        )
        for number, future in training.items():
            reading = found[number]
            if isinstance(reading, Reading):
                self._flights[future].reading = reading
            else:
                self._fail(self._flights.pop(future), dict(reading))

    def _read_now(self, architecture: Architecture, costs: Cost, model: bytes | None) -> Reading:
        return self._board.submit(self.provider.read, architecture, costs, model).result()
