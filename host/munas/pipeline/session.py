"""Sets a search up from an experiment or a ledger, runs it, and sums it up.

Everything that the command line does with a search goes through `start` and `resume`.
"""

from __future__ import annotations

import importlib.metadata
import logging
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from munas.arch import require_fit
from munas.boards.registry import find_board
from munas.errors import BadInputError, InfrastructureError
from munas.experiment import Experiment, parse_experiment
from munas.experiment.schema import OnBoardLoss
from munas.latency import Choice, LatencyProvider, MacProvider
from munas.pipeline.events import Observer, RunStart
from munas.pipeline.executor import Executor
from munas.pipeline.finalists import finalists_of
from munas.pipeline.place import HERE, OpenPlace, Place, opened
from munas.pipeline.progress import require_search
from munas.pipeline.revise import current_source
from munas.pipeline.run import NextSource, SearchRun
from munas.pipeline.setup import (
    check_bounds,
    refuse_latency_bound,
    require_reachable,
    screen_of,
    search_of,
    teacher_sha256_of,
    with_absolute_teacher,
)
from munas.pipeline.sources import EngineName, mac_model_of, provider_for
from munas.pipeline.versions import versions
from munas.search import require_algorithm
from munas.store import EventRow, Ledger, RunInfo
from munas.units import LatencySource

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Limits:
    """How far one call goes; a resumed run may go further."""

    max_candidates: int | None = None


def default_workers() -> int:
    """One worker a core that this process may use."""
    return max(1, len(os.sched_getaffinity(0)))


def start(
    experiment: Experiment,
    path: Path,
    observer: Observer,
    command: str,
    limits: Limits,
    place: Place = HERE,
) -> dict[str, Any]:
    """Run a new search whose ledger is made at `path`; the summary of interfaces.

    Raises MunasErrors; a KeyboardInterrupt passes through after the workers are gone, and the
    ledger can then be resumed.
    """
    check_bounds(experiment)
    require_algorithm(experiment.search.algorithm)
    workers = experiment.search.workers or default_workers()
    experiment = with_absolute_teacher(experiment)
    with opened(place, workers) as at:
        return _start(experiment, path, observer, command, limits, workers, at)


def _start(
    experiment: Experiment,
    path: Path,
    observer: Observer,
    command: str,
    limits: Limits,
    workers: int,
    at: OpenPlace,
) -> dict[str, Any]:
    from munas.train import load

    dataset = load(experiment.data)
    teacher_sha256 = teacher_sha256_of(experiment, dataset)
    require_fit(experiment.space.name, dataset.input_shape)
    lag = experiment.search.lag or 2 * workers
    provider, choice = provider_for(experiment, elsewhere=at.boards)
    if isinstance(provider, MacProvider) and provider.model is None:
        refuse_latency_bound(experiment, choice)
    estimate = mac_model_of(find_board(experiment.latency.board))
    identity = {
        "seed": experiment.search.seed,
        "workers": workers,
        "lag": lag,
        "executor": at.executor,
        "latency_source": choice.source.value,
        "latency_reason": choice.reason,
        "board": choice.board,
        "target": experiment.latency.board,
        "engine": provider.engine,
        "predictor_sha256": provider.predictor_sha256,
        "mac_model": estimate and asdict(estimate),
        "dataset": dataset.name,
        "dataset_sha256": dataset.sha256,
        "dataset_origin": dataset.origin,
        "teacher_sha256": teacher_sha256,
        "input": list(dataset.input_shape),
        "classes": dataset.classes,
        "versions": _versions(experiment),
    }
    require_reachable(experiment, identity, provider)
    path.parent.mkdir(parents=True, exist_ok=True)
    run = RunInfo(
        name=experiment.name, experiment=experiment.as_dict(), identity=identity, command=command
    )
    with Ledger.create(path, run) as ledger:
        ledger.hold()
        ledger.add_event(EventRow(kind="started"))
        notices = (dataset.notice,) if dataset.notice else ()
        latencies = _Latencies(provider, choice)
        return _go(ledger, experiment, latencies, observer, limits, notices, at)


def _versions(experiment: Experiment) -> dict[str, str]:
    """Of what the history and the results follow from."""
    more = ("optuna",) if experiment.search.algorithm in ("nsga2", "tpe") else ()
    return versions(*more)


def new_ledger_path(name: str) -> Path:
    """A ledger's path in the folder `runs` that nothing has yet: name and time."""
    stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
    path = Path("runs") / f"{name}-{stamp}.ledger"
    number = 1
    while path.exists():
        number += 1
        path = Path("runs") / f"{name}-{stamp}-{number}.ledger"
    return path


def resume(
    path: Path,
    observer: Observer,
    limits: Limits,
    on_board_loss: OnBoardLoss | None = None,
    place: Place = HERE,
) -> dict[str, Any]:
    """Go on with the search of a ledger; done when it is done already.

    `on_board_loss` takes the place of what the experiment says. `place` need not be the one that
    the search began at.
    """
    with Ledger.open(path) as ledger:
        require_search(ledger)
        ledger.hold()
        experiment = parse_experiment(dict(ledger.run.experiment), str(path))
        identity = ledger.run.identity
        require_one_clock(identity, experiment, path)
        changed = [
            f"{name} {then} → {importlib.metadata.version(name)}"
            for name, then in identity["versions"].items()
            if importlib.metadata.version(name) != then
        ]
        notices = (
            (f"Versions changed since the run began ({', '.join(changed)}).",) if changed else ()
        )
        if on_board_loss is not None:
            latency = experiment.latency.model_copy(update={"on_board_loss": on_board_loss})
            experiment = experiment.model_copy(update={"latency": latency})
        with opened(place, identity["workers"]) as at:
            latencies = _latencies_again(ledger, experiment, at)
            ledger.add_event(EventRow(kind="resumed", detail={"executor": at.executor}))
            return _go(ledger, experiment, latencies, observer, limits, notices, at)


