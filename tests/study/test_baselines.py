"""Searches under one budget: what an arm changes, hypervolume over cost, what reaches what."""

from __future__ import annotations

import json
from math import inf
from pathlib import Path
from typing import Any

import pytest

from munas.errors import BadInputError, MissingExtraError
from munas.experiment import Experiment, parse_experiment
from munas.pipeline.events import Silent
from munas.pipeline.session import Limits
from munas.store import CandidateRow, EventRow, Ledger, ResultRow, RunInfo
from munas.study import baselines
from munas.study.baselines import Run, arms_of, carry_out, require_same, runs
from munas.study.baselines_page import write
from munas.study.budgets import Course, Step, course_of, first_to, summary, verdict

TABLE: dict[str, Any] = {
    "name": "tiny",
    "data": {"name": "digits"},
    "bounds": {"error": 0.5, "macs": 1000},
    "search": {"population": 3, "sample": 2, "rounds": 6},
    "train": {"epochs": 4},
    "latency": {"source": "mac", "measure": "undecided"},
}


def experiment(**sections: dict[str, Any]) -> Experiment:
    return parse_experiment({**TABLE, **sections}, "test")


# Error and MACs of the candidates; what has no error was not trained.
CANDIDATES = [(0.4, 500), (None, 2000), (0.25, 900), (0.45, 600), (0.1, 2000), (0.25, 250)]


def fill(path: Path, run: Run, count: int) -> None:
    """Make or continue a ledger up to `count` candidates, as a search does."""
    identity = {"latency_source": "mac", "board": None, "engine": None, "latency_reason": "asked"}
    info = RunInfo(name="t", experiment=run.experiment.as_dict(), identity=identity, command="c")
    ledger = Ledger.open(path) if path.exists() else Ledger.create(path, info)
    with ledger:
        for number in range(len(ledger.results()) + 1, count + 1):
            error, macs = CANDIDATES[number - 1]
            ledger.add_candidate(
                CandidateRow(
                    candidate_id=number, architecture={}, architecture_sha256=f"{number:064d}",
                    macs=macs, peak_memory_bytes=1, model_size_bytes=1,
                )
            )  # fmt: skip
            trained = error is not None
            ledger.add_result(
                ResultRow(
                    candidate_id=number, status="ok" if trained else "infeasible",
                    epochs=4 if trained else None,
                    val_accuracy_int8=1 - error if error is not None else None,
                    stage_s={"train": 2.5} if trained else {},
                )
            )  # fmt: skip
        ledger.add_event(EventRow(kind="finished"))


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return runs(experiment(), ["ours"], [0], tmp_path)[0]


def test_arms_differ_in_their_overrides_alone(tmp_path: Path) -> None:
    planned = runs(experiment(), ["random", "paper", "ours"], [0, 7], tmp_path)
    assert [(one.arm, one.seed) for one in planned] == [
        ("random", 0), ("paper", 0), ("ours", 0), ("random", 7), ("paper", 7), ("ours", 7),
    ]  # fmt: skip
    by_arm = {one.arm: one.experiment for one in planned[3:]}
    assert by_arm["random"].search.algorithm == "random"
    paper = by_arm["paper"]
    assert (paper.space.sampling, paper.objective.kind) == ("paper", "chebyshev")
    assert by_arm["ours"].objective.kind == "feasible-first"
    for one in by_arm.values():
        assert (one.search.seed, one.latency.measure) == (7, "all")
        assert (one.data, one.train, one.bounds) == (paper.data, paper.train, paper.bounds)
    assert len({one.ledger for one in planned}) == 6


def test_what_cannot_be_compared_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert arms_of("ours, random,ours") == ["random", "ours"]
    for text, said in (("ours,best", "'best'"), (" ,", "No arm")):
        with pytest.raises(BadInputError, match=said):
            arms_of(text)
    with pytest.raises(BadInputError, match="bound the error and a resource"):
        runs(experiment(bounds={"macs": 10}), ["ours"], [0], tmp_path)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match="nsga2"):
        runs(experiment(), ["ours", "nsga2"], [0], tmp_path)


def test_a_folder_of_another_experiment_is_refused(run: Run, tmp_path: Path) -> None:
    require_same([run])
    fill(run.ledger, run, 2)
    require_same([run])
    other = runs(experiment(train={"epochs": 5}), ["ours"], [0], tmp_path)
    with pytest.raises(BadInputError, match="another experiment"):
        require_same(other)


def test_the_course_of_a_run(run: Run) -> None:
    fill(run.ledger, run, 6)
    course = course_of(run)
    assert course.source == "mac"
    assert [step.epochs for step in course.steps] == [4, 4, 8, 12, 16, 20]
    assert [step.train_s for step in course.steps] == [2.5, 2.5, 5.0, 7.5, 10.0, 12.5]
    assert course.steps[1].objectives == (inf, 2.0)
    # (0.8, 0.5); then (0.5, 0.9) beside it; (0.9, 0.6) is dominated; (0.2, 2) is outside a bound;
    # (0.5, 0.25) dominates all.
    volumes = [0.1, 0.1, 0.1 + 0.5 * 0.1 - 0.2 * 0.1, 0.13, 0.13, 0.375]
    assert [step.hypervolume for step in course.steps] == pytest.approx(volumes)
    assert [step.candidate_id for step in course_of(run, 12).steps] == [1, 2, 3, 4]
    assert course_of(run, 3).last.hypervolume == 0


