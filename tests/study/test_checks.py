"""What may not be looked at together is named, never averaged over."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from munas.errors import BadInputError
from munas.study.checks import check_series, check_study
from munas.study.points import Failure, Point, SeriesKey, series_of

KEY = SeriesKey("emulated_x", "tflm")


def changed(point: Point, **values: Any) -> Point:
    return replace(point, measurement={**point.measurement, **values})


def test_accepts_one_board_in_one_state(points_like: Callable[..., list[Point]]) -> None:
    check_study(series_of([*points_like(5), *points_like(5, board="other")]))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("clock_hz", 16_000_000),
        ("firmware_sha256", "e" * 64),
        ("flags", "-Os"),
        ("compiler", "gcc 13"),
        ("kernels", "portable"),
        ("engine_revision", "other"),
    ],
)
def test_names_what_changed_and_where(
    points_like: Callable[..., list[Point]], name: str, value: object
) -> None:
    points = points_like(6)
    points[4:] = [changed(point, **{name: value}) for point in points[4:]]
    with pytest.raises(BadInputError, match=f"`{name}` changed") as caught:
        check_series(KEY, points)
    assert str(value) in caught.value.what
    assert "2 of 6 points" in caught.value.what
    assert points[4].architecture_sha256[:12] in caught.value.what
    assert points[3].architecture_sha256[:12] not in caught.value.what


def test_an_image_of_models_differs_by_them(points_like: Callable[..., list[Point]]) -> None:
    points = points_like(6, engine="aot")
    points[0] = changed(points[0], firmware_sha256="e" * 64)
    check_series(SeriesKey("emulated_x", "aot"), points)


def test_refuses_another_unit(points_like: Callable[..., list[Point]]) -> None:
    points = points_like(6)
    points[5] = changed(points[5], unit="0001")
    with pytest.raises(BadInputError, match="2 units") as caught:
        check_series(KEY, points)
    assert points[5].architecture_sha256[:12] in caught.value.what


def test_names_duplicated_architectures(points_like: Callable[..., list[Point]]) -> None:
    points = points_like(6)
    with pytest.raises(BadInputError, match="more than once") as caught:
        check_series(KEY, [*points, points[2]])
    assert points[2].architecture_sha256[:12] in caught.value.what
    assert points[3].architecture_sha256[:12] not in caught.value.what


@pytest.mark.parametrize("source", ["mac", "predicted", "simulated"])
def test_refuses_what_was_not_measured(
    points_like: Callable[..., list[Point]], source: str
) -> None:
    points = points_like(6)
    points[1] = changed(points[1], source=source)
    with pytest.raises(BadInputError, match=f"not measured but {source}") as caught:
        check_series(KEY, points)
    assert points[1].architecture_sha256[:12] in caught.value.what


def test_refuses_mixed_sources(points_like: Callable[..., list[Point]]) -> None:
    points = points_like(6)
    points[3] = changed(points[3], source="silicon")
    with pytest.raises(BadInputError, match="emulated, silicon") as caught:
        check_series(KEY, points)
    assert points[3].architecture_sha256[:12] in caught.value.what
    apart = series_of([*points_like(4), *points_like(4, board="real", source="silicon")])
    with pytest.raises(BadInputError, match="emulated, silicon"):
        check_study(apart)


def test_refuses_points_of_another_series(points_like: Callable[..., list[Point]]) -> None:
    with pytest.raises(BadInputError, match="other with tflm"):
        check_series(KEY, [*points_like(4), points_like(5, board="other")[4]])


def test_refuses_nothing_and_says_why() -> None:
    with pytest.raises(BadInputError, match="no measured point"):
        check_study({})
    failure = Failure(
        architecture_sha256="a" * 64,
        board=KEY.board,
        engine=KEY.engine,
        name="infeasible",
        message="It does not fit.",
    )
    with pytest.raises(BadInputError, match="2 × infeasible") as caught:
        check_study({KEY: []}, [failure, failure])
    assert "It does not fit" in caught.value.what


def test_refuses_too_few_for_a_line(points_like: Callable[..., list[Point]]) -> None:
    with pytest.raises(BadInputError, match="2 measured points"):
        check_series(KEY, points_like(2))
    check_series(KEY, points_like(3))
