"""A search that measures only what is undecided goes the way of one that measures all."""

from __future__ import annotations

import hashlib
import json
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from munas.arch import Architecture, sha256
from munas.boards.session import QuarantinedError
from munas.cost import Cost
from munas.errors import BadInputError
from munas.experiment import parse_experiment
from munas.latency import LatencyProvider, Reading
from munas.latency.predict import Predictor, SparingProvider
from munas.pipeline.events import Silent
from munas.pipeline.front import open_on_front
from munas.pipeline.run import SearchRun
from munas.pipeline.session import Limits, start
from munas.search import Objective, Search, SearchSettings
from munas.store import Ledger, RunInfo
from munas.units import Latency, LatencySource

ROUNDS = 40
BOUND_US = 4_000.0


class InstantExecutor:
    """Does tasks at once; answers follow from the architecture alone."""

    workers = 1

    def submit(self, task: dict[str, Any], blobs: Any = None, progress: Any = None) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(getattr(self, task["task"])(task))
        return future

    def convert(self, task: dict[str, Any]) -> Any:
        return {"stage_s": {"convert": 0.0}}, {"model": json.dumps(task["architecture"]).encode()}

    def train(self, task: dict[str, Any]) -> Any:
        digest = sha256(Architecture.from_dict(task["architecture"]))
        model = json.dumps(task["architecture"]).encode()
        answer = {
            "val_accuracy_int8": 0.3 + int(digest[:4], 16) / 0x18000,
            "val_accuracy_float": 0.5,
            "epochs": 1,
            "model_sha256": hashlib.sha256(model).hexdigest(),
            "flash_bytes": 1000,
            "host_arena_bytes": 77,
            "stage_s": {"train": 0.0},
        }
        return answer, {"model": model, "weights": b"weights of " + digest.encode()}

    def test(self, _task: dict[str, Any]) -> Any:
        return {"test_accuracy_int8": 0.5}, {}

    def arena(self, _task: dict[str, Any]) -> Any:
        return {"host_arena_bytes": 77}, {}

    def close(self) -> None: ...


class Board:
    """Measures something within each prediction's interval; lost at reading `lost_at`."""

    source = LatencySource.EMULATED
    board: str | None = "emulated_stm32l4r5"
    engine: str | None = "tflm"
    needs_model = True
    predictor_sha256: str | None = None

    def __init__(self, predictor: Predictor, lost_at: int = 0) -> None:
        self.predictor, self.lost_at = predictor, lost_at
        self.read_of: list[str] = []

    def read(self, architecture: Architecture, costs: Cost, model: bytes | None) -> Reading:
        assert model is not None
        self.read_of.append(sha256(architecture))
        if len(self.read_of) == self.lost_at:
            raise QuarantinedError("It is gone.", "Plug it in.")
        found = self.predictor.predict(costs)
        share = int(sha256(architecture)[-4:], 16) / 0xFFFF
        latency_us = round((found.low + share * (found.high - found.low)) / 100)
        return Reading(
            Latency(latency_us, self.source, costs.macs, board=self.board, engine=self.engine),
            None,
            {"cycles": 100 * latency_us, "source": self.source.value, "board": self.board},
        )

    def spared(self, costs: Cost) -> Reading | None:
        return None

    def screened_us(self, costs: Cost) -> int | None:
        return None

    def renew(self) -> None: ...

    def close(self) -> None: ...


def ledger_at(path: Path, kind: str = "feasible-first", measure: str = "undecided") -> Ledger:
    table = {
        "name": "t",
        "data": {"name": "digits"},
        "bounds": {"latency_us": int(BOUND_US), "error": 0.5},
        "objective": {"kind": kind},
        "latency": {"measure": measure},
    }
    identity = {
        "latency_source": "emulated", "latency_reason": "r", "board": "emulated_stm32l4r5",
        "engine": "tflm",
    }  # fmt: skip
    experiment = parse_experiment(table, "test").as_dict()
    return Ledger.create(
        path, RunInfo(name="t", experiment=experiment, identity=identity, command="x")
    )


def run(ledger: Ledger, provider: LatencyProvider) -> None:
    experiment = parse_experiment(dict(ledger.run.experiment), "test")
    objective = Objective(experiment.bounds.given(), experiment.objective.kind)
    settings = SearchSettings(
        input=(12, 12, 3), classes=10, objective=objective, population=6, sample=3,
        rounds=ROUNDS, seed=5, lag=2,
    )  # fmt: skip
    SearchRun(
        ledger, experiment, Search(settings), InstantExecutor(), provider, Silent(),
        screen_for=lambda _provider: None,
    ).run()  # fmt: skip


