"""What searches reach for what they spend: hypervolume over candidates and over training cost.

Objectives are the error and every bounded resource, each over its bound; the hypervolume is the
share of the unit box (all that is within the bounds) that the candidates so far dominate. Training
cost is counted in epochs, which do not depend on the machine, and in seconds of the workers. Pure:
from rows to results.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp, inf, log
from typing import Any

from munas.pipeline.revise import current_source
from munas.stats.hypervolume import hypervolume
from munas.store import Ledger
from munas.study.baselines import Run, epochs_of
from munas.units import require_one_source

COLUMNS = (
    "arm", "seed", "candidate_id", "status", "epochs", "train_s", "hypervolume", "objectives",
)  # fmt: skip


@dataclass(frozen=True)
class Step:
    """A run after one of its results: in the order of asking, with rungs in that of finishing.

    `epochs` and `train_s` are those of all trainings so far; `objectives` is the candidate's
    vector over the bounds (infinite where it is not known).
    """

    candidate_id: int
    status: str
    epochs: int
    train_s: float
    hypervolume: float
    objectives: tuple[float, ...]


@dataclass(frozen=True)
class Course:
    """One run as steps."""

    arm: str
    seed: int
    source: str
    steps: tuple[Step, ...]

    @property
    def last(self) -> Step:
        """The run's end; of an empty one nothing was spent and nothing reached."""
        return self.steps[-1] if self.steps else Step(0, "ok", 0, 0.0, 0.0, ())


def course_of(run: Run, epochs: int | None = None) -> Course:
    """The course of a run, as far as `epochs` epochs of training in all go (null: to its end)."""
    with Ledger.open(run.ledger) as ledger:
        table, results = ledger.table(), ledger.results()
        source = current_source(ledger).source.value
    trained = epochs_of(results)
    costs = {
        (row.candidate_id, row.rung): (
            trained[row.candidate_id, row.rung],
            float(row.stage_s.get("train", 0.0)),
        )
        for row in results
    }
    if len(run.experiment.rungs) > 1:
        table = sorted(table, key=lambda row: row["created_at"])
    bounds = run.experiment.bounds.given()
    return Course(run.arm, run.seed, source, _steps(table, costs, bounds, epochs))


def _steps(
    rows: Sequence[Mapping[str, Any]],
    costs: Mapping[tuple[int, int], tuple[int, float]],
    bounds: Mapping[str, float],
    most: int | None,
) -> tuple[Step, ...]:
    steps: list[Step] = []
    front: list[tuple[float, ...]] = []
    epochs, train_s, reached = 0, 0.0, 0.0
    for row in rows:
        trained, seconds = costs[row["candidate_id"], row["rung"]]
        epochs, train_s = epochs + trained, train_s + seconds
        if most is not None and epochs > most:
            break
        point = _objectives(row, bounds)
        if row["feasible"] and not any(_covers(other, point) for other in front):
            front = [other for other in front if not _covers(point, other)] + [point]
            reached = hypervolume(front, (1.0,) * len(point))
        steps.append(Step(row["candidate_id"], row["status"], epochs, train_s, reached, point))
    return tuple(steps)


def _objectives(row: Mapping[str, Any], bounds: Mapping[str, float]) -> tuple[float, ...]:
    accuracy = row["val_accuracy_int8"]
    known = {**row, "error": None if accuracy is None else 1 - accuracy}
    return tuple(
        inf if known[name] is None else known[name] / bound for name, bound in bounds.items()
    )


