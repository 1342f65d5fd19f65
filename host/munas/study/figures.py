"""The figures of a study, as plotly's JSON; each says on itself where its numbers come from.

Points carry numbers of hover texts that stand once in the page. Knows nothing of HTML pages.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from math import ceil, floor, log10
from textwrap import wrap
from typing import Any

import numpy as np

from munas.plots import FONT, Figure, lay_out, to_plain
from munas.study.analysis import SeriesResult, StudyResult
from munas.study.operators import WITH_MACS, OperatorKind, makeup_of
from munas.study.points import Point
from munas.study.words import board_line, build_lines

COLOURS: Mapping[OperatorKind, str] = {
    OperatorKind.FEW_CHANNELS: "#d55e00",
    OperatorKind.CONV_1X1: "#0072b2",
    OperatorKind.CONV: "#009e73",
    OperatorKind.DEPTHWISE: "#cc79a7",
    OperatorKind.DENSE: "#8c6d00",
}
_OF_SERIES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#8c6d00", "#56b4e9", "#5a6475")
_SYMBOLS = ("circle", "diamond", "square", "cross", "triangle-up")
_LINE = "#1c2330"
_NOTE_FONT = {**FONT, "size": 10.5, "color": "#5a6475"}
# So many characters of the notes fit a window of 360 pixels.
_NOTE_WIDTH = 56
_HEAD_WIDTH = 48
_NOTE_LINE = 14
_LEGEND_LINE = 20
_AT = 60
_MOST_TICKS = 9


def figures(result: StudyResult) -> dict[str, Figure]:
    """All figures that there are points for, by id: `overlay`, and of the series with number i
    `scatter-i`, `residuals-i`, `operators-i` and `memory-i`."""
    made: dict[str, Figure] = {}
    first = 0
    starts = []
    for series in result.series:
        starts.append(first)
        first += series.n
    if len(result.series) > 1:
        made["overlay"] = _overlay(result, starts)
    for index, (series, start) in enumerate(zip(result.series, starts, strict=True)):
        made[f"scatter-{index}"] = _scatter(series, start)
        made[f"residuals-{index}"] = _residuals(series, start)
        if series.operators.per_mac:
            made[f"operators-{index}"] = _operators(series)
        if series.memory is not None:
            made[f"memory-{index}"] = _memory(series, start)
    return made


def hover_texts(result: StudyResult) -> list[str]:
    """The hover text of every point, all series in one list."""
    return [_hover(point) for series in result.series for point in series.points]


def _hover(point: Point) -> str:
    arena = point.arena_used_bytes
    parts = [
        f"<b>{escape(point.architecture_sha256[:12])}</b>, most MACs in "
        f"{makeup_of(point.architecture).dominant}",
        escape(str(point.key)),
        f"{point.macs:,} MACs, {point.latency_us:,} µs, "
        f"{point.cycles / point.macs:.1f} cycles a MAC",
        f"peak memory with input {point.peak_memory_with_input_bytes:,} bytes"
        + (f", arena {arena:,}" if arena is not None else ""),
    ]
    return "<br>".join(parts)


def _markers(points: Sequence[Point], numbers: Sequence[int], y: Sequence[float]) -> dict[str, Any]:
    return {
        "x": [point.macs for point in points],
        "y": [round(value, 4) for value in y],
        "ids": [str(number) for number in numbers],
        "mode": "markers",
        "hovertemplate": "%{text}<extra></extra>",
    }


def _scatter(series: SeriesResult, start: int) -> Figure:
    import plotly.graph_objects as go

    relation = series.relation
    figure = go.Figure()
    x = np.geomspace(relation.x.min(), relation.x.max(), _AT)
    low, high = relation.power.band(x)
    figure.add_trace(
        go.Scatter(
            x=[*x, *x[::-1]],
            y=[*high / 1000, *low[::-1] / 1000],
            fill="toself",
            fillcolor="rgba(28, 35, 48, 0.08)",
            line={"width": 0},
            mode="lines",
            name="95 % band",
            hoverinfo="skip",
        )
    )
    figure.add_trace(_curve(x, relation.power.at(x), "log-log fit", "solid"))
    straight = relation.line.at(x)
    figure.add_trace(_curve(x[straight > 0], straight[straight > 0], "straight line", "dash"))
    dominant = [makeup_of(point.architecture).dominant for point in series.points]
    for kind in WITH_MACS:
        chosen = [i for i, of in enumerate(dominant) if of is kind]
        if chosen:
            points = [series.points[i] for i in chosen]
            latencies = [point.latency_us / 1000 for point in points]
            figure.add_trace(
                go.Scatter(
                    **_markers(points, [start + i for i in chosen], latencies),
                    name=kind.value,
                    marker={"color": COLOURS[kind], "size": 6, "opacity": 0.75},
                )
            )
    _finish(
        figure,
        [series],
        _log("MACs", relation.x),
        _log("Latency (ms)", relation.y / 1000, low / 1000, high / 1000),
        f"Latency against MACs, n = {series.n:,}; colours: kind with most MACs",
    )
    return to_plain(figure)


def _curve(x: Any, y: Any, name: str, dash: str) -> Any:
    import plotly.graph_objects as go

    return go.Scatter(
        x=list(x),
        y=list(y / 1000),
        mode="lines",
        name=name,
        line={"color": _LINE, "width": 1.5, "dash": dash},
        hoverinfo="skip",
    )


def _residuals(series: SeriesResult, start: int) -> Figure:
    import plotly.graph_objects as go

    fitted = series.relation.power.at(series.relation.x)
    ratios = series.relation.y / fitted
    figure = go.Figure()
    dominant = [makeup_of(point.architecture).dominant for point in series.points]
    for kind in WITH_MACS:
        chosen = [i for i, of in enumerate(dominant) if of is kind]
        if chosen:
            figure.add_trace(
                go.Box(
                    y=[round(float(ratios[i]), 4) for i in chosen],
                    name=f"{_narrow(kind)}<br>n = {len(chosen)}",
                    boxpoints="all",
                    jitter=0.5,
                    pointpos=0,
                    ids=[str(start + i) for i in chosen],
                    hoveron="points",
                    hovertemplate="%{y:.2f} times the fit<br>%{text}<extra></extra>",
                    marker={"color": COLOURS[kind], "size": 4, "opacity": 0.55},
                    line={"width": 1.5},
                )
            )
    _level(figure, 1.0)
    _finish(
        figure,
        [series],
        _kinds("Kind of operator with the most MACs"),
        _log("Latency over log-log fit", ratios, [1.0]),
        "How far latency is from what MACs tell; 1 is the fit",
        legend=False,
    )
    return to_plain(figure)


def _operators(series: SeriesResult) -> Figure:
    import plotly.graph_objects as go

    figure = go.Figure()
    ends = []
    for cost in series.operators.kinds:
        spread = cost.per_mac
        if spread is not None:
            ends.append([spread.p10, spread.p90])
            quartiles = np.quantile(series.operators.per_mac[cost.kind], [0.25, 0.75])
            figure.add_trace(
                go.Box(
                    x=[f"{_narrow(cost.kind)}<br>{cost.cycles_share:.0%}"],
                    lowerfence=[spread.p10],
                    q1=[float(quartiles[0])],
                    median=[spread.median],
                    q3=[float(quartiles[1])],
                    upperfence=[spread.p90],
                    name=cost.kind.value,
                    marker={"color": COLOURS[cost.kind]},
                )
            )
    _finish(
        figure,
        [series],
        _kinds("Kind of operator; share of cycles"),
        _log("Cycles per MAC", *ends),
        "Boxes: quartiles; whiskers: 10th and 90th percentile, an operator each. "
        f"{series.operators.without_macs_share:.1%} of cycles fall to operators without MACs",
        legend=False,
    )
    return to_plain(figure)


def _memory(series: SeriesResult, start: int) -> Figure:
    import plotly.graph_objects as go

    assert series.memory is not None
    chosen = [i for i, point in enumerate(series.points) if point.arena_used_bytes]
    points = [series.points[i] for i in chosen]
    peaks = np.array([point.peak_memory_with_input_bytes for point in points])
    markers = _markers(
        points, [start + i for i in chosen], [float(p.arena_used_bytes or 0) for p in points]
    )
    figure = go.Figure()
    figure.add_trace(
        go.Scatter(
            **{**markers, "x": peaks.tolist()},
            name="models",
            marker={"color": "#0072b2", "size": 6, "opacity": 0.7},
        )
    )
    x = np.geomspace(peaks.min(), peaks.max(), _AT)
    lines = [("arena = peak memory", 0, "solid")]
    if series.memory.margin_bytes is not None:
        margin = series.memory.margin_bytes
        lines.append((f"+ {margin:,} bytes: holds 99 %", margin, "dash"))
    for name, add, dash in lines:
        figure.add_trace(
            go.Scatter(
                x=x.tolist(),
                y=(x + add).tolist(),
                mode="lines",
                name=name,
                line={"color": _LINE, "width": 1.5, "dash": dash},
                hoverinfo="skip",
            )
        )
    _finish(
        figure,
        [series],
        _log("Peak memory with input (bytes)", peaks),
        _log("Arena used (bytes)", peaks, series.memory.with_input.y),
        f"Arena against peak memory, n = {series.memory.n:,}",
    )
    return to_plain(figure)


def _overlay(result: StudyResult, starts: Sequence[int]) -> Figure:
    import plotly.graph_objects as go

    figure = go.Figure()
    for index, (series, start) in enumerate(zip(result.series, starts, strict=True)):
        colour = _OF_SERIES[index % len(_OF_SERIES)]
        x = np.geomspace(series.relation.x.min(), series.relation.x.max(), _AT)
        latencies = [point.latency_us / 1000 for point in series.points]
        figure.add_trace(
            go.Scatter(
                **_markers(series.points, range(start, start + series.n), latencies),
                name=escape(str(series.key)),
                marker={
                    "color": colour,
                    "size": 6,
                    "opacity": 0.55,
                    "symbol": _SYMBOLS[index % len(_SYMBOLS)],
                },
            )
        )
        figure.add_trace(
            go.Scatter(
                x=x.tolist(),
                y=(series.relation.power.at(x) / 1000).tolist(),
                mode="lines",
                showlegend=False,
                line={"color": colour, "width": 2},
                hoverinfo="skip",
            )
        )
    _finish(
        figure,
        result.series,
        _log("MACs", *(series.relation.x for series in result.series)),
        _log("Latency (ms)", *(series.relation.y / 1000 for series in result.series)),
        "All series; lines are log-log fits",
        legend_lines=len(result.series),
    )
    return to_plain(figure)


def _log(title: str, *values: Any) -> dict[str, Any]:
    """A logarithmic axis with ticks at 1, 2 and 5, or at 1 alone where these were too many."""
    low = min(float(np.min(each)) for each in values) / 1.15
    high = max(float(np.max(each)) for each in values) * 1.15
    ticks = [
        step * 10.0**exponent
        for exponent in range(floor(log10(low)), ceil(log10(high)) + 1)
        for step in (1, 2, 5)
        if low <= step * 10.0**exponent <= high
    ]
    if len(ticks) > _MOST_TICKS:
        ticks = [tick for tick in ticks if log10(tick).is_integer()]
    return {
        "title": title,
        "type": "log",
        "range": [log10(low), log10(high)],
        "tickvals": ticks,
        "ticktext": [_short(tick) for tick in ticks],
    }


def _kinds(title: str) -> dict[str, Any]:
    return {"title": title, "type": "category", "tickangle": 0, "tickfont": {"size": 10.5}}


def _short(value: float) -> str:
    """`0.5`, `20k`, `2M`."""
    for size, sign in ((1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g}{sign}"
    return f"{value:g}"


def _narrow(kind: OperatorKind) -> str:
    """The kind's name in two lines."""
    return "<br>".join(kind.value.split(" ", 1))


