"""From points to results: what is known of made-up boards must be found again."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from munas.errors import BadInputError
from munas.study.analysis import StudyResult, analyse
from munas.study.groups import operator_costs
from munas.study.memory import analyse_memory
from munas.study.operators import WITH_MACS, OperatorKind, cycles_of, makeup_of
from munas.study.points import Failure, Point, SeriesKey
from munas.study.verdict import Grade
from munas.study.words import board_line

GOLDEN = Path(__file__).with_name("golden.json")
TOP = {
    "n", "source", "pearson", "spearman", "kendall", "r2", "fit", "mape", "by_decade",
    "misordered_pairs", "verdict",
}  # fmt: skip
KEY = SeriesKey("emulated_x", "tflm")
# Every kind costs the same a MAC.
EVEN = dict.fromkeys(WITH_MACS, 6.0)

MakePoints = Callable[..., list[Point]]


def study(*points: list[Point], failures: tuple[Failure, ...] = ()) -> StudyResult:
    together = [point for each in points for point in each]
    return analyse(together, failures, resamples=199)


def test_json_has_the_keys_that_scripts_rely_on(points_like: MakePoints) -> None:
    found = study(points_like()).as_json()
    assert set(found) >= TOP
    for name in ("pearson", "spearman", "kendall", "r2"):
        assert set(found[name]) == {"value", "ci95"}
    assert found["n"] == 40
    assert found["source"] == "emulated"
    assert isinstance(found["verdict"], str)
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_finds_the_line_where_macs_are_all_there_is(points_like: MakePoints) -> None:
    points = [
        replace(
            point,
            measurement={
                **point.measurement,
                "operators": [],
                "latency_us": 1000 + round(0.05 * point.macs),
            },
        )
        for point in points_like()
    ]
    result = study(points)
    found = result.as_json()
    assert found["fit"]["intercept_us"]["value"] == pytest.approx(1000, abs=1)
    assert found["fit"]["slope_us_per_mac"]["value"] == pytest.approx(0.05, rel=1e-3)
    assert found["fit"]["cycles_per_mac"]["value"] == pytest.approx(6, rel=1e-3)
    assert found["r2"]["value"] == pytest.approx(1, abs=1e-6)
    assert found["mape"] < 0.1
    assert found["misordered_pairs"]["misordered"] == 0
    assert found["misordered_pairs"]["worst"] is None
    assert result.series[0].verdict.ranking is Grade.GOOD
    assert found["operators"]["points"] == 0
    assert found["operators"]["share_of_cycles_without_macs"] is None


def test_finds_what_each_kind_costs(points_like: MakePoints) -> None:
    costs = {cost.kind: cost for cost in operator_costs(points_like()).kinds}
    # 500 cycles an operator come on top: least for the largest operators.
    rates = {kind: cost.per_mac for kind, cost in costs.items() if cost.per_mac is not None}
    assert set(rates) == set(WITH_MACS)
    assert rates[OperatorKind.DEPTHWISE].p10 > 25
    assert rates[OperatorKind.CONV].p10 == pytest.approx(4, rel=0.3)
    assert costs[OperatorKind.RESHAPE].per_mac is None
    assert sum(cost.cycles_share for cost in costs.values()) == pytest.approx(1)


def test_operators_that_are_not_the_graphs_are_not_believed(points_like: MakePoints) -> None:
    (point,) = points_like(1)
    assert cycles_of(point) is not None
    broken = [*point.operators]
    broken[0] = {**broken[0], "macs": broken[0]["macs"] + 1}
    assert cycles_of(replace(point, measurement={**point.measurement, "operators": broken})) is None
    result = operator_costs([replace(point, measurement={**point.measurement, "operators": []})])
    assert (result.points, result.kinds) == (0, ())


def test_blames_the_kind_that_is_slow(points_like: MakePoints) -> None:
    slow = {**EVEN, OperatorKind.DEPTHWISE: 600.0}
    residuals = study(points_like(60, per_mac=slow)).series[0].residuals
    trends = {trend.factor: trend.spearman for trend in residuals.trends}
    depthwise = trends["share of MACs in depthwise"]
    assert depthwise.low > 0
    assert depthwise.value == max(trend.value for trend in trends.values())
    by_share = [g for g in residuals.groups if g.factor == "share of MACs in depthwise"]
    assert sum(group.n for group in by_share) == 60
    medians = [group.log_log.median for group in by_share]
    assert medians == sorted(medians)
    assert by_share[0].label.startswith("<")


def test_groups_cover_every_point_once(points_like: MakePoints) -> None:
    points = points_like(30)
    points[0] = replace(points[0], measurement={**points[0].measurement, "weights_region": "flash"})
    groups = study(points).series[0].residuals.groups
    for factor in {group.factor for group in groups}:
        assert sum(group.n for group in groups if group.factor == factor) == 30
    placements = {g.label: g.n for g in groups if g.factor == "placement"}
    assert placements == {
        "weights in flash, arena in sram": 1,
        "weights in sram, arena in sram": 29,
    }


def test_decades_add_up_and_say_when_they_are_few(points_like: MakePoints) -> None:
    found = study(points_like()).as_json()["by_decade"]
    assert sum(decade["n"] for decade in found) == 40
    for decade in found:
        assert decade["macs_below"] == 10 * decade["macs_from"]
        assert decade["too_few"] == (decade["n"] < 30)
        assert (decade["pearson"] is None) == (decade["n"] < 3)


def test_misordered_pairs_count_by_the_emulators_error(points_like: MakePoints) -> None:
    emulated = study(points_like()).as_json()["misordered_pairs"]
    assert 0 < emulated["beyond_error"] < emulated["misordered"]
    assert emulated["beyond_error_share"] == emulated["beyond_error"] / emulated["compared"]
    assert emulated["worst"]["preferred"]["macs"] < emulated["worst"]["other"]["macs"]
    assert emulated["worst"]["preferred"]["latency_us"] > emulated["worst"]["other"]["latency_us"]
    ratio = emulated["worst"]["preferred"]["latency_us"] / emulated["worst"]["other"]["latency_us"]
    assert emulated["ratio_max"] == pytest.approx(ratio)
    silicon = study(points_like(source="silicon", model_error_percent=None)).as_json()
    assert silicon["misordered_pairs"]["beyond_error"] is None
    assert silicon["misordered_pairs"]["misordered"] == emulated["misordered"]


def test_counts_failures_by_series_and_reason(points_like: MakePoints) -> None:
    def failed(board: str | None, name: str) -> Failure:
        return Failure(
            architecture_sha256="a" * 64,
            board=board,
            engine=None if board is None else "tflm",
            name=name,
            message="",
        )

    failures = (failed("emulated_x", "infeasible"), failed("other", "timeout"), failed(None, "x"))
    result = study(points_like(5), points_like(5, board="other"), failures=failures)
    assert [dict(series.failed) for series in result.series] == [{"infeasible": 1}, {"timeout": 1}]
    assert result.as_json()["failed"] == {"infeasible": 1, "timeout": 1, "x": 1}
    with pytest.raises(BadInputError, match="third with tflm: not one of 1"):
        study(points_like(5), failures=(failed("third", "build"),))


def test_several_series_agree_and_one_is_faster(points_like: MakePoints) -> None:
    fast, slow = points_like(40, board="fast"), points_like(40, board="slow", slowness=3.0)
    found = study(slow[:35], fast[5:]).as_json()
    (agreement,) = found["agreement"]
    assert agreement["n"] == 30
    assert agreement["kendall_w"]["value"] == pytest.approx(1, abs=1e-3)
    assert agreement["speed_up"]["value"] == pytest.approx(3, rel=1e-2)
    assert agreement["misordered_share"] < 0.01
    assert [series["board"] for series in found["series"]] == ["slow", "fast"]
    assert found["n"] == found["series"][0]["n"] == 35


def test_opposite_boards_do_not_agree(points_like: MakePoints) -> None:
    first = points_like(40)
    rank = np.argsort(np.argsort([-point.latency_us for point in first]))
    second = [
        replace(
            point,
            measurement={**point.measurement, "board": "other", "latency_us": 10 + int(place)},
        )
        for point, place in zip(first, rank, strict=True)
    ]
    (agreement,) = study(first, second).as_json()["agreement"]
    assert agreement["kendall_w"]["value"] < 0.05
    assert agreement["misordered_share"] > 0.95


def test_three_series_are_also_held_together(points_like: MakePoints) -> None:
    result = study(*(points_like(6, board=board) for board in ("a", "b", "c")))
    assert [len(found.keys) for found in result.agreement] == [3, 2, 2, 2]
    assert result.agreement[0].speed_up is None


def test_nothing_in_common_is_said(points_like: MakePoints) -> None:
    result = study(points_like(6), points_like(6, board="other", seed=2))
    (agreement,) = result.agreement
    assert agreement.agreement is None
    assert "too few to compare" in agreement.sentence


def test_memory_finds_what_the_arena_adds(points_like: MakePoints) -> None:
    points = points_like(120)
    memory = analyse_memory(KEY, points)
    assert memory is not None
    found = memory.as_json()
    line = found["overhead_by_operators"]
    assert line["intercept_bytes"]["value"] == pytest.approx(3000)
    assert line["bytes_per_operator"]["value"] == pytest.approx(400)
    counts = [len(makeup_of(point.architecture).operators) for point in points]
    assert found["overhead_bytes"]["max"] == 3000 + 400 * max(counts)
    assert found["overhead_bytes"]["median"] == 3000 + 400 * float(np.median(counts))
    # The 120 points allow the second greatest of the overheads: the ceil(121 · 0.99)-th is last.
    assert found["margin"] == {"share": 0.99, "add_bytes": 3000 + 400 * max(counts)}
    assert found["with_input"]["mape"] < found["without_input"]["mape"]
    assert "reserve peak memory and" in found["verdict"]


def test_memory_counts_arenas_well_above_peak(points_like: MakePoints) -> None:
    points = [
        replace(
            point,
            measurement={
                **point.measurement,
                "arena_used_bytes": int(point.peak_memory_with_input_bytes * factor),
            },
        )
        for point, factor in zip(points_like(40), 10 * [1.0, 1.05, 1.2, 1.5], strict=True)
    ]
    memory = analyse_memory(KEY, points)
    assert memory is not None
    shares = memory.as_json()["share_above_peak"]
    assert shares["by_more_than_10_percent"]["value"] == 0.5
    assert shares["by_more_than_25_percent"]["value"] == 0.25
    low, high = shares["by_more_than_25_percent"]["ci95"]
    assert low < 0.25 < high
    assert "more than 25 % above it in 25 % of models" in memory.verdict.sentence


def test_memory_says_when_99_percent_are_out_of_reach(points_like: MakePoints) -> None:
    memory = analyse_memory(KEY, points_like(98))
    assert memory is not None
    assert memory.margin_bytes is None
    assert "too few models" in memory.verdict.sentence
    more = analyse_memory(KEY, points_like(99))
    assert more is not None
    assert more.margin_bytes is not None


def test_without_arena_there_is_no_memory(points_like: MakePoints) -> None:
    assert study(points_like(5, arena_used_bytes=None)).as_json()["memory"] is None


def test_nothing_that_varies_is_refused(points_like: MakePoints) -> None:
    with pytest.raises(BadInputError, match="emulated_x with tflm: latency is 7"):
        study(points_like(5, latency_us=7, cycles=840))
    same = [replace(point, macs=9) for point in points_like(5)]
    with pytest.raises(BadInputError, match="MACs is 9"):
        study(same)


def test_same_points_same_results(points_like: MakePoints) -> None:
    assert study(points_like(20)).as_json() == study(points_like(20)).as_json()


def test_kinds_come_from_the_graph() -> None:
    layers = [
        {"type": "conv", "filters": 8, "kernel": 3, "stride": 1},
        {"type": "conv1x1", "filters": 4},
        {"type": "dwconv", "kernel": 3, "stride": 1},
        {"type": "conv", "filters": 6, "kernel": 3, "stride": 2},
    ]
    flags = {"bn": True, "relu": True, "prepool": False}
    makeup = makeup_of(
        {
            "space": "cnn",
            "input": [12, 12, 1],
            "classes": 4,
            "blocks": [
                {"branch": False, "layers": [layer | flags for layer in some]}
                for some in (layers[:2], layers[2:])
            ],
            "pool": None,
            "dense": [],
        }
    )
    kinds = OperatorKind
    assert [(kind, macs) for _, kind, macs in makeup.operators] == [
        (kinds.FEW_CHANNELS, 10 * 10 * 8 * 9),
        (kinds.CONV_1X1, 10 * 10 * 4 * 8),
        (kinds.DEPTHWISE, 8 * 8 * 4 * 9),
        (kinds.CONV, 3 * 3 * 6 * 9 * 4),
        (kinds.RESHAPE, 0),
        (kinds.DENSE, 54 * 4),
    ]
    assert makeup.largest_tensor_bytes == 800
    assert makeup.dominant is kinds.FEW_CHANNELS
    assert sum(makeup.shares.values()) == pytest.approx(1)


def settled(value: object, path: str = "") -> dict[str, object]:
    """Every leaf by its path, without the ends of intervals, which another scipy may move."""
    if isinstance(value, dict):
        pairs = [(f"{path}.{name}", each) for name, each in value.items() if name != "ci95"]
    elif isinstance(value, list):
        pairs = [(f"{path}[{index}]", each) for index, each in enumerate(value)]
    else:
        if isinstance(value, str):
            value = re.sub(r"\(95 % interval.*?\)|\([\d.]+ to [\d.]+\)", "(…)", value)
        return {path: float(f"{value:.6g}") if isinstance(value, float) else value}
    return {place: leaf for name, each in pairs for place, leaf in settled(each, name).items()}


def told(points_like: MakePoints) -> dict[str, object]:
    found = study(points_like(12), points_like(12, board="other", slowness=1.5)).as_json()
    del found["series"]
    found["residuals"]["groups"] = found["residuals"]["groups"][:2]
    return settled(found)


def test_golden(points_like: MakePoints) -> None:
    """A change of any number is a change of what the study says; see docs/study.md before."""
    found, golden = told(points_like), json.loads(GOLDEN.read_text())
    assert found.keys() == golden.keys()
    for name, value in golden.items():
        near = pytest.approx(value, rel=1e-4) if isinstance(value, float) else value
        assert found[name] == near, name


def test_a_board_that_stands_for_another_names_it(points_like: MakePoints) -> None:
    own = analyse(points_like(30)).series[0]
    twin = analyse(points_like(30, stands_for="nucleo_f401re", clock_hz=84_000_000)).series[0]
    assert "stands_for" not in own.as_json()
    assert twin.as_json()["stands_for"] == "nucleo_f401re"
    assert board_line(twin).endswith("emulated_x with tflm for nucleo_f401re, 84 MHz")
