"""The figures of a report, as plotly's JSON.

Points carry the numbers of their rows in the table; their hover texts are written into the page
once and filled in when it is shown, because six figures of thousands of points would otherwise
repeat them six times. This module knows nothing of HTML.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from munas.plots import Figure, lay_out, to_plain
from munas.report.facts import RESOURCES, SOURCES, Facts, Record, error_of

_BOUND = {"color": "#9a3b00", "width": 1.5, "dash": "dash"}
# Drawn in this order, so that the front lies on top.
_CLASSES: Mapping[str, Mapping[str, Any]] = {
    "outside the bounds": {"color": "#b4bac5", "size": 7},
    "within the bounds": {"color": "#0072b2", "size": 8},
    "on the front": {"color": "#d55e00", "size": 11, "line": {"width": 1, "color": "#ffffff"}},
}
_SYMBOLS = ("circle", "diamond", "square", "cross")
# A resource that spans more than this ratio is drawn on a logarithmic axis.
_WIDE = 30
# A bound further beyond the points than this factor is told in words, else it would squeeze them.
_FAR = 4


def figures(facts: Facts) -> dict[str, Figure]:
    """All figures that the run has points for, by the id of their place in the page."""
    made: dict[str, Figure] = {}
    for resource in RESOURCES:
        if any(_point(row, resource) for row in facts.table):
            made[f"scatter-{resource}"] = _scatter(facts, resource)
    if any(row["val_accuracy_int8"] is not None for row in facts.table):
        made["progress"] = _progress(facts)
    if any(facts.stage_s.values()):
        made["stages"] = _stages(facts.stage_s)
    return made


def _point(row: Record, resource: str) -> bool:
    return row["val_accuracy_int8"] is not None and row[resource] is not None


def _class_of(row: Record) -> str:
    if row["on_front"]:
        return "on the front"
    return "within the bounds" if row["feasible"] else "outside the bounds"


def _points(rows: Sequence[tuple[int, Record]], x: str) -> dict[str, Any]:
    return {
        "x": [row[x] for _, row in rows],
        "y": [round(error_of(row), 6) for _, row in rows],
        "ids": [str(index) for index, _ in rows],
        "hovertemplate": "%{text}<extra></extra>",
    }


def _scatter(facts: Facts, resource: str) -> Figure:
    import plotly.graph_objects as go

    rows = [(i, row) for i, row in enumerate(facts.table) if _point(row, resource)]
    sources: list[str] = facts.sources(resource)
    figure = go.Figure()
    for name, marker in _CLASSES.items():
        for source in sources or [""]:
            chosen = [
                (i, row)
                for i, row in rows
                if _class_of(row) == name and (not source or row[SOURCES[resource]] == source)
            ]
            if chosen:
                label = f"{name}, {source}" if len(sources) > 1 else name
                symbol = _SYMBOLS[sources.index(source) % len(_SYMBOLS)] if source else "circle"
                figure.add_trace(
                    go.Scatter(
                        **_points(chosen, resource),
                        mode="markers",
                        name=label,
                        marker={**marker, "symbol": symbol},
                    )
                )
    title = RESOURCES[resource] + (f" · source: {', '.join(sources)}" if sources else "")
    values = [float(row[resource]) for _, row in rows]
    x_axis, x_line, x_note = _axis(values, facts.bounds.get(resource), wide=True)
    y_axis, y_line, y_note = _axis([error_of(row) for _, row in rows], facts.bounds.get("error"))
    title = title + (f" · {x_note}" if x_note else "")
    lay_out(figure, x_axis | {"title": title}, _error_axis(y_axis, y_note))
    _bound_lines(figure, x_line, y_line)
    return to_plain(figure)


def _error_axis(axis: Mapping[str, Any], note: str) -> dict[str, Any]:
    title = "Validation error, int8" + (f" · {note}" if note else "")
    return {**axis, "title": title, "tickformat": ".0%"}


def _axis(
    values: Sequence[float], bound: float | None, *, wide: bool = False
) -> tuple[dict[str, Any], float | None, str]:
    """(axis, the bound where it is to be drawn, what to say of a bound that is not)."""
    low, high = min(values), max(values)
    line, note = bound, ""
    if bound is not None and bound > _FAR * max(high, 1e-12):
        line, note = None, f"bound {bound:,}, beyond this view"
    if line is not None:
        low, high = min(low, line), max(high, line)
    if wide and low > 0 and high / low > _WIDE:
        ends = math.log10(low), math.log10(high)
        pad = 0.06 * (ends[1] - ends[0])
        # Ticks at 1, 2 and 5 of each decade.
        axis = {"type": "log", "range": [ends[0] - pad, ends[1] + pad], "dtick": "D2"}
        return axis, line, note
    pad = 0.06 * (high - low) or 0.1 * high or 1.0
    start = max(low - pad, -0.02 * high) if low >= 0 else low - pad
    return {"range": [start, high + pad]}, line, note


def _bound_lines(figure: Any, x: float | None, y: float | None) -> None:
    if x is not None:
        figure.add_shape(
            type="line",
            xref="x",
            yref="paper",
            x0=x,
            x1=x,
            y0=0,
            y1=1,
            line=_BOUND,
            layer="above",
        )
    if y is not None:
        figure.add_shape(
            type="line",
            xref="paper",
            yref="y",
            x0=0,
            x1=1,
            y0=y,
            y1=y,
            line=_BOUND,
            layer="above",
        )


def _progress(facts: Facts) -> Figure:
    import plotly.graph_objects as go

    rows = [(i, r) for i, r in enumerate(facts.table) if r["val_accuracy_int8"] is not None]
    figure = go.Figure()
    for name, marker in _CLASSES.items():
        chosen = [(i, row) for i, row in rows if _class_of(row) == name]
        if chosen:
            points = _points(chosen, "candidate_id")
            figure.add_trace(go.Scatter(**points, mode="markers", name=name, marker=marker))
    numbers, best = _best_so_far([row for _, row in rows])
    if numbers:
        last = max(facts.candidates, default=numbers[-1])
        figure.add_trace(
            go.Scatter(
                x=[*numbers, last],
                y=[*best, best[-1]],
                mode="lines",
                name="best so far",
                line={"shape": "hv", "color": "#d55e00", "width": 2},
                hoverinfo="skip",
            )
        )
    errors = [error_of(row) for _, row in rows]
    y_axis, y_line, y_note = _axis(errors, facts.bounds.get("error"))
    x_axis = {"title": "Candidate, in the order of asking", "rangemode": "tozero"}
    lay_out(figure, x_axis, _error_axis(y_axis, y_note))
    _bound_lines(figure, None, y_line)
    return to_plain(figure)


def _best_so_far(rows: Sequence[Record]) -> tuple[list[int], list[float]]:
    """Where the least error of a feasible row falls, and to what."""
    numbers: list[int] = []
    best: list[float] = []
    for row in rows:
        if row["feasible"] and (not best or error_of(row) < best[-1]):
            numbers.append(row["candidate_id"])
            best.append(round(error_of(row), 6))
    return numbers, best


def _stages(stage_s: Mapping[str, float]) -> Figure:
    import plotly.graph_objects as go

    ordered = sorted(stage_s.items(), key=lambda item: item[1])
    total = sum(stage_s.values()) or 1.0
    figure = go.Figure(
        go.Bar(
            x=[round(seconds, 3) for _, seconds in ordered],
            y=[stage for stage, _ in ordered],
            text=[f"{seconds:,.1f} s · {seconds / total:.1%}" for _, seconds in ordered],
            orientation="h",
            textposition="auto",
            marker={"color": "#0072b2"},
            hoverinfo="skip",
        )
    )
    lay_out(figure, {"title": "Seconds, over all workers"}, {"type": "category"})
    figure.update_layout(height=110 + 34 * len(ordered), showlegend=False)
    return to_plain(figure)
