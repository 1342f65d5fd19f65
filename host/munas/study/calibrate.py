"""Calibrates a board: measures networks until their latency can be predicted well enough.

The networks come from a pool that is spread over the range of MACs. After each batch the predictor
is fitted anew and a further batch chosen where it is least sure (`munas.latency.predict.choice`),
which is converted while the next one is measured. It ends when the error on networks that the fit
had not seen is below the target at the upper end of its confidence interval. What was measured
stands in a ledger, with which a calibration goes on. Knows nothing of the command line.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from munas.arch import Architecture, Shape, sha256
from munas.boards.registry import find_board
from munas.errors import BadInputError
from munas.experiment import parse_study
from munas.latency.engine import RequestedEngine
from munas.latency.measure import Measurer
from munas.latency.predict import (
    Predictor,
    UnusableError,
    build_predictor,
    examples_of,
    keep,
    load,
    predictor_file,
)
from munas.latency.predict.build import LEAST
from munas.latency.predict.choice import extrapolating_share, next_batch
from munas.latency.predict.examples import Pair, example_of
from munas.latency.predict.features import features_of
from munas.pipeline.executor import Executor
from munas.pipeline.tasks import Answer, Progress, convert_task
from munas.search import Candidate
from munas.stats import TOO_FEW
from munas.store import Ledger
from munas.study.collect import Collector, OpenMeasurer, open_measurer
from munas.study.collect import Progress as Collected
from munas.study.points import points_of, series_of
from munas.study.sample import Drawn
from munas.study.setup import Series, architectures, converting_executor, open_ledger, plan
from munas.units import LatencySource

log = logging.getLogger(__name__)

POOL = 500
"""How many networks there are to choose from."""

# What one image of the engine aot holds, so that none is built half empty; tflm loads one by one.
_BATCH = {"aot": 32, "tflm": 8}
# Larger networks fill an image of the engine aot with few, and have no other loops.
_MOST_WEIGHTS_BYTES = 128 * 1024
# Of the networks not measured so many may lie outside what was measured when a calibration ends.
_MOST_EXTRAPOLATING = 0.05


@dataclass(frozen=True)
class Request:
    """What to calibrate, and how well; see `munas calibrate --help`."""

    board: str
    command: str
    engine: RequestedEngine = "auto"
    target_mape_percent: float = 5.0
    max_models: int = 100
    ledger: Path | None = None
    input: Shape = (28, 28, 1)
    classes: int = 10
    macs: tuple[int, int] = (30_000, 4_000_000)
    seed: int = 0
    workers: int | None = None


@dataclass(frozen=True)
class Calibration:
    """A predictor that was put in force.

    `sha256` is its file's; `reached` says whether it reached the target (null where none was set),
    `failed` how many networks could not be measured. `extrapolating` is the share of the networks
    not measured that lie outside what was, where it is too great; else 0.
    """

    predictor: Predictor
    path: Path
    sha256: str
    reached: bool | None
    failed: int
    extrapolating: float = 0.0


class Watcher(Protocol):
    """Is told how a calibration goes."""

    def began(self, series: Series, ledger: Path, measured: int) -> None: ...

    def fitted(self, predictor: Predictor, extrapolating: float) -> None: ...


def calibrate(
    request: Request,
    watcher: Watcher,
    *,
    executor: Executor | None = None,
    open_board: OpenMeasurer = open_measurer,
) -> Calibration:
    """Measure, fit, and put the predictor in force.

    Raises MunasErrors and lets a KeyboardInterrupt through; what was measured is kept then, and the
    same request goes on.
    """
    experiment = parse_study(_experiment(request), "munas calibrate")
    # The predictor's cycles are its board's; those who use it take them at their target's clock.
    series = replace(plan(experiment)[0], stands_for=None)
    pool = list(architectures(experiment))
    path = request.ledger or default_ledger(series)
    with ExitStack() as stack:
        ledger = stack.enter_context(open_ledger(path, experiment, request.command))
        used = executor or converting_executor(request.workers)
        stack.callback(used.close)
        watcher.began(series, path, len(ledger.measurements()))
        run = _Run(request, series, ledger, pool, _Ahead(used), watcher)
        reached = run.run(_held_open(stack, open_board))
        failed = len(points_of(ledger)[1])
        predictor = build_predictor(examples_of(_pairs(ledger, series.key)))
    return replace(_kept(predictor, reached, failed), extrapolating=run.too_far)


def fit_and_keep(path: Path, board: str | None = None, engine: str | None = None) -> Calibration:
    """As `fit_from_ledger`; the predictor is put in force."""
    return _kept(fit_from_ledger(path, board, engine), None, 0)


def _kept(predictor: Predictor, reached: bool | None, failed: int) -> Calibration:
    path = keep(predictor)
    return Calibration(predictor, path, load(path)[1], reached, failed)


def fit_from_ledger(path: Path, board: str | None = None, engine: str | None = None) -> Predictor:
    """A predictor from what a study, a search or a calibration measured operator by operator.

    Raises BadInputError where the ledger has nothing of the board and engine, or several and none
    is named; UnusableError where nothing of it is of use.
    """
    with Ledger.open(path) as ledger:
        keys = [
            key
            for key in series_of(points_of(ledger)[0])
            if board in (None, key.board) and engine in (None, key.engine)
        ]
        if len(keys) != 1:
            found = ", ".join(str(key) for key in keys) or "none of what is asked for"
            raise BadInputError(
                f"{path} has measurements of {found}.", "Name one with --board and --engine."
            )
        return build_predictor(examples_of(_pairs(ledger, keys[0])))


def default_ledger(series: Series) -> Path:
    """Where the measurements for a board's predictor are kept: beside it."""
    path = predictor_file(series.board, series.engine.name, LatencySource(series.source))
    return path.with_suffix(".ledger")


