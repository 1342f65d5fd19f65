"""The page, the figures, the terminal table and the tables in files."""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console

from munas.errors import BadInputError
from munas.study.analysis import StudyResult, analyse
from munas.study.figures import figures, hover_texts
from munas.study.page import render, write_page
from munas.study.points import Failure, Point
from munas.study.screen_table import show
from munas.study.tables import COLUMNS, write_tables

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
OPTIONS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND", "--enable-logging=stderr",
    "--virtual-time-budget=5000", "--window-size=480,2000", "--dump-dom",
]  # fmt: skip
SCRIPT = "<script>document.body.dataset.stolen = 1</script>"

MakePoints = Callable[..., list[Point]]


@pytest.fixture
def result(points_like: MakePoints) -> StudyResult:
    points = [*points_like(35), *points_like(20, board="other", engine="aot", slowness=2)]
    failure = Failure(
        architecture_sha256="a" * 64,
        board="other",
        engine="aot",
        name="infeasible",
        message=f"It does not fit. {SCRIPT}",
    )
    return analyse(points, [failure], resamples=99)


def test_every_figure_says_where_it_comes_from(result: StudyResult) -> None:
    shown = figures(result)
    assert set(shown) == {
        "overlay", *(f"{name}-{i}" for i in (0, 1)
                     for name in ("scatter", "residuals", "operators", "memory"))
    }  # fmt: skip
    for name, figure in shown.items():
        text = figure["layout"]["title"]["text"].replace("<br>", " ")
        keys = [each.key for each in result.series]
        for key in keys if name == "overlay" else [keys[int(name[-1])]]:
            assert str(key) in text, name
        for part in ("emulated (about ±10 %)", "120 MHz", "-O2 -mcpu=cortex-m4"):
            assert part in text, name
        # Long lines would be cut off on a narrow window.
        lines = figure["layout"]["title"]["text"].split("<br>")
        assert max(len(re.sub("<.*?>|&[a-z]+;", "", line)) for line in lines) <= 60, name


def test_figures_show_every_point(result: StudyResult) -> None:
    shown = figures(result)
    for index, series in enumerate(result.series):
        for name in ("scatter", "residuals", "memory"):
            data = shown[f"{name}-{index}"]["data"]
            ids = [number for trace in data for number in trace.get("ids", ())]
            assert len(ids) == len(set(ids)) == series.n, name
    overlay = [number for trace in shown["overlay"]["data"] for number in trace.get("ids", ())]
    assert sorted(map(int, overlay)) == list(range(55))


def test_figures_show_each_point_where_it_belongs(result: StudyResult) -> None:
    points = [point for series in result.series for point in series.points]
    shown, texts = figures(result), hover_texts(result)
    for name, coordinates in {
        "scatter": lambda point: (point.macs, point.latency_us / 1000),
        "memory": lambda point: (point.peak_memory_with_input_bytes, point.arena_used_bytes),
        "overlay": lambda point: (point.macs, point.latency_us / 1000),
    }.items():
        for place in [name] if name in shown else [f"{name}-0", f"{name}-1"]:
            for trace in shown[place]["data"]:
                for number, x, y in zip(trace.get("ids", ()), trace["x"], trace["y"], strict=False):
                    point = points[int(number)]
                    assert (x, y) == pytest.approx(coordinates(point), abs=1e-3)
                    assert point.architecture_sha256[:12] in texts[int(number)]
    for index, series in enumerate(result.series):
        fitted = series.relation.power.at(series.relation.x)
        ratios = dict(enumerate(series.relation.y / fitted))
        start = index * result.series[0].n
        for trace in shown[f"residuals-{index}"]["data"]:
            for number, y in zip(trace["ids"], trace["y"], strict=True):
                assert y == pytest.approx(ratios[int(number) - start], abs=1e-3)


def test_the_page_tells_all_and_runs_nothing_of_others(points_like: MakePoints) -> None:
    points = [*points_like(35, board=SCRIPT), *points_like(12, board="other")]
    failure = Failure(
        architecture_sha256="a" * 64, board="other", engine="tflm", name="timeout", message=SCRIPT
    )
    result = analyse(points, [failure], resamples=99)
    page = render(
        result,
        title=SCRIPT,
        command="munas study correlation x",
        stage_s={"convert": 30.0, "measure": 10.0},
        sampling="at random",
    )
    assert SCRIPT not in page
    assert "Content-Security-Policy" in page
    for text in (
        "MACs explain", "too few to lean on", "timeout: 1", "convert</td>", "75%", "at random",
        "munas study correlation x", "Kendall", "By decade of MACs", "Speed-up of the second",
    ):  # fmt: skip
        assert text in page, text
    assert not re.search(r"""(?:src|href)\s*=\s*["'](?!data:)""", page.split("<script>")[0])


def test_a_page_that_cannot_be_written_is_named(result: StudyResult, tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="cannot be written"):
        write_page(tmp_path / "no" / "page.html", result, title="x")


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
def test_the_page_draws_itself(result: StudyResult, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    write_page(page, result, title="mac_latency")
    profile = f"--user-data-dir={tmp_path / 'profile'}"
    done = subprocess.run(
        [str(CHROMIUM), *OPTIONS, profile, page.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    body = re.search(r"<body[^>]*>", done.stdout)
    assert body is not None
    assert 'data-drawn="9"' in body[0]
    assert "data-fault" not in body[0]
    assert [line for line in done.stderr.splitlines() if "CONSOLE" in line] == []


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_terminal_table_fits(result: StudyResult, width: int) -> None:
    out = io.StringIO()
    show(result, Console(file=out, width=width, highlight=False))
    lines = out.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    whole = next(line for line in lines if line.strip().startswith("all"))
    assert whole.split()[1] == "35"
    rows = [line for line in lines if re.match(r" (all|\d+[kM]?–)", line)]
    decades = sum(len(series.relation.decades) for series in result.series)
    assert len(rows) == 2 + decades
    assert ("[" in whole) == (width >= 90)
    joined = " ".join(" ".join(lines).split())
    for series in result.series:
        assert series.verdict.sentence in joined
    assert "1 gave no point: infeasible" in joined


def test_tables_hold_every_point(points_like: MakePoints, tmp_path: Path) -> None:
    points = points_like(6)
    points[0] = replace(points[0], measurement={**points[0].measurement, "arena_used_bytes": None})
    as_csv, as_parquet = write_tables(tmp_path, points)
    for table in (pd.read_csv(as_csv), pd.read_parquet(as_parquet)):
        assert list(table.columns) == list(COLUMNS)
        assert list(table["macs"]) == [point.macs for point in points]
        assert list(table["latency_us"]) == [point.latency_us for point in points]
        assert pd.isna(table["arena_used_bytes"][0])
        assert [json.loads(text) for text in table["architecture"]] == [
            point.architecture for point in points
        ]
        shares = table[[name for name in COLUMNS if name.startswith("macs_share")]].sum(axis=1)
        assert shares.tolist() == pytest.approx([1.0] * 6)
