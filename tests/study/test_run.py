"""A study from its experiment to its files, through the command line; boards are made up."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from munas.arch import Architecture
from munas.cli.study import app
from munas.cost import cost
from munas.errors import BadInputError, InfrastructureError
from munas.latency.engine import EngineChoice
from munas.latency.measurement import Measurement, OperatorCost
from munas.store import Ledger, RunInfo
from munas.study.collect import Collector
from munas.study.run import analyse_ledger
from munas.study.setup import Series

SERIES = Series("b1", EngineChoice("aot", "cmsis-nn", None, "for the test"), "emulated", "test")
EXPERIMENT = """
name = "small"
[study]
count = 36
input = [10, 10, 1]
classes = 3
macs = [1000, 50_000]
"""


class Executor:
    """Converts at once: the model is the architecture's text."""

    def __init__(self, *_: Any) -> None: ...

    def submit(self, task: dict[str, Any], *_: Any) -> Future[Any]:
        done: Future[Any] = Future()
        model = json.dumps(task["architecture"]).encode()
        done.set_result(({"stage_s": {"convert": 0.25}}, {"model": model}))
        return done

    def close(self) -> None: ...


class Measurer:
    """Six cycles a MAC and a thousand an operator; stops like a person after `patience` models."""

    firmware_source = "f00d"
    patience = 10**9

    def measure_all(self, models: Sequence[tuple[str, bytes]]) -> Iterator[Measurement]:
        return map(self.measure, models)

    def measure(self, model: tuple[str, bytes]) -> Measurement:
        Measurer.patience -= 1
        if Measurer.patience < 0:
            raise KeyboardInterrupt
        graph = cost(Architecture.from_json(model[1].decode())).graph
        operators = tuple(
            OperatorCost(each.kind, 1000 + 6 * each.macs, each.macs) for each in graph.operators
        )
        cycles = sum(each.cycles for each in operators)
        return Measurement(
            model=model[0],
            model_sha256=hashlib.sha256(model[1]).hexdigest(),
            board="b1",
            unit="u",
            engine="aot",
            clock_hz=1_000_000,
            cycles=cycles,
            latency_us=cycles,
            model_error_percent=10.0,
            cycles_samples=(cycles,),
            repeats=1,
            arena_used_bytes=cost(Architecture.from_json(model[1].decode())).peak_memory_bytes + 99,
            outputs_match=True,
            operators=operators,
        )


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The experiment's file, with everything that would need a board put aside."""

    @contextmanager
    def opened(_one: Series) -> Iterator[Any]:
        yield Measurer()

    monkeypatch.setattr(Measurer, "patience", 10**9)
    monkeypatch.setattr("munas.study.run.plan", lambda _experiment: [SERIES])
    monkeypatch.setattr("munas.study.setup.LocalExecutor", Executor)
    monkeypatch.setattr("munas.study.run.Collector", partial(Collector, open_measurer=opened))
    path = tmp_path / "small.toml"
    path.write_text(EXPERIMENT)
    return path


def run(*arguments: object) -> Any:
    return CliRunner().invoke(app, [str(each) for each in arguments])


def test_a_study_writes_its_results_page_tables_and_data_set(study: Path, tmp_path: Path) -> None:
    done = run("correlation", study, "--ledger", tmp_path / "s.ledger", "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["n"] == 36
    assert found["source"] == "emulated"
    assert 0.5 < found["r2"]["value"] < 1
    out = tmp_path / "s-study"
    assert {path.name for path in out.iterdir()} == {
        "index.html", "points.csv", "points.parquet", "dataset",
    }  # fmt: skip
    again = run("import", out / "dataset", "--out", tmp_path / "again", "--json")
    assert json.loads(again.stdout)["r2"] == found["r2"]


def test_what_is_measured_by_now_can_be_analysed(study: Path, tmp_path: Path) -> None:
    ledger = tmp_path / "s.ledger"
    Measurer.patience = 33
    stopped = run("correlation", study, "--ledger", ledger)
    assert stopped.exit_code == 130
    shown = run("analyse", ledger, "--json")
    assert json.loads(shown.stdout)["n"] == 33
    assert "Not all were measured yet" in (tmp_path / "s-study" / "index.html").read_text()
    Measurer.patience = 10**9
    done = run("correlation", study, "--ledger", ledger, "--json")
    assert json.loads(done.stdout)["n"] == 36
    assert "Not all were measured yet" not in (tmp_path / "s-study" / "index.html").read_text()


def test_a_ledger_without_measurements_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "l"
    run_info = RunInfo(name="n", experiment={}, identity={"kind": "search"}, command="c")
    Ledger.create(path, run_info).close()
    with pytest.raises(BadInputError, match="holds no measurement that succeeded"):
        analyse_ledger(path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_too_few_architectures_are_refused_before_any_is_measured(
    study: Path, tmp_path: Path
) -> None:
    ledger = tmp_path / "few.ledger"
    refused = run("correlation", study, "--ledger", ledger, "--count", 2)
    assert isinstance(refused.exception, BadInputError)
    assert "at least 3" in refused.exception.what
    assert not ledger.exists() and "Ledger" not in refused.output


@pytest.mark.parametrize("out", ["-", "file", "file/below"])
def test_a_folder_that_cannot_be_written_is_refused_before_any_is_measured(
    out: str, study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    bounds = ("--set", "bounds.latency_us=9000", "--set", "bounds.arena_used_bytes=20000")
    for refused in (
        run("correlation", study, "--ledger", "new.ledger", "--out", out),
        run("analyse", "none.ledger", "--out", out),
        run("import", "none", "--out", out),
        run("guidance", "quickstart", "--out", out, "--macs", 100, *bounds),
        run("baselines", "quickstart", "--out", out, "--arms", "ours"),
    ):
        assert isinstance(refused.exception, BadInputError)
        assert "--out" in refused.exception.mend
    assert {path.name for path in tmp_path.iterdir()} == {"file", study.name}


def test_a_board_that_does_not_exist_is_said_before_anything_else(tmp_path: Path) -> None:
    path = tmp_path / "small.toml"
    path.write_text(EXPERIMENT)
    refused = run("correlation", path, "--board", "nonsense")
    assert isinstance(refused.exception, BadInputError)
    assert refused.output == ""


def test_a_board_that_cannot_be_emulated_is_told_without_an_option_of_others(
    tmp_path: Path,
) -> None:
    path = tmp_path / "small.toml"
    path.write_text(EXPERIMENT)
    refused = run("correlation", path, "--board", "nucleo_h743zi")
    assert isinstance(refused.exception, InfrastructureError)
    assert "--latency" not in refused.exception.mend
    assert "munas boards list" in refused.exception.mend
