"""A whole study: measure, analyse, write the page, the tables and the data set."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from munas.errors import BadInputError
from munas.experiment import StudyExperiment, parse_study
from munas.store import Ledger
from munas.store.output import require_folder
from munas.store.rows import utc_now
from munas.study.analysis import StudyResult, analyse
from munas.study.checks import LEAST_POINTS
from munas.study.collect import Collector, Watcher, time_by_stage
from munas.study.dataset import DatasetMeta, read_dataset, write_dataset
from munas.study.page import write_page
from munas.study.points import points_of
from munas.study.setup import architectures, converting_executor, describe, open_ledger, plan
from munas.study.tables import write_tables

PAGE = "index.html"
DATASET = "dataset"
_COURSE = ("started", "resumed", "finished")


@dataclass(frozen=True)
class Request:
    """What to study, where to keep it, and how it was asked for (`command`, for the record)."""

    experiment: StudyExperiment
    ledger: Path
    out: Path
    command: str
    workers: int | None = None


@dataclass(frozen=True)
class Finished:
    """The results and where they were written.

    `stage_s` are seconds by stage over all calls, conversions added up over workers, and `wall_s`
    those that went by.
    """

    result: StudyResult
    out: Path
    page: Path
    stage_s: Mapping[str, float] = field(default_factory=dict)
    wall_s: float = 0.0


def run_study(request: Request, watcher: Watcher) -> Finished:
    """Run a study, or go on with it. Raises MunasErrors; the ledger can then be gone on with."""
    experiment = request.experiment
    if experiment.study.count < LEAST_POINTS:
        raise BadInputError(
            f"A study of {experiment.study.count} architectures says nothing: it needs at least "
            f"{LEAST_POINTS}, and fewer than 30 are too few to lean on.",
            "Raise --count, or study.count.",
        )
    series = plan(experiment)
    require_folder(request.out)
    drawn = list(architectures(experiment))
    with open_ledger(request.ledger, experiment, request.command) as ledger:
        executor = converting_executor(request.workers)
        try:
            Collector(ledger, series, executor, watcher).run(drawn)
        finally:
            executor.close()
        wanted = {one.key for one in series}
        return _conclude(ledger, request.out, wanted, request.command)


def analyse_ledger(path: Path, out: Path) -> Finished:
    """Analyse what a ledger holds by now, of a study or of a search.

    Raises BadInputError where it holds too little, or what may not be looked at together.
    """
    require_folder(out)
    with Ledger.open(path) as ledger:
        return _conclude(ledger, out, None, ledger.run.command)


def _sampling(ledger: Ledger, architecture: Mapping[str, Any]) -> str:
    """In words how the ledger's architectures were chosen, of which one is given."""
    run = ledger.run
    if run.identity.get("kind") != "study":
        return f"those that the search {run.name} asked for, which are not independent."
    experiment = parse_study(dict(run.experiment), str(ledger.path))
    told = describe(experiment, architecture["input"], architecture["classes"])
    course = [event.kind for event in ledger.events() if event.kind in _COURSE]
    return told if course[-1] == "finished" else told + " Not all were measured yet."


def _conclude(
    ledger: Ledger, out: Path, wanted: set[tuple[str, str]] | None, command: str
) -> Finished:
    """Analyse a ledger's series (all, unless some are `wanted`), and write all files of it."""
    points, failures = points_of(ledger)
    if wanted is not None:
        points = [point for point in points if point.key in wanted]
        failures = [each for each in failures if (each.board, each.engine) in wanted]
    if not points:
        raise BadInputError(
            f"{ledger.path} holds no measurement that succeeded.",
            "Measure first: munas study correlation, or a search with measured latency.",
        )
    result = analyse(points, failures)
    sampling = _sampling(ledger, points[0].architecture)
    stage_s = time_by_stage(ledger)
    wall_s = stage_s.pop("wall", 0.0)
    title = f"MACs and latency: {ledger.run.name}"
    out.mkdir(parents=True, exist_ok=True)
    write_tables(out, points)
    write_dataset(
        out / DATASET,
        points,
        DatasetMeta(
            title=title,
            description=sampling,
            command=command,
            created_at=utc_now(),
            munas_version=importlib.metadata.version("munas"),
        ),
    )
    page = out / PAGE
    write_page(page, result, title=title, command=command, stage_s=stage_s, sampling=sampling)
    return Finished(result, out, page, stage_s, wall_s)


def import_study(folder: Path, out: Path) -> Finished:
    """Check another's data set and analyse it. Raises BadInputError where it is not whole."""
    require_folder(out)
    result = analyse(read_dataset(folder).points)
    out.mkdir(parents=True, exist_ok=True)
    write_tables(out, [point for series in result.series for point in series.points])
    write_page(out / PAGE, result, title=f"MACs and latency: {folder.resolve().name}, imported")
    return Finished(result, out, out / PAGE)