def _covers(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return all(a <= b for a, b in zip(one, other, strict=True))


def first_to(course: Course, level: float) -> Step | None:
    """The step at which a run's hypervolume first is at least `level`; null where it never is."""
    return next((step for step in course.steps if step.hypervolume >= level), None)


def summary(courses: Sequence[Course], bounds: Mapping[str, float]) -> dict[str, Any]:
    """The results as plain JSON values.

    `to_reach_paper` says, for each seed, at what cost an arm first has the hypervolume that `paper`
    has at its end, and `cheaper_…` how many times its epochs (or seconds) `paper` itself took to
    get there: above one, the arm is cheaper. The mean over seeds is geometric, over the seeds that
    reached it. Null without the arm `paper`, or where it found nothing within the bounds. Raises
    BadInputError where latency is bounded and the runs have it from different sources.
    """
    if "latency_us" in bounds:
        require_one_source({course.source for course in courses}, "Latencies of these runs")
    arms = list(dict.fromkeys(course.arm for course in courses))
    return {
        "bounds": dict(bounds),
        "arms": arms,
        "seeds": sorted({course.seed for course in courses}),
        "source": sorted({course.source for course in courses}),
        "final": {arm: _final([c for c in courses if c.arm == arm]) for arm in arms},
        "to_reach_paper": _to_reach(courses, arms) if "paper" in arms else None,
    }


def _final(courses: Sequence[Course]) -> dict[str, Any]:
    ends = [course.last.hypervolume for course in courses]
    return {
        "hypervolume": {
            "mean": sum(ends) / len(ends),
            "lowest": min(ends),
            "highest": max(ends),
        },
        "by_seed": {
            str(course.seed): {
                "candidates": len(course.steps),
                "epochs": course.last.epochs,
                "train_s": round(course.last.train_s, 3),
                "hypervolume": course.last.hypervolume,
            }
            for course in courses
        },
    }


def _to_reach(courses: Sequence[Course], arms: Sequence[str]) -> dict[str, Any]:
    papers = {course.seed: course for course in courses if course.arm == "paper"}
    found: dict[str, Any] = {}
    for arm in arms:
        by_seed: dict[str, Any] = {}
        for course in courses:
            if course.arm == arm and course.seed in papers:
                by_seed[str(course.seed)] = _against(course, papers[course.seed])
        reached = [each for each in by_seed.values() if each is not None]
        found[arm] = {
            "by_seed": by_seed,
            "reached": len(reached),
            "of": sum(paper.last.hypervolume > 0 for paper in papers.values()),
            "cheaper_epochs": _geometric_mean([each["cheaper_epochs"] for each in reached]),
            "cheaper_train_s": _geometric_mean([each["cheaper_train_s"] for each in reached]),
        }
    return found


def _against(course: Course, paper: Course) -> dict[str, Any] | None:
    """What a run spent until it was where the paper's ended; null where it never was."""
    level = paper.last.hypervolume
    own, other = first_to(paper, level), first_to(course, level)
    if level <= 0 or own is None or other is None:
        return None
    return {
        "candidates": other.candidate_id,
        "epochs": other.epochs,
        "train_s": round(other.train_s, 3),
        "cheaper_epochs": own.epochs / other.epochs if other.epochs else None,
        "cheaper_train_s": own.train_s / other.train_s if other.train_s else None,
    }


def _geometric_mean(ratios: Sequence[float | None]) -> float | None:
    known = [log(ratio) for ratio in ratios if ratio]
    return exp(sum(known) / len(known)) if known else None


def verdict(found: Mapping[str, Any]) -> str:
    """One sentence from a `summary`."""
    seeds = len(found["seeds"])
    over = f"Over {seeds} seed{'s' * (seeds != 1)}"
    reached = found["to_reach_paper"]
    if reached is not None and "ours" in reached:
        ours = reached["ours"]
        if not ours["of"]:
            return f"{over}, paper found nothing within the bounds; there is nothing to reach."
        share = f"{ours['reached']} of {ours['of']}"
        if ours["cheaper_epochs"] is None:
            return f"{over}, ours reached what paper reaches at its end in {share}."
        return (
            f"{over}, ours reached what paper reaches at its end in {share}; to get there, paper "
            f"itself took {ours['cheaper_epochs']:.2f} times the epochs of training."
        )
    ends = {arm: end["hypervolume"]["mean"] for arm, end in found["final"].items()}
    best = max(ends, key=lambda arm: ends[arm])
    return f"{over}, {best} dominates most of what is within the bounds: {ends[best]:.1%} of it."