def course(arm: str, seed: int, *ends: tuple[int, float]) -> Course:
    """From (epochs, hypervolume) after each candidate; a second an epoch."""
    steps = [
        Step(number, "ok", epochs, float(epochs), volume, (0.5, 0.5))
        for number, (epochs, volume) in enumerate(ends, 1)
    ]
    return Course(arm, seed, "mac", tuple(steps))


COURSES = [
    course("paper", 0, (10, 0.1), (20, 0.3), (30, 0.3)),
    course("paper", 1, (10, 0.0), (20, 0.0), (30, 0.2)),
    course("paper", 2, (10, 0.0), (20, 0.0), (30, 0.0)),
    course("ours", 0, (5, 0.0), (5, 0.3), (10, 0.4)),
    course("ours", 1, (10, 0.1), (15, 0.1), (15, 0.1)),
    course("ours", 2, (10, 0.4)),
]


def test_what_an_arm_spends_to_reach_the_papers_end() -> None:
    found = summary(COURSES, {"error": 0.5, "macs": 1000})
    ours = found["to_reach_paper"]["ours"]
    # The paper was there after 20 epochs, not 30; its third seed found nothing to reach.
    assert ours["by_seed"]["0"] == {
        "candidates": 2, "epochs": 5, "train_s": 5.0, "cheaper_epochs": 4, "cheaper_train_s": 4,
    }  # fmt: skip
    assert ours["by_seed"]["1"] is None and ours["by_seed"]["2"] is None
    assert (ours["reached"], ours["of"], ours["cheaper_epochs"]) == (1, 2, pytest.approx(4))
    paper = found["to_reach_paper"]["paper"]
    assert (paper["reached"], paper["cheaper_epochs"]) == (2, pytest.approx(1))
    final = found["final"]["ours"]["hypervolume"]
    assert (final["lowest"], final["highest"]) == (0.1, 0.4)
    assert "1 of 2" in verdict(found) and "4.00 times the epochs" in verdict(found)
    assert first_to(COURSES[4], 0.11) is None


def test_verdicts_without_anything_to_reach() -> None:
    bounds = {"error": 0.5, "macs": 1000}
    assert "found nothing" in verdict(summary([COURSES[2], COURSES[5]], bounds))
    alone = summary([COURSES[3]], bounds)
    assert alone["to_reach_paper"] is None and "ours dominates" in verdict(alone)


def test_latencies_of_two_sources_are_not_compared() -> None:
    emulated = Course("ours", 0, "emulated", COURSES[3].steps)
    assert summary([COURSES[0], emulated], {"error": 0.5, "macs": 9})["source"] == [
        "emulated", "mac",
    ]  # fmt: skip
    with pytest.raises(BadInputError, match="Latencies"):
        summary([COURSES[0], emulated], {"error": 0.5, "latency_us": 9})


def test_the_page_and_its_files(tmp_path: Path) -> None:
    found = summary(COURSES, {"error": 0.5, "macs": 1000})
    text = write(tmp_path, COURSES, found, "Title <b>", "munas study baselines …").read_text()
    assert "Title &lt;b&gt;" in text and "4.00 times the epochs" in text
    assert json.loads((tmp_path / "summary.json").read_text())["seeds"] == [0, 1, 2]
    lines = (tmp_path / "curves.csv").read_text().splitlines()
    assert len(lines) == 1 + sum(len(one.steps) for one in COURSES)
    assert lines[1] == "paper,0,1,ok,10,10.0,0.1,0.5 0.5"


@pytest.mark.parametrize(
    ("epochs", "calls", "done"),
    [(None, [6], 6), (12, [2, 4], 4), (13, [2, 4, 6], 6), (100, [2, 4, 6], 6)],
)
def test_a_run_ends_with_its_rounds_or_its_budget(
    run: Run, monkeypatch: pytest.MonkeyPatch, epochs: int | None, calls: list[int], done: int
) -> None:
    limits: list[int] = []

    def begin(_: Experiment, path: Path, __: object, ___: str, limit: Limits) -> None:
        go_on(path, __, limit)

    def go_on(path: Path, _: object, limit: Limits) -> None:
        assert limit.max_candidates is not None
        limits.append(limit.max_candidates)
        fill(path, run, limit.max_candidates)

    monkeypatch.setattr(baselines, "STRIDE", 2)
    monkeypatch.setattr(baselines, "start", begin)
    monkeypatch.setattr(baselines, "resume", go_on)
    carry_out(run, Silent(), "c", epochs)
    with Ledger.open(run.ledger) as ledger:
        assert (limits, len(ledger.results())) == (calls, done)
    carry_out(run, Silent(), "c", epochs)
    assert limits == calls, "what is done is not done again"


def test_an_interrupted_run_goes_on(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(run.ledger, run, 3)
    with Ledger.open(run.ledger) as ledger:
        ledger.add_event(EventRow(kind="interrupted"))
    monkeypatch.setattr(
        baselines, "resume", lambda path, _, limit: fill(path, run, limit.max_candidates)
    )
    carry_out(run, Silent(), "c")
    assert len(course_of(run).steps) == 6