def _level(figure: Any, y: float) -> None:
    figure.add_hline(y=y, line={"color": _LINE, "width": 1, "dash": "dash"})


def _finish(
    figure: Any,
    series: Sequence[SeriesResult],
    x: Mapping[str, Any],
    y: Mapping[str, Any],
    what: str,
    *,
    legend: bool = True,
    legend_lines: int = 3,
) -> None:
    """The common look, and above the plot what is shown and where it comes from."""
    notes = wrap(what, _HEAD_WIDTH)
    lines = [f"<b>{escape(line)}</b>" for line in notes]
    for each in series:
        texts = [board_line(each), *build_lines(each, brief=len(series) > 1)]
        lines += [
            escape(line)
            for text in texts
            for line in wrap(text, _NOTE_WIDTH, break_on_hyphens=False)
        ]
    top = 18 + _NOTE_LINE * len(lines)
    bottom = 10 + (_LEGEND_LINE * legend_lines if legend else 0)
    lay_out(figure, x, y)
    figure.update_layout(
        height=310 + top + bottom,
        margin={"l": 10, "r": 16, "t": top, "b": 10},
        title={
            "text": "<br>".join(lines),
            "font": _NOTE_FONT,
            "x": 0,
            "xref": "container",
            "xanchor": "left",
            "y": 1,
            "yref": "container",
            "yanchor": "top",
            "pad": {"t": 8, "l": 10},
        },
        legend={"orientation": "h", "x": 0, "y": -0.24, "yanchor": "top", "font": {"size": 11}},
        showlegend=legend,
    )
