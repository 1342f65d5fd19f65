"""The points of a correlation study: one architecture measured on one board with one engine.

Reads them from a ledger, of a study or of a search. Must not know how a board is reached, nor what
is made of the points.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from munas.arch import Architecture
from munas.cost import cost
from munas.store import CandidateRow, Ledger, MeasurementRow, ResultRow


class SeriesKey(NamedTuple):
    """What a series of points has in common: a board (a type) and an engine."""

    board: str
    engine: str

    def __str__(self) -> str:
        return f"{self.board} with {self.engine}"


@dataclass(frozen=True, kw_only=True)
class Point:
    """One architecture measured on one board with one engine.

    `architecture` is the JSON form of an architecture, `macs`, `model_size_bytes` and peak memory
    are those of its operator graph (`deployed`); `peak_memory_bytes` leaves the input buffer out.
    `measurement` is a measurement object without error. `tflite_bytes` is null where nothing tells.
    """

    architecture: Mapping[str, Any]
    architecture_sha256: str
    macs: int
    peak_memory_bytes: int
    peak_memory_with_input_bytes: int
    model_size_bytes: int
    tflite_bytes: int | None = None
    measurement: Mapping[str, Any]

    @property
    def key(self) -> SeriesKey:
        return SeriesKey(self.board, self.engine)

    @property
    def board(self) -> str:
        return str(self.measurement["board"])

    @property
    def engine(self) -> str:
        return str(self.measurement["engine"])

    @property
    def unit(self) -> str | None:
        return self._text("unit")

    @property
    def stands_for(self) -> str | None:
        return self._text("stands_for")

    @property
    def source(self) -> str:
        return str(self.measurement["source"])

    @property
    def model_sha256(self) -> str:
        return str(self.measurement["model_sha256"])

    @property
    def clock_hz(self) -> int:
        return int(self.measurement["clock_hz"])

    @property
    def cycles(self) -> int:
        return int(self.measurement["cycles"])

    @property
    def latency_us(self) -> int:
        return int(self.measurement["latency_us"])

    @property
    def arena_used_bytes(self) -> int | None:
        found = self.measurement.get("arena_used_bytes")
        return None if found is None else int(found)

    @property
    def model_error_percent(self) -> float | None:
        found = self.measurement.get("model_error_percent")
        return None if found is None else float(found)

    @property
    def operators(self) -> Sequence[Mapping[str, Any]]:
        """Name, cycles and MACs in execution order; empty where nobody asked for them."""
        found: Sequence[Mapping[str, Any]] = self.measurement.get("operators") or ()
        return found

    @property
    def placement(self) -> str:
        """Where the weights and the arena stood, in words: `weights in flash, arena in ram`."""
        weights = self.measurement.get("weights_region") or self.measurement.get("placement")
        arena = self.measurement.get("arena_region")
        return f"weights in {weights or 'unknown'}, arena in {arena or 'unknown'}"

    def _text(self, name: str) -> str | None:
        found = self.measurement.get(name)
        return None if found is None else str(found)


@dataclass(frozen=True, kw_only=True)
class Failure:
    """An architecture that gave no point; `name` and `message` are those of the fault.

    `board` and `engine` are null where it failed before any board was asked.
    """

    architecture_sha256: str
    board: str | None
    engine: str | None
    name: str
    message: str


def series_of(points: Iterable[Point]) -> dict[SeriesKey, list[Point]]:
    """The points by board and engine, series and points in the order in which they come."""
    series: dict[SeriesKey, list[Point]] = {}
    for point in points:
        series.setdefault(point.key, []).append(point)
    return series


def failures_by_reason(failures: Iterable[Failure]) -> dict[str, int]:
    """How many failures there are of each name, most frequent first."""
    return dict(Counter(failure.name for failure in failures).most_common())


def points_of(ledger: Ledger) -> tuple[list[Point], list[Failure]]:
    """The points and failures of a ledger, by candidate.

    Of several measurements of one candidate on one board with one engine the last one stands: a
    run measures again where it no longer believes what it had. Measurements of no candidate are
    left out. Raises LedgerError.
    """
    results: dict[int, ResultRow] = {row.candidate_id: row for row in ledger.current_results()}
    last: dict[int, dict[SeriesKey, MeasurementRow]] = {}
    for row in ledger.measurements():
        if row.candidate_id is not None:
            last.setdefault(row.candidate_id, {})[SeriesKey(row.board, row.engine)] = row
    sizes = _ModelSizes(ledger, results.values())
    points: list[Point] = []
    failures: list[Failure] = []
    for candidate in ledger.candidates():
        result = results.get(candidate.candidate_id)
        rows = last.get(candidate.candidate_id, {})
        if not rows and result is not None and result.error is not None:
            failures.append(_failure(candidate, result.board, result.engine, result.error))
        good = []
        for key, row in rows.items():
            fault = _fault(row, result)
            if fault is None:
                good.append(row)
            else:
                failures.append(_failure(candidate, *key, fault))
        points += _points(candidate, good, sizes)
    return points, failures


class _ModelSizes:
    """Sizes of the .tflite files that the ledger keeps."""

    def __init__(self, ledger: Ledger, results: Iterable[ResultRow]) -> None:
        self._ledger = ledger
        self._kept = {row.model_sha256 for row in results if row.model_sha256 is not None}

    def of(self, measurement: Mapping[str, Any]) -> int | None:
        sha256 = measurement.get("model_sha256")
        return len(self._ledger.get_artifact(sha256)) if sha256 in self._kept else None


def _points(
    candidate: CandidateRow, rows: Sequence[MeasurementRow], sizes: _ModelSizes
) -> list[Point]:
    if not rows:
        return []
    costs = cost(Architecture.from_dict(candidate.architecture))
    return [
        Point(
            architecture=candidate.architecture,
            architecture_sha256=candidate.architecture_sha256,
            macs=candidate.macs,
            peak_memory_bytes=candidate.peak_memory_bytes,
            peak_memory_with_input_bytes=costs.peak_memory_with_input_bytes,
            model_size_bytes=candidate.model_size_bytes,
            tflite_bytes=sizes.of(row.measurement),
            measurement=row.measurement,
        )
        for row in rows
    ]


def _fault(row: MeasurementRow, result: ResultRow | None) -> Mapping[str, Any] | None:
    """Why a measurement is no point, or null."""
    found = row.measurement
    error: Mapping[str, Any] | None = found.get("error")
    if error is not None:
        return error
    if found.get("outputs_match") is False:
        message = "The outputs are not those that the model must give."
        return {"name": "implausible", "message": message}
    if found.get("cycles") is None or found.get("latency_us") is None:
        return {"name": "implausible", "message": "The measurement holds no time."}
    pruned = result is not None and result.macs is not None
    if pruned and result is not None and found.get("model_sha256") == result.model_sha256:
        message = "What was measured is a pruned network, not the architecture."
        return {"name": "pruned", "message": message}
    return None


def _failure(
    candidate: CandidateRow, board: str | None, engine: str | None, error: Mapping[str, Any]
) -> Failure:
    return Failure(
        architecture_sha256=candidate.architecture_sha256,
        board=board,
        engine=engine,
        name=str(error.get("name", "error")),
        message=str(error.get("message", "")),
    )
