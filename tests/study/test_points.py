"""Points as a ledger holds them, of a study or of a search."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from munas.store import CandidateRow, Ledger, MeasurementRow, ResultRow, RunInfo
from munas.study.points import Point, SeriesKey, failures_by_reason, points_of, series_of

ERROR = {"name": "infeasible", "message": "It does not fit.", "mend": ""}


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    run = RunInfo(name="s", experiment={}, identity={}, command="munas study")
    return Ledger.create(tmp_path / "s.ledger", run)


def ask(ledger: Ledger, number: int, point: Point) -> None:
    ledger.add_candidate(
        CandidateRow(
            candidate_id=number,
            architecture=point.architecture,
            architecture_sha256=point.architecture_sha256,
            macs=point.macs,
            peak_memory_bytes=point.peak_memory_bytes,
            model_size_bytes=point.model_size_bytes,
        )
    )


def measured(ledger: Ledger, number: int | None, point: Point, **changed: Any) -> None:
    ledger.add_measurement(
        MeasurementRow(
            measurement={**point.measurement, **changed},
            source=point.source,
            board=point.board,
            engine=point.engine,
            candidate_id=number,
        )
    )


def test_reads_what_was_measured(ledger: Ledger, points_like: Callable[..., list[Point]]) -> None:
    points = points_like(4)
    other = points_like(4, board="other")
    for number, point in enumerate(points, start=1):
        ask(ledger, number, point)
        measured(ledger, number, point)
        measured(ledger, number, other[number - 1])
    found, failures = points_of(ledger)
    assert failures == []
    series = series_of(found)
    assert list(series) == [SeriesKey("emulated_x", "tflm"), SeriesKey("other", "tflm")]
    assert series[SeriesKey("emulated_x", "tflm")] == points
    assert series[SeriesKey("other", "tflm")] == other


def test_failures_are_named_and_are_no_points(
    ledger: Ledger, points_like: Callable[..., list[Point]]
) -> None:
    points = points_like(6)
    for number, point in enumerate(points, start=1):
        ask(ledger, number, point)
    measured(ledger, 1, points[0])
    measured(ledger, 2, points[1], cycles=None, latency_us=None, error=ERROR)
    measured(ledger, 3, points[2], outputs_match=False)
    measured(ledger, 4, points[3], latency_us=None)
    # The fifth could not be converted; nobody came to the sixth.
    convert = {"name": "convert", "message": "No.", "mend": ""}
    ledger.add_result(ResultRow(candidate_id=5, status="failed", error=convert))
    found, failures = points_of(ledger)
    assert found == points[:1]
    assert failures_by_reason(failures) == {"implausible": 2, "infeasible": 1, "convert": 1}
    assert [failure.architecture_sha256 for failure in failures] == [
        point.architecture_sha256 for point in points[1:5]
    ]
    assert (failures[0].board, failures[0].message) == ("emulated_x", "It does not fit.")
    assert failures[3].board is None


def test_of_one_candidate_the_last_measurement_stands(
    ledger: Ledger, points_like: Callable[..., list[Point]]
) -> None:
    (point,) = points_like(1)
    ask(ledger, 1, point)
    measured(ledger, 1, point, latency_us=1)
    measured(ledger, 1, point)
    found, _ = points_of(ledger)
    assert found == [point]


def test_leaves_out_other_networks(ledger: Ledger, points_like: Callable[..., list[Point]]) -> None:
    """Models from elsewhere have no architecture; a pruned network is not its candidate's."""
    points = points_like(2)
    ask(ledger, 1, points[0])
    measured(ledger, 1, points[0])
    measured(ledger, None, points[1])
    ledger.add_result(
        ResultRow(candidate_id=1, status="ok", macs=7, model_sha256=points[0].model_sha256)
    )
    found, failures = points_of(ledger)
    assert found == []
    assert [failure.name for failure in failures] == ["pruned"]


def test_knows_the_size_of_a_model_that_is_kept(
    ledger: Ledger, points_like: Callable[..., list[Point]]
) -> None:
    (point,) = points_like(1)
    ask(ledger, 1, point)
    sha256 = ledger.put_artifact(b"12345")
    measured(ledger, 1, point, model_sha256=sha256)
    ledger.add_result(ResultRow(candidate_id=1, status="ok", model_sha256=sha256))
    found, _ = points_of(ledger)
    assert [each.tflite_bytes for each in found] == [5]
