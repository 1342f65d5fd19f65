"""Sets a study up: which architectures, on which boards with which engines, in which ledger."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from munas.arch import Shape
from munas.boards.registry import find_board
from munas.cost import Cost, Graph
from munas.errors import BadInputError
from munas.experiment import StudyExperiment, parse_study
from munas.latency.engine import EngineChoice, choose_engine
from munas.latency.measurement import StandIn
from munas.pipeline.executor import LocalExecutor
from munas.pipeline.session import default_workers
from munas.pipeline.sources import measured_choice
from munas.search.screen import excess, light_values, screened_values
from munas.store import EventRow, Ledger, RunInfo
from munas.study.sample import PAPER_LIMIT_BYTES, Drawn, paper, stratified


@dataclass(frozen=True)
class Series:
    """One board (a type) with one engine, why they were chosen, and what it stands for, if so."""

    board: str
    engine: EngineChoice
    source: str
    reason: str
    stands_for: StandIn | None = None

    @property
    def key(self) -> tuple[str, str]:
        return self.board, self.engine.name

    def __str__(self) -> str:
        """What is measured on and why, for the first line on screen."""
        return (
            f"{self.board} ({self.source}: {self.reason}), "
            f"engine {self.engine.name}: {self.engine.reason}"
        )


def plan(experiment: StudyExperiment) -> list[Series]:
    """Every board with every engine of the study, measured ones only.

    Raises InfrastructureError where a board can be neither reached nor emulated: MACs would be
    correlated with MACs. Raises BadInputError for boards and engines that do not exist.
    """
    if experiment.latency.source not in ("auto", "measured"):
        raise BadInputError(
            f"A study needs measured latencies, and latency.source is {experiment.latency.source}.",
            "Give auto or measured: MACs, or what was predicted, say nothing of the board.",
        )
    found: dict[tuple[str, str], Series] = {}
    for name in experiment.study.boards or (experiment.latency.board,):
        choice = measured_choice(name)
        board = find_board(choice.board)
        wanted = experiment.study.engines or (experiment.latency.engine or "auto",)
        for requested in wanted:
            engine = choose_engine(board, requested)
            series = Series(
                choice.board, engine, choice.source.value, choice.reason, choice.stands_for
            )
            if series.key in found:
                raise BadInputError(
                    f"The study names {choice.board} twice: {name} is measured on it too.",
                    "Name each board, or its emulated twin, once.",
                )
            found[series.key] = series
    return list(found.values())


def architectures(experiment: StudyExperiment) -> Iterator[Drawn]:
    """What the study measures, in order; a function of the experiment alone.

    Raises BadInputError where the bounds leave too few.
    """
    study, bounds = experiment.study, experiment.bounds.given()
    shape, classes = shape_of(experiment)
    space, sampling = experiment.space.name, experiment.space.sampling

    def fits(costs: Cost) -> bool:
        return excess(screened_values(costs), bounds) == 0

    def may_fit(graph: Graph) -> bool:
        return excess(light_values(graph), bounds) == 0

    if study.generation == "stratified":
        return stratified(
            shape,
            classes,
            count=study.count,
            seed=study.seed,
            macs=study.macs,
            space=space,
            sampling=sampling,
            fits=fits,
            may_fit=may_fit,
        )
    limits = (
        int(bounds.get("model_size_bytes", PAPER_LIMIT_BYTES)),
        int(bounds.get("peak_memory_bytes", PAPER_LIMIT_BYTES)),
    )
    return paper(
        shape,
        classes,
        count=study.count,
        seed=study.seed,
        space=space,
        sampling=sampling,
        limits=limits,
    )


def shape_of(experiment: StudyExperiment) -> tuple[Shape, int]:
    """Input shape and classes: the study's, else those of the data set (which is then loaded)."""
    shape, classes = experiment.study.input, experiment.study.classes
    if shape is None or classes is None:
        from munas.train import load

        assert experiment.data is not None  # the schema sees to it
        dataset = load(experiment.data)
        shape, classes = shape or dataset.input_shape, classes or dataset.classes
    return shape, classes


def converting_executor(workers: int | None) -> LocalExecutor:
    """Workers that convert, one a core unless said; random weights need no data set."""
    return LocalExecutor({"data": {"name": "digits"}}, workers or default_workers())


def describe(experiment: StudyExperiment, shape: Sequence[int], classes: int) -> str:
    """In words how the architectures, for inputs of `shape`, were chosen."""
    study = experiment.study
    bounds = ", ".join(f"{name} ≤ {value:,}" for name, value in experiment.bounds.given().items())
    within = f", within {bounds}" if bounds else ""
    how = (
        f"spread evenly over the logarithm of {study.macs[0]:,} to {study.macs[1]:,} MACs{within}"
        if study.generation == "stratified"
        else f"random ones, morphed until small enough as in the paper's experiment{within}"
    )
    return (
        f"{study.count:,} of the space {experiment.space.name} ({experiment.space.sampling} "
        f"sampling), for inputs of {'×'.join(map(str, shape))} and {classes} classes, seed "
        f"{study.seed}: {how}."
    )


def open_ledger(path: Path, experiment: StudyExperiment, command: str) -> Ledger:
    """The study's ledger: made where there is none, gone on with where it is this study's.

    Raises BadInputError for the ledger of something else.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        identity = {
            "kind": "study",
            "versions": {name: importlib.metadata.version(name) for name in ("munas", "numpy")},
        }
        run = RunInfo(
            name=experiment.name,
            experiment=experiment.as_dict(),
            identity=identity,
            command=command,
        )
        ledger = Ledger.create(path, run)
        ledger.hold()
        ledger.add_event(EventRow(kind="started"))
        return ledger
    ledger = Ledger.open(path)
    try:
        _require_same(ledger, experiment)
        ledger.hold()
    except BaseException:
        ledger.close()
        raise
    ledger.add_event(EventRow(kind="resumed"))
    return ledger


def _require_same(ledger: Ledger, experiment: StudyExperiment) -> None:
    if ledger.run.identity.get("kind") != "study":
        raise BadInputError(
            f"{ledger.path} is the ledger of a search, not of a study.", "Give another --ledger."
        )
    before = parse_study(dict(ledger.run.experiment), str(ledger.path)).as_dict()
    now = experiment.as_dict()
    # Boards and engines may be added; what is there stays what it is.
    for name in ("boards", "engines"):
        before["study"].pop(name), now["study"].pop(name)
    before.pop("latency"), now.pop("latency")
    changed = [name for name in now if before.get(name) != now[name]]
    if changed:
        raise BadInputError(
            f"The experiment is not the one that {ledger.path} began with: {', '.join(changed)} "
            "changed.",
            "Give the same experiment and settings, or another --ledger.",
        )
