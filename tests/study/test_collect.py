"""Collecting: resumable, each architecture once a series, nothing averaged over a changed board."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

from munas.errors import BadInputError, InfrastructureError
from munas.experiment import StudyExperiment, parse_study
from munas.latency.engine import EngineChoice
from munas.latency.measured import CanaryMovedError
from munas.latency.measurement import Measurement, StandIn
from munas.store import Ledger
from munas.study.collect import GROUP, Collector, time_by_stage
from munas.study.setup import Series, architectures, open_ledger, plan

AOT = EngineChoice("aot", "cmsis-nn", None, "for the test")
TABLE = {
    "name": "s",
    "study": {"count": 40, "input": [12, 12, 1], "classes": 4, "macs": [1000, 100_000]},
}


def series(board: str = "b1", source: str = "emulated") -> Series:
    return Series(board, AOT, source, "for the test")


def experiment(**study: Any) -> StudyExperiment:
    return parse_study({**TABLE, "study": {**TABLE["study"], **study}}, "test")


class Executor:
    """Converts at once and counts how often."""

    workers = 1

    def __init__(self, broken: str = "") -> None:
        self.converted = 0
        self.broken = broken

    def submit(self, task: dict[str, Any], blobs: Any = None, progress: Any = None) -> Future[Any]:
        self.converted += 1
        future: Future[Any] = Future()
        model = json.dumps(task["architecture"]).encode()
        if hashlib.sha256(model).hexdigest().startswith(self.broken or "none"):
            future.set_result(({"error": {"name": "convert", "message": "no", "mend": ""}}, {}))
        else:
            future.set_result(({"stage_s": {"convert": 0.5}}, {"model": model}))
        return future

    def close(self) -> None: ...


class Measurer:
    """Measures 1,000 cycles for everything, unless `change` says otherwise."""

    firmware_source = "f00d"

    def __init__(self, one: Series, change: Callable[[int, Measurement], Measurement]) -> None:
        self.one, self.change, self.measured = one, change, 0

    def measure(self, model: tuple[str, bytes]) -> Measurement:
        self.measured += 1
        found = Measurement(
            model=model[0],
            model_sha256=hashlib.sha256(model[1]).hexdigest(),
            board=self.one.board,
            unit="u",
            engine=self.one.engine.name,
            clock_hz=80_000_000,
            source=self.one.source,  # type: ignore[arg-type]
            cycles=1000,
        )
        return self.change(self.measured, found)

    def measure_all(self, models: Sequence[tuple[str, bytes]]) -> Iterator[Measurement]:
        return map(self.measure, models)


class Watcher:
    def began(self, *_: Any) -> None: ...

    def moved(self, *_: Any) -> None: ...


@lru_cache
def drawn(table: str) -> list[Any]:
    return list(architectures(parse_study(json.loads(table), "test")))


def collect(
    path: Path,
    *every: Series,
    executor: Executor | None = None,
    change: Callable[[int, Measurement], Measurement] = lambda _n, found: found,
    study: StudyExperiment | None = None,
    firmware: str = "f00d",
) -> None:
    study = study or experiment()

    @contextmanager
    def opened(one: Series) -> Iterator[Any]:
        measurer = Measurer(one, change)
        measurer.firmware_source = firmware
        yield measurer

    with open_ledger(path, study, "munas study …") as ledger:
        Collector(ledger, every, executor or Executor(), Watcher(), opened).run(
            drawn(json.dumps(study.as_dict()))
        )


def rows(path: Path) -> list[tuple[int | None, str]]:
    with Ledger.open(path) as ledger:
        return [(row.candidate_id, row.board) for row in ledger.measurements()]


def test_every_architecture_is_measured_once_on_every_series(tmp_path: Path) -> None:
    path = tmp_path / "l"
    collect(path, series("b1"), series("b2"))
    assert sorted(rows(path)) == [(n, b) for n in range(1, 41) for b in ("b1", "b2")]
    collect(path, series("b1"), series("b2"))
    assert len(rows(path)) == 80
    with Ledger.open(path) as ledger:
        stages = time_by_stage(ledger)
    assert stages["convert"] == 20.0
    assert {"wall", "measure b1 aot", "measure b2 aot"} < set(stages)


def test_a_series_that_is_added_gets_the_same_models_without_converting(tmp_path: Path) -> None:
    path, executor = tmp_path / "l", Executor()
    collect(path, series("b1"), executor=executor)
    assert executor.converted == 40
    collect(path, series("b1"), series("b2"), executor=executor)
    assert executor.converted == 40
    with Ledger.open(path) as ledger:
        models = {
            board: [
                row.measurement["model_sha256"] for row in ledger.measurements()
                if row.board == board
            ]
            for board in ("b1", "b2")
        }  # fmt: skip
    assert models["b1"] == models["b2"]


def test_an_interrupted_study_goes_on_where_it_was(tmp_path: Path) -> None:
    path = tmp_path / "l"

    def interrupt(number: int, found: Measurement) -> Measurement:
        if number == 7:
            raise KeyboardInterrupt
        return found

    with pytest.raises(KeyboardInterrupt):
        collect(path, series(), change=interrupt)
    assert rows(path) == [(n, "b1") for n in range(1, 7)]
    collect(path, series())
    assert sorted(rows(path)) == [(n, "b1") for n in range(1, 41)]


def test_a_model_that_fails_is_kept_as_a_failure_and_not_tried_again(tmp_path: Path) -> None:
    path = tmp_path / "l"
    fault = {"name": "infeasible", "message": "does not fit", "mend": ""}

    def fail(number: int, found: Measurement) -> Measurement:
        return replace(found, cycles=None, error=fault) if number % 2 else found

    collect(path, series(), change=fail)
    collect(path, series())
    with Ledger.open(path) as ledger:
        failed = [row for row in ledger.measurements() if row.measurement["error"]]
    assert len(rows(path)) == 40
    assert len(failed) == 20


def test_a_model_that_cannot_be_converted_fails_on_every_series(tmp_path: Path) -> None:
    path = tmp_path / "l"
    collect(path, series("b1"), series("b2"), executor=Executor(broken="0"))
    with Ledger.open(path) as ledger:
        failed = [r for r in ledger.measurements() if r.measurement["error"]]
        assert len(ledger.measurements()) == 80
    assert failed
    assert {row.measurement["error"]["name"] for row in failed} == {"convert"}
    assert len({row.candidate_id for row in failed}) == len(failed) / 2


def fault_of(name: str) -> Callable[[int, Measurement], Measurement]:
    fault = {"name": name, "message": "silent", "mend": "look"}
    return lambda number, found: replace(found, error=fault) if number > 3 else found


def test_a_lost_board_ends_the_study_at_once(tmp_path: Path) -> None:
    path = tmp_path / "l"
    with pytest.raises(InfrastructureError, match="b1 no longer measures: silent"):
        collect(path, series(), change=fault_of("quarantined"))
    assert len(rows(path)) == 3


def test_four_board_faults_in_a_row_end_it_and_single_ones_do_not(tmp_path: Path) -> None:
    path = tmp_path / "l"
    with pytest.raises(InfrastructureError):
        collect(path, series(), change=fault_of("deadline"))
    assert len(rows(path)) == 6  # three that were measured, and three faults


@pytest.mark.parametrize("name", ["clock_hz", "flags", "unit", "compiler", "engine_revision"])
def test_a_board_that_changed_half_way_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "l"

    def changed(number: int, found: Measurement) -> Measurement:
        return replace(found, **{name: 99}) if number > 5 else found  # type: ignore[arg-type]

    with pytest.raises(BadInputError, match=f"its {name} was .* and is 99"):
        collect(path, series(), change=changed)
    assert len(rows(path)) == 5


def test_other_firmware_sources_are_refused_when_it_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "l"
    with pytest.raises(InfrastructureError):
        collect(path, series(), change=fault_of("quarantined"))
    with pytest.raises(BadInputError, match="its firmware_source was f00d and is beef"):
        collect(path, series(), firmware="beef")
    assert len(rows(path)) == 3


def test_on_silicon_nothing_is_kept_of_a_group_whose_canary_moved(tmp_path: Path) -> None:
    path = tmp_path / "l"

    def drift(number: int, found: Measurement) -> Measurement:
        return replace(found, cycles=1000 if number <= GROUP + 3 else 1030)

    with pytest.raises(CanaryMovedError):
        collect(path, series(source="silicon"), change=drift)
    assert len(rows(path)) == GROUP


def test_another_experiment_does_not_go_on_in_a_study_s_ledger(tmp_path: Path) -> None:
    path = tmp_path / "l"
    collect(path, series())
    with pytest.raises(BadInputError, match="study changed"):
        collect(path, series(), study=experiment(seed=4))
    assert len(rows(path)) == 40


@pytest.mark.parametrize("source", ["mac", "predicted"])
def test_a_study_of_what_is_not_measured_is_refused(source: str) -> None:
    table = {**TABLE, "latency": {"source": source}}
    with pytest.raises(BadInputError, match="A study needs measured latencies"):
        plan(parse_study(table, "test"))


def test_without_board_and_emulator_a_study_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("munas.pipeline.sources.absent_packages", lambda _extra: ["unicorn"])
    with pytest.raises(InfrastructureError, match="is not at hand"):
        plan(experiment())


def test_a_board_and_its_twin_are_one_series(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("munas.study.setup.choose_engine", lambda *_: AOT)
    monkeypatch.setattr("munas.pipeline.sources.absent_packages", lambda _extra: [])
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    with pytest.raises(BadInputError, match="names emulated_stm32l4r5 twice"):
        plan(experiment(boards=["emulated_stm32l4r5", "nucleo_l4r5zi"]))


def test_a_series_for_one_target_is_not_gone_on_with_for_another(tmp_path: Path) -> None:
    path = tmp_path / "l"
    for_one = replace(series(), stands_for=StandIn("nucleo_x", 84_000_000))
    collect(path, for_one)
    collect(path, for_one)
    with pytest.raises(BadInputError, match="was measured for nucleo_x, not for b1"):
        collect(path, series())
