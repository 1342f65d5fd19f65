"""A board that fails, is lost, or drifts in mid-search: what the run does, keeps and repeats."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from munas.arch import Architecture, sha256
from munas.boards.session import QuarantinedError
from munas.cost import Cost, cost
from munas.errors import DeadlineError, InfrastructureError, MunasError
from munas.experiment import Experiment, parse_experiment
from munas.latency import Choice, LatencyProvider, MacModel, MacProvider, Reading
from munas.latency.measured import CanaryMovedError
from munas.pipeline.events import Silent
from munas.pipeline.revise import current_source, distrusted
from munas.pipeline.run import SearchRun
from munas.search import Objective, Search, SearchSettings, cost_screen
from munas.store import Ledger, RunInfo
from munas.units import Latency, LatencySource, Memory, MemorySource

ROUNDS = 14
BOUNDS = {"macs": 200_000.0, "latency_us": 9_000.0, "error": 0.9}
MAC_MODEL = MacModel(1000.0, 4.0, 80_000_000)


class InstantExecutor:
    """Does tasks at once, without TensorFlow; answers follow from the architecture alone."""

    workers = 1

    def submit(self, task: dict[str, Any], blobs: Any = None, progress: Any = None) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(getattr(self, task["task"])(task, blobs))
        return future

    def convert(self, task: dict[str, Any], _blobs: Any) -> Any:
        return {"stage_s": {"convert": 0.0}}, {"model": json.dumps(task["architecture"]).encode()}

    def train(self, task: dict[str, Any], _blobs: Any) -> Any:
        digest = sha256(Architecture.from_dict(task["architecture"]))
        model = json.dumps(task["architecture"]).encode()
        answer = {
            "val_accuracy_int8": 0.5 + int(digest[:4], 16) / 0x20000,
            "val_accuracy_float": 0.5,
            "epochs": 1,
            "model_sha256": hashlib.sha256(model).hexdigest(),
            "flash_bytes": 1000,
            "host_arena_bytes": 77,
            "stage_s": {"train": 0.0},
        }
        return answer, {"model": model, "weights": b"weights of " + digest.encode()}

    def test(self, _task: dict[str, Any], _blobs: Any) -> Any:
        return {"test_accuracy_int8": 0.5}, {}

    def arena(self, _task: dict[str, Any], _blobs: Any) -> Any:
        return {"host_arena_bytes": 99}, {}

    def close(self) -> None: ...


class Board:
    """A provider that measures `scale` cycles a MAC until `trouble(reading number)` says more."""

    needs_model = True
    predictor_sha256 = None
    engine: str | None = "aot"

    def __init__(
        self,
        source: LatencySource,
        scale: float,
        trouble: Callable[[Board, int], None] = lambda _board, _number: None,
    ) -> None:
        self.source, self.scale, self.trouble = source, scale, trouble
        self.board: str | None = f"{source}_board"
        self.read_of: list[str] = []
        self.renewed = 0
        self.closed = False

    def read(self, architecture: Architecture, costs: Cost, model: bytes | None) -> Reading:
        assert model is not None and not self.closed
        self.trouble(self, len(self.read_of) + 1)
        self.read_of.append(sha256(architecture))
        latency_us = round(costs.macs * self.scale / 80)
        return Reading(
            Latency(latency_us, self.source, costs.macs, board=self.board, engine="aot"),
            Memory(costs.peak_memory_bytes + 100, MemorySource(self.source.value)),
            {"cycles": latency_us * 80, "source": self.source.value, "board": self.board},
        )

    def screened_us(self, costs: Cost) -> int | None:
        return None

    def spared(self, costs: Cost) -> Reading | None:
        return None

    def renew(self) -> None:
        self.renewed += 1

    def close(self) -> None:
        self.closed = True


def experiment() -> Experiment:
    table = {"name": "t", "data": {"name": "digits"}, "bounds": BOUNDS}
    return parse_experiment(table, "test")


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    identity = {
        "latency_source": "silicon",
        "latency_reason": "it is attached",
        "board": "silicon_board",
        "engine": "aot",
    }
    row = RunInfo(name="t", experiment=experiment().as_dict(), identity=identity, command="x")
    return Ledger.create(tmp_path / "t.ledger", row)


def screen_for(provider: LatencyProvider | None) -> Any:
    def derived(costs: Cost) -> dict[str, float]:
        known = None if provider is None else provider.screened_us(costs)
        return {} if known is None else {"latency_us": known}

    return cost_screen(BOUNDS, derived)


def run_of(ledger: Ledger, provider: LatencyProvider, **options: Any) -> SearchRun:
    settings = SearchSettings(
        input=(8, 8, 1), classes=10, objective=Objective(BOUNDS), population=4, sample=2,
        rounds=ROUNDS, seed=3, lag=2,
    )  # fmt: skip
    return SearchRun(
        ledger, experiment(), Search(settings), InstantExecutor(), provider, Silent(),
        screen_for=screen_for, **options,
    )  # fmt: skip


def history(ledger: Ledger) -> list[tuple[Any, ...]]:
    return [(c.candidate_id, c.architecture_sha256, c.parent_id) for c in ledger.candidates()]


def fail_at(number: int, error: MunasError) -> Callable[[Board, int], None]:
    def trouble(_board: Board, at: int) -> None:
        if at == number:
            raise error

    return trouble


def once(number: int, error: MunasError) -> Callable[[Board, int], None]:
    raised: list[int] = []

    def trouble(_board: Board, at: int) -> None:
        if at == number and not raised:
            raised.append(at)
            raise error

    return trouble


LOST = QuarantinedError("silicon_board did not come back", "Plug it in again.")


def to_mac(_lost: LatencySource) -> tuple[LatencyProvider, Choice]:
    choice = Choice(LatencySource.MAC, "silicon_board", "no board")
    return MacProvider(board="silicon_board", model=MAC_MODEL), choice


def test_one_failed_measurement_costs_one_candidate(ledger: Ledger) -> None:
    board = Board(LatencySource.SILICON, 3.0, once(5, DeadlineError("no answer", "Look at it.")))
    run_of(ledger, board).run()
    failed = [row for row in ledger.results() if row.status == "failed"]
    assert [dict(row.error or {})["name"] for row in failed] == ["timeout"]
    assert len(ledger.results()) == ROUNDS


def test_a_board_that_answers_nothing_stops_the_run(ledger: Ledger) -> None:
    def trouble(_board: Board, at: int) -> None:
        if at > 2:
            raise DeadlineError("no answer", "Look at it.")

    with pytest.raises(InfrastructureError, match="4 candidates in a row"):
        run_of(ledger, Board(LatencySource.SILICON, 3.0, trouble)).run()


def test_a_lost_board_pauses_and_the_candidate_is_not_failed(ledger: Ledger) -> None:
    with pytest.raises(QuarantinedError):
        run_of(ledger, Board(LatencySource.SILICON, 3.0, fail_at(6, LOST))).run()
    assert {row.status for row in ledger.results()} <= {"ok", "infeasible"}
    assert ledger.revisions() == []
    # With the board back, the run ends as if nothing had happened.
    run_of(ledger, Board(LatencySource.SILICON, 3.0)).run()
    assert len(ledger.results()) == ROUNDS


def test_paused_and_resumed_equals_undisturbed(ledger: Ledger, tmp_path: Path) -> None:
    with pytest.raises(QuarantinedError):
        run_of(ledger, Board(LatencySource.SILICON, 3.0, fail_at(6, LOST))).run()
    run_of(ledger, Board(LatencySource.SILICON, 3.0)).run()
    with Ledger.create(tmp_path / "other.ledger", ledger.run) as other:
        run_of(other, Board(LatencySource.SILICON, 3.0)).run()
        assert history(other) == history(ledger)


def test_rescore_gives_every_candidate_the_next_source(ledger: Ledger) -> None:
    board = Board(LatencySource.SILICON, 3.0, fail_at(8, LOST))
    run_of(ledger, board, next_source=to_mac).run()
    assert board.closed
    current = ledger.current_results()
    assert len(current) == ROUNDS
    assert {row.latency_source for row in current} == {"mac"}
    for row in current:
        macs = ledger.candidate(row.candidate_id).macs
        assert row.latency_us == MAC_MODEL.latency_us(macs)
        assert row.evaluation["values"]["latency_us"] == row.latency_us
    # The board's own rows stand as they were written, and an arena of this host takes their place.
    first = ledger.results()[0]
    assert (first.latency_source, first.arena_source) == ("silicon", "silicon")
    trained = [row for row in current if row.status == "ok"]
    assert {row.arena_source for row in trained} == {"host"}
    assert {row["latency_source"] for row in ledger.front()} == {"mac"}
    assert current_source(ledger).source is LatencySource.MAC


def test_rescored_run_is_replayed_alike(ledger: Ledger) -> None:
    """Stopped after the switch, the run goes on as the uninterrupted one does."""
    board = Board(LatencySource.SILICON, 3.0, fail_at(8, LOST))
    run_of(ledger, board, next_source=to_mac).run()
    whole = history(ledger)
    path = ledger.path.with_name("again.ledger")
    with Ledger.create(path, ledger.run) as again:
        board = Board(LatencySource.SILICON, 3.0, fail_at(8, LOST))
        run_of(again, board, next_source=to_mac, max_candidates=11).run()
        assert len(again.candidates()) == 11 and again.revisions()
        run_of(again, to_mac(LatencySource.SILICON)[0]).run()
        assert history(again) == whole
        assert again.current_results()[-1].latency_source == "mac"


def test_resumed_without_the_board(ledger: Ledger) -> None:
    """The run paused; later it goes on with what is at hand, and all is scored anew first."""
    with pytest.raises(QuarantinedError):
        run_of(ledger, Board(LatencySource.SILICON, 3.0, fail_at(8, LOST))).run()
    before = len(ledger.results())
    twin = Board(LatencySource.EMULATED, 5.0)
    run_of(ledger, twin, lost="silicon_board is not attached", reason="it emulates").run()
    current = ledger.current_results()
    assert len(current) == ROUNDS > before
    assert {row.latency_source for row in current} == {"emulated"}
    assert {row.arena_source for row in current} == {"emulated"}
    assert current_source(ledger).board == "emulated_board"
    measured = sum(1 for row in ledger.revisions())
    assert len(twin.read_of) == measured + (ROUNDS - before)


def test_a_second_loss_follows_the_first(ledger: Ledger) -> None:
    def following(lost: LatencySource) -> tuple[LatencyProvider, Choice] | None:
        if lost is LatencySource.SILICON:
            twin = Board(LatencySource.EMULATED, 5.0, fail_at(10, LOST))
            return twin, Choice(LatencySource.EMULATED, "emulated_board", "it emulates")
        return to_mac(lost)

    board = Board(LatencySource.SILICON, 3.0, fail_at(5, LOST))
    run_of(ledger, board, next_source=following).run()
    current = ledger.current_results()
    assert len(current) == ROUNDS and {row.latency_source for row in current} == {"mac"}


def moved(board: Board) -> CanaryMovedError:
    return CanaryMovedError("silicon_board", 1000, 1200, tuple(board.read_of[-3:]))


def test_a_moved_canary_has_its_window_measured_again(ledger: Ledger) -> None:
    def trouble(board: Board, at: int) -> None:
        if at == 6 and not board.renewed:
            board.scale = 3.0
            raise moved(board)

    board = Board(LatencySource.SILICON, 3.5, trouble)  # it ran slowly until it was renewed
    run_of(ledger, board).run()
    assert board.renewed == 1 and distrusted(ledger) == []
    revised = {row.candidate_id for row in ledger.revisions()}
    assert {row.reason for row in ledger.revisions()} == {"canary-moved"}
    assert 1 <= len(revised) <= 3, "the window alone is measured again"
    for row in ledger.current_results():
        macs = ledger.candidate(row.candidate_id).macs
        assert row.latency_us in {round(macs * 3.0 / 80), round(macs * 3.5 / 80)}
        if row.candidate_id in revised:
            assert row.latency_us == round(macs * 3.0 / 80)


def test_a_canary_that_stays_moved_pauses_and_is_settled_on_resume(ledger: Ledger) -> None:
    class Drifting(Board):
        def renew(self) -> None:
            raise moved(self)

    def trouble(board: Board, at: int) -> None:
        if at == 6:
            raise moved(board)

    with pytest.raises(CanaryMovedError):
        run_of(ledger, Drifting(LatencySource.SILICON, 3.5, trouble)).run()
    doubtful = distrusted(ledger)
    assert doubtful
    run_of(ledger, Board(LatencySource.SILICON, 3.0)).run()
    assert distrusted(ledger) == []
    held = {row.candidate_id for row in ledger.results()}
    assert {row.candidate_id for row in ledger.revisions()} == set(doubtful) & held
    assert len(ledger.results()) == ROUNDS


def test_a_model_that_the_next_board_refuses_fails_there(ledger: Ledger) -> None:
    from munas.errors import InfeasibleError

    def refuse(board: Board, at: int) -> None:
        if at == 1 and not board.renewed:
            board.renewed = 1
            raise InfeasibleError("does not fit", "Smaller.")

    def following(_lost: LatencySource) -> tuple[LatencyProvider, Choice]:
        twin = Board(LatencySource.EMULATED, 5.0, refuse)
        return twin, Choice(LatencySource.EMULATED, "emulated_board", "it emulates")

    board = Board(LatencySource.SILICON, 3.0, fail_at(8, LOST))
    run_of(ledger, board, next_source=following).run()
    failed = [row for row in ledger.current_results() if row.status == "failed"]
    assert [dict(row.error or {})["name"] for row in failed] == ["infeasible"]
    assert len(ledger.current_results()) == ROUNDS


def test_costs_are_deterministic() -> None:
    """The tests above compare latencies computed from MACs."""
    architecture = Architecture.from_dict(
        {"space": "mlp", "input": [8, 8, 1], "classes": 10, "dense": [10]}
    )
    assert cost(architecture).macs == 8 * 8 * 10 + 10 * 10