def require_one_clock(identity: Mapping[str, Any], experiment: Experiment, path: Path) -> None:
    """Refuse to go on with latencies at the clock of an emulated board that stood for another.

    Runs that know their `target` took its clock; what began before has its twin's. Raises
    BadInputError.
    """
    ran = identity.get("board")
    if "target" in identity or identity.get("latency_source") != "emulated" or ran is None:
        return
    target, twin = find_board(experiment.latency.board), find_board(ran)
    if target.clock_hz != twin.clock_hz:
        raise BadInputError(
            f"The latencies of {path} are {twin.name}'s, at {twin.clock_hz / 1e6:g} MHz; those of "
            f"{target.name} would now be taken at its {target.clock_hz / 1e6:g} MHz.",
            "They cannot be ranked together: begin a new search.",
        )


@dataclass(frozen=True)
class _Latencies:
    """A run's provider; `lost` says why it is not the one that the run had before."""

    provider: LatencyProvider
    choice: Choice
    lost: str | None = None


def _next_source(experiment: Experiment, engine: EngineName | None, at: OpenPlace) -> NextSource:
    """What takes the place of a lost source, where the experiment says so and there is one."""

    def following(lost: LatencySource) -> tuple[LatencyProvider, Choice] | None:
        if experiment.latency.on_board_loss == "pause":
            return None
        try:
            provider, choice = provider_for(
                experiment, engine=engine, after=lost, elsewhere=at.boards
            )
            if isinstance(provider, MacProvider) and provider.model is None:
                refuse_latency_bound(experiment, choice)
        except (InfrastructureError, BadInputError) as error:
            log.warning("No source takes the place of %s: %s", lost, error.what)
            return None
        return provider, choice

    return following


def _latencies_again(ledger: Ledger, experiment: Experiment, at: OpenPlace) -> _Latencies:
    """The source that the run has, or the next one where it is gone and may be replaced."""
    now = current_source(ledger)
    engine = ledger.run.identity["engine"]
    try:
        provider, choice = provider_for(
            experiment,
            source=now.source,
            engine=engine,
            predictor=now.predictor_sha256,
            elsewhere=at.boards,
        )
        if choice.source is LatencySource.MAC:  # what was not at hand then may be now
            choice = replace(choice, reason=now.reason)
        return _Latencies(provider, choice)
    except InfrastructureError as lost:
        following = _next_source(experiment, engine, at)(now.source)
        if following is None:
            if experiment.latency.on_board_loss == "pause":
                lost.mend += (
                    "\nOr have all candidates scored by what is at hand: munas resume "
                    f"{ledger.path} --on-board-loss rescore"
                )
            raise
        return _Latencies(*following, lost=lost.what)


def _go(
    ledger: Ledger,
    experiment: Experiment,
    latencies: _Latencies,
    observer: Observer,
    limits: Limits,
    notices: tuple[str, ...],
    at: OpenPlace,
) -> dict[str, Any]:
    identity = ledger.run.identity
    search = search_of(experiment, identity)
    observer.started(
        RunStart(
            name=experiment.name,
            ledger=str(ledger.path),
            dataset=identity["dataset_origin"],
            rounds=min(search.settings.rounds, limits.max_candidates or search.settings.rounds),
            done=len({row.candidate_id for row in ledger.results()}),
            workers=identity["workers"],
            lag=identity["lag"],
            bounds=experiment.bounds.given(),
            latency_source=latencies.choice.source.value,
            latency_reason=latencies.choice.reason,
            mac_model=identity.get("mac_model"),
            notices=notices,
        )
    )
    executor = _executor(experiment, identity, at)
    run = None
    try:
        run = SearchRun(
            ledger,
            experiment,
            search,
            executor,
            latencies.provider,
            observer,
            screen_for=screen_of(experiment),
            max_candidates=limits.max_candidates,
            next_source=_next_source(experiment, identity["engine"], at),
            lost=latencies.lost,
            reason=latencies.choice.reason,
        )
        run.run()
    except KeyboardInterrupt:
        ledger.add_event(EventRow(kind="interrupted"))
        raise
    finally:
        executor.close()
        (run.provider if run else latencies.provider).close()
    found = summary(ledger, run.times.wall_s, run.times.overhead_s)
    return found | {"executor": at.executor}


def _executor(experiment: Experiment, identity: Any, at: OpenPlace) -> Executor:
    named = experiment.data.model_copy(update={"name": identity["dataset"], "fallback": None})
    settings = {
        "data": named.model_dump(mode="json"),
        "dataset_sha256": identity["dataset_sha256"],
    }
    return at.start(settings, identity["workers"])


def summary(ledger: Ledger, wall_s: float, overhead_s: float) -> dict[str, Any]:
    """The JSON summary of a search: times by stage add up over all workers."""
    stages: dict[str, float] = {}
    for row in ledger.results():
        for stage, seconds in row.stage_s.items():
            stages[stage] = stages.get(stage, 0.0) + seconds
    stages["overhead"] = overhead_s
    return {
        "ledger": str(ledger.path),
        "candidates": len({row.candidate_id for row in ledger.results()}),
        "front": ledger.front(),
        "finalists": [finalist.as_dict() for finalist in finalists_of(ledger.finals())],
        "wall_s": round(wall_s, 3),
        "time_by_stage_s": {stage: round(seconds, 3) for stage, seconds in stages.items()},
    }
