"""Calibrating: stops at its target, keeps what was measured, and goes on with it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, get_type_hints

import pytest

from munas.arch import Architecture, sha256
from munas.cli.calibrate import _missed, command
from munas.cost import cost
from munas.errors import BadInputError, InfrastructureError
from munas.latency.engine import EngineChoice
from munas.latency.measurement import Measurement, OperatorCost
from munas.latency.predict import UnusableError, find
from munas.latency.predict.build import LEAST
from munas.store import CandidateRow, Ledger, MeasurementRow, RunInfo
from munas.study import calibrate as calibration
from munas.study.calibrate import Request, calibrate, fit_and_keep, fit_from_ledger
from munas.study.setup import Series
from munas.units import LatencySource

SERIES = Series(
    "emulated_stm32l4r5", EngineChoice("tflm", "cmsis-nn", None, "for the test"), "emulated", "t"
)


class Executor:
    """Converts at once; remembers in which order."""

    workers = 1

    def __init__(self) -> None:
        self.asked: list[int] = []

    def submit(self, task: dict[str, Any], blobs: Any = None, progress: Any = None) -> Future[Any]:
        self.asked.append(task["seed"])
        future: Future[Any] = Future()
        model = json.dumps(task["architecture"]).encode()
        future.set_result(({"stage_s": {"convert": 0.5}}, {"model": model}))
        return future

    def close(self) -> None: ...


class Bench:
    """A board that measures by a law; `trouble(how many were measured)` may raise."""

    firmware_source = "f00d"

    def __init__(self, law: Any, trouble: Callable[[int], None] = lambda _count: None) -> None:
        self.law, self.trouble = law, trouble
        self.measured: list[str] = []
        self.opened = 0

    @contextmanager
    def open(self, _series: Series) -> Iterator[Bench]:
        self.opened += 1
        yield self

    def measure_all(self, models: Sequence[tuple[str, bytes]]) -> Iterator[Measurement]:
        for name, data in models:
            self.trouble(len(self.measured))
            architecture = Architecture.from_json(data.decode())
            self.measured.append(sha256(architecture))
            found = self.law.measure(architecture)
            found["operators"] = tuple(OperatorCost(**each) for each in found["operators"])
            found["model_sha256"] = hashlib.sha256(data).hexdigest()
            yield Measurement(model=name, latency_us=found["cycles"] // 100, **found)


class Watcher:
    def __init__(self) -> None:
        self.seen: list[int] = []

    def began(self, series: Series, ledger: Path, measured: int) -> None:
        self.began_with = measured

    def fitted(self, predictor: Any, extrapolating: float) -> None:
        self.seen.append(predictor.n)


@pytest.fixture(autouse=True)
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, drawn: Any) -> None:
    """A pool of 90 small networks, of which a fifth may be unlike the others."""
    monkeypatch.setenv("MUNAS_DATA", str(tmp_path / "data"))
    pool = [(architecture, cost(architecture)) for architecture in drawn(90)]
    monkeypatch.setattr(calibration, "POOL", len(pool))
    monkeypatch.setattr(calibration, "architectures", lambda _experiment: iter(pool))
    monkeypatch.setattr(calibration, "plan", lambda _experiment: [SERIES])
    monkeypatch.setattr(calibration, "_MOST_EXTRAPOLATING", 0.2)


def request(**changes: Any) -> Request:
    given = {"max_models": 60, "input": (12, 12, 3), "macs": (1_000, 500_000)} | changes
    return Request(board="emulated_stm32l4r5", command="munas calibrate", **given)


def run(bench: Bench, watcher: Watcher | None = None, executor: Executor | None = None, **c: Any):
    return calibrate(
        request(**c),
        watcher or Watcher(),
        executor=executor or Executor(),
        open_board=bench.open,  # type: ignore[arg-type]
    )


def test_it_ends_when_the_error_is_surely_below_the_target(law: Any) -> None:
    bench, watcher, executor = Bench(law), Watcher(), Executor()
    found = run(bench, watcher, executor, target_mape_percent=6.0)
    accuracy = found.predictor.accuracy
    assert found.reached and accuracy.mape_percent <= accuracy.mape_high_percent <= 6.0
    assert 30 <= found.predictor.n == len(bench.measured) < 60
    assert watcher.seen[-1] == found.predictor.n
    assert bench.opened == 1 and len(set(bench.measured)) == len(bench.measured)
    # The batch after the last one was being converted, each model once.
    assert len(executor.asked) == len(set(executor.asked)) == len(bench.measured) + 8
    assert found.path.is_file()
    again = find("emulated_stm32l4r5", "tflm", LatencySource.EMULATED)
    assert again is not None and again[1] == found.sha256


def test_it_ends_at_the_most_models_and_says_so(law_of: Any) -> None:
    bench = Bench(law_of(2, noise=0.4))
    found = run(bench, target_mape_percent=0.5, max_models=44)
    assert found.reached is False
    assert len(bench.measured) == found.predictor.n == 44
    assert "and the target is 0.5 %" in _missed(found, 0.5)


def test_networks_outside_what_was_measured_are_told_as_the_reason(
    law: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calibration, "_MOST_EXTRAPOLATING", -1.0)
    found = run(Bench(law), target_mape_percent=50, max_models=32)
    assert found.reached is False and found.predictor.accuracy.mape_high_percent < 50
    told = _missed(replace(found, extrapolating=0.12), 50)
    assert "12% of the networks that were not measured lie outside" in told
    assert "50 %" not in told and "--max-models" in told


def test_the_help_has_the_range_of_models() -> None:
    asked = get_type_hints(command, include_extras=True)["max_models"].__metadata__[0]
    assert (asked.min, asked.max) == (LEAST, 500)


def test_a_luckily_small_error_does_not_end_it(law_of: Any) -> None:
    """The target lies between the error and the upper end of its interval."""
    first = run(Bench(law_of(4, noise=0.3)), target_mape_percent=0.1, max_models=30)
    accuracy = first.predictor.accuracy
    target = (accuracy.mape_percent + accuracy.mape_high_percent) / 2
    bench = Bench(law_of(4, noise=0.3))
    more = run(bench, target_mape_percent=target, max_models=32)
    assert more.predictor.n == 32 and bench.measured


def test_an_interrupted_one_goes_on_with_what_it_has(law: Any) -> None:
    def interrupt(count: int) -> None:
        if count == 25:
            raise KeyboardInterrupt

    first = Bench(law, interrupt)
    with pytest.raises(KeyboardInterrupt):
        run(first)
    second, watcher = Bench(law), Watcher()
    found = run(second, watcher)
    assert watcher.began_with == 25
    assert not set(first.measured) & set(second.measured)
    assert found.predictor.n == 25 + len(second.measured)


def test_one_that_is_done_measures_nothing_more(law: Any) -> None:
    first = run(Bench(law), target_mape_percent=6.0)
    bench = Bench(law)
    again = run(bench, target_mape_percent=6.0)
    assert bench.measured == [] and bench.opened == 0
    assert again.predictor.examples_sha256 == first.predictor.examples_sha256


def test_a_lost_board_is_said_and_what_was_measured_is_kept(law: Any) -> None:
    def lost(count: int) -> None:
        if count == 22:
            raise InfrastructureError("The board is gone.", "Plug it in.")

    with pytest.raises(InfrastructureError, match="gone"):
        run(Bench(law, lost))
    watcher = Watcher()
    run(Bench(law), watcher)
    assert watcher.began_with == 22


@pytest.mark.parametrize(
    "change", [{"max_models": 5}, {"max_models": 500}, {"target_mape_percent": 0.0}]
)
def test_what_makes_no_sense_is_refused(change: dict[str, Any], law: Any) -> None:
    with pytest.raises(BadInputError, match="makes no sense"):
        run(Bench(law), **change)


def ledger_of(path: Path, law: Any, drawn: Any, kinds: Sequence[dict[str, Any]]) -> Path:
    """As a search leaves it: one measurement a candidate, of boards or engines in turn."""
    info = RunInfo(name="s", experiment={}, identity={}, command="munas search")
    with Ledger.create(path, info) as ledger:
        for number, architecture in enumerate(drawn, start=1):
            kind = kinds[number % len(kinds)]
            found = law.measure(architecture, **kind) | {"latency_us": 1, "outputs_match": True}
            ledger.add_candidate(
                CandidateRow(
                    candidate_id=number, architecture=architecture.as_dict(), macs=1,
                    architecture_sha256=sha256(architecture), peak_memory_bytes=1,
                    model_size_bytes=1,
                )
            )  # fmt: skip
            ledger.add_measurement(
                MeasurementRow(
                    measurement=found, source=found["source"], board=found["board"],
                    engine=found["engine"], candidate_id=number,
                )
            )  # fmt: skip
    return path


def test_any_ledger_will_do(law: Any, drawn: Any, tmp_path: Path) -> None:
    path = ledger_of(tmp_path / "l", law, drawn(40), [{}])
    found = fit_and_keep(path, "emulated_stm32l4r5")
    assert found.reached is None and found.predictor.n == 40
    assert found.predictor.examples_sha256 == law.examples(drawn(40)).sha256()


def test_of_several_engines_one_must_be_named(law: Any, drawn: Any, tmp_path: Path) -> None:
    path = ledger_of(tmp_path / "l", law, drawn(60), [{}, {"engine": "aot"}])
    with pytest.raises(BadInputError, match=r"tflm.*aot|aot.*tflm"):
        fit_from_ledger(path, "emulated_stm32l4r5")
    assert fit_from_ledger(path, engine="aot").conditions.engine == "aot"
    with pytest.raises(BadInputError, match="none of what is asked for"):
        fit_from_ledger(path, "nucleo_l4r5zi")


def test_mixed_conditions_in_one_ledger_are_refused(law: Any, drawn: Any, tmp_path: Path) -> None:
    path = ledger_of(tmp_path / "l", law, drawn(40), [{}, {"clock_hz": 4_000_000}])
    with pytest.raises(BadInputError, match="clock_hz"):
        fit_from_ledger(path)


def test_a_ledger_without_operators_is_refused_with_the_mend(
    law: Any, drawn: Any, tmp_path: Path
) -> None:
    path = ledger_of(tmp_path / "l", law, drawn(30), [{"operators": []}])
    with pytest.raises(UnusableError, match="--per-op"):
        fit_from_ledger(path)