def sparing(board: Board, bound_us: float | None = BOUND_US) -> SparingProvider:
    return SparingProvider(board, board.predictor, "ab" * 32, bound_us)


def history(ledger: Ledger) -> list[tuple[Any, ...]]:
    return [(c.candidate_id, c.architecture_sha256, c.parent_id) for c in ledger.candidates()]


def front(ledger: Ledger) -> list[tuple[Any, ...]]:
    return [(r["candidate_id"], r["latency_us"], r["latency_source"]) for r in ledger.front()]


@pytest.mark.parametrize("kind", ["feasible-first", "chebyshev"])
def test_the_same_candidates_and_front_by_fewer_measurements(
    kind: str, predictor: Predictor, tmp_path: Path
) -> None:
    every, some = Board(predictor), Board(predictor)
    with (
        ledger_at(tmp_path / "all", kind, "all") as full,
        ledger_at(tmp_path / "some", kind) as spared,
    ):
        run(full, every)
        run(spared, sparing(some))
        assert history(spared) == history(full)
        assert front(spared) == front(full) != []
        assert {row["latency_source"] for row in spared.front()} == {"emulated"}
        assert open_on_front(spared) == []
        assert len(some.read_of) < 0.8 * len(every.read_of)
        sources = {row["latency_source"] for row in spared.table()}
        assert sources == {"emulated", "predicted"}
        kept = {row.candidate_id for row in spared.measurements()}
        for row in spared.table():
            assert (row["latency_source"] == "emulated") == (row["candidate_id"] in kept)
            assert row["engine"] == "tflm"
        assert {row.reason for row in spared.revisions()} == {"rank-open"}


def test_a_paused_run_goes_on_the_same_way(predictor: Predictor, tmp_path: Path) -> None:
    with ledger_at(tmp_path / "once") as once, ledger_at(tmp_path / "twice") as twice:
        board = Board(predictor)
        run(once, sparing(board))
        for lost_at in (3, 5):
            with pytest.raises(QuarantinedError):
                run(twice, sparing(Board(predictor, lost_at)))
        run(twice, sparing(Board(predictor)))
        assert history(twice) == history(once)
        assert front(twice) == front(once)
        assert len(twice.measurements()) == len(once.measurements())


def test_where_latency_is_not_bounded_only_the_front_is_measured(
    predictor: Predictor, tmp_path: Path
) -> None:
    board = Board(predictor)
    table = {"name": "t", "data": {"name": "digits"}, "bounds": {"error": 0.5},
             "latency": {"measure": "undecided"}}  # fmt: skip
    identity = {
        "latency_source": "emulated", "latency_reason": "r", "board": "b", "engine": "tflm",
    }  # fmt: skip
    info = RunInfo(
        name="t", experiment=parse_experiment(table, "t").as_dict(), identity=identity, command="x"
    )
    with Ledger.create(tmp_path / "l", info) as ledger:
        run(ledger, sparing(board, None))
        assert {row["latency_source"] for row in ledger.front()} == {"emulated"}
        measured = {row.candidate_id for row in ledger.measurements()}
        assert {row["candidate_id"] for row in ledger.front()} <= measured
        # What extrapolates is not spared; of the rest those that might be on the front were read.
        assert all(row.asked == ROUNDS for row in ledger.revisions())
        assert len(set(board.read_of)) < ROUNDS


def test_only_what_is_surely_on_one_side_is_spared(predictor: Predictor, drawn: Any) -> None:
    from munas.cost import cost

    for architecture in drawn(30):
        costs = cost(architecture)
        found = predictor.predict(costs)
        low, high = found.low / 100, found.high / 100
        for bound, is_spared in ((high + 1, True), (low - 1, True), (found.cycles / 100, False)):
            reading = sparing(Board(predictor), bound).spared(costs)
            assert (reading is not None) == is_spared
            if reading is not None:
                assert reading.latency.source is LatencySource.PREDICTED
                assert reading.span_us == pytest.approx((low - 0.5, high + 0.5))
                assert (reading.latency.latency_us or 0) == round(found.cycles / 100)


def test_an_arena_bound_wants_all_measured(tmp_path: Path) -> None:
    table = {"name": "t", "data": {"name": "digits"}, "bounds": {"arena_used_bytes": 9_000},
             "latency": {"measure": "undecided"}}  # fmt: skip
    with pytest.raises(BadInputError, match="measuring every candidate"):
        start(parse_experiment(table, "t"), tmp_path / "l", Silent(), "x", Limits())