def _experiment(request: Request) -> dict[str, Any]:
    """The study whose ledger a calibration keeps."""
    if not LEAST <= request.max_models <= POOL or request.target_mape_percent <= 0:
        raise BadInputError(
            f"A calibration to {request.target_mape_percent:g} % with at most {request.max_models} "
            "models makes no sense.",
            f"Give a target above 0 % and {LEAST} to {POOL} models.",
        )
    board = find_board(request.board)
    study = {
        "count": POOL,
        "input": list(request.input),
        "classes": request.classes,
        "macs": list(request.macs),
        "seed": request.seed,
        "boards": [request.board],
        "engines": [] if request.engine == "auto" else [request.engine],
    }
    bounds = {
        # The model's slot, the input and the kernels' buffers need room beside it.
        "peak_memory_bytes": board.ram_bytes // 4,
        "model_size_bytes": min(board.flash_bytes // 3, _MOST_WEIGHTS_BYTES),
    }
    return {"name": "calibration", "study": study, "bounds": bounds}


@contextmanager
def _given(measurer: Measurer) -> Iterator[Measurer]:
    yield measurer


def _held_open(stack: ExitStack, open_board: OpenMeasurer) -> OpenMeasurer:
    """Opens the board at first and holds it until the end of `stack`."""
    held: list[Measurer] = []

    def opened(series: Series) -> AbstractContextManager[Measurer]:
        if not held:
            held.append(stack.enter_context(open_board(series)))
        return _given(held[0])

    return opened


class _Ahead:
    """An executor that may be asked beforehand: what is asked for again is under way already."""

    def __init__(self, executor: Executor) -> None:
        self.workers = executor.workers
        self._executor = executor
        self._coming: dict[str, Future[Answer]] = {}

    def prepare(self, task: dict[str, Any]) -> None:
        key = json.dumps(task, sort_keys=True)
        if key not in self._coming:
            self._coming[key] = self._executor.submit(task)

    def submit(
        self,
        task: dict[str, Any],
        blobs: dict[str, bytes] | None = None,
        progress: Progress | None = None,
    ) -> Future[Answer]:
        coming = self._coming.pop(json.dumps(task, sort_keys=True), None)
        return coming or self._executor.submit(task, blobs, progress)

    def close(self) -> None:
        self._executor.close()


class _Silent:
    def began(self, series: Sequence[Series], progress: Collected) -> None: ...

    def moved(self, progress: Collected) -> None: ...


class _Run:
    """One calibration. `_chosen` are numbers of the pool, as the ledger's candidates in order."""

    def __init__(
        self,
        request: Request,
        series: Series,
        ledger: Ledger,
        pool: Sequence[Drawn],
        executor: _Ahead,
        watcher: Watcher,
    ) -> None:
        self._request = request
        self._series = series
        self._ledger = ledger
        self._pool = pool
        self._features = [features_of(costs) for _, costs in pool]
        self._executor = executor
        self._watcher = watcher
        self.too_far = 0.0
        """The share of the pool that extrapolates, as of the last fit, where it is too great."""
        self._size = _BATCH[series.engine.name]
        number_of = {sha256(architecture): number for number, (architecture, _) in enumerate(pool)}
        self._chosen = [number_of[row.architecture_sha256] for row in ledger.candidates()]

    def run(self, open_board: OpenMeasurer) -> bool:
        """Measure until the target or the most models are reached; whether it was the target."""
        predictor = self._fit()
        if predictor is None or not self._chosen:
            self._chosen += self._next(None, max(self._size, LEAST) - len(self._chosen))
        while True:
            coming = self._next(predictor, self._size)
            self._measure(coming, open_board)
            predictor = self._fit()
            if predictor is not None and self._good_enough(predictor):
                return True
            if not coming:
                return False
            self._chosen += coming

    def _next(self, predictor: Predictor | None, size: int) -> list[int]:
        room = self._request.max_models - len(self._chosen)
        return next_batch(predictor, self._features, set(self._chosen), max(0, min(size, room)))

    def _measure(self, coming: Sequence[int], open_board: OpenMeasurer) -> None:
        """Measure what was chosen and convert what is `coming` meanwhile."""
        drawn = [self._pool[index] for index in self._chosen]
        measured = {row.candidate_id for row in self._ledger.measurements()}
        collector = Collector(self._ledger, [self._series], self._executor, _Silent(), open_board)
        for number, index in enumerate([*self._chosen, *coming], start=1):
            if number not in measured:
                architecture = self._pool[index][0]
                candidate = Candidate(number, architecture, sha256(architecture))
                self._executor.prepare(convert_task(candidate.architecture, candidate.candidate_id))
        collector.run(drawn)

    def _fit(self) -> Predictor | None:
        pairs = _pairs(self._ledger, self._series.key)
        if len(pairs) < LEAST:
            return None
        return build_predictor(examples_of(pairs), judged=False)

    def _good_enough(self, predictor: Predictor) -> bool:
        share = extrapolating_share(predictor, self._features, set(self._chosen))
        self._watcher.fitted(predictor, share)
        self.too_far = share if share > _MOST_EXTRAPOLATING else 0.0
        return (
            predictor.n >= TOO_FEW
            and predictor.accuracy.mape_high_percent <= self._request.target_mape_percent
            and not self.too_far
        )


def _pairs(ledger: Ledger, key: tuple[str, str]) -> list[Pair]:
    """The usable measurements of one board and engine.

    Raises UnusableError where there are measurements and none is of use.
    """
    found: list[Pair] = []
    refused: list[UnusableError] = []
    for point in points_of(ledger)[0]:
        if (point.board, point.engine) != key:
            continue
        pair = Architecture.from_dict(dict(point.architecture)), point.measurement
        try:
            example_of(*pair)
        except UnusableError as error:
            refused.append(error)
        else:
            found.append(pair)
    if refused and not found:
        raise refused[0]
    if refused:
        log.warning("%d measurements are left out: %s", len(refused), refused[0].what)
    return found
