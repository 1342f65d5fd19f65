"""The page and the files of a comparison of algorithms. Knows courses and their summary alone."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from munas.pages import page, place, section
from munas.plots import Figure, lay_out, to_plain
from munas.store.output import write_output
from munas.study.budgets import COLUMNS, Course, Step, verdict
from munas.study.page import table

_COLORS = {
    "random": "#7a8494",
    "paper": "#d55e00",
    "ours": "#0072b2",
    "nsga2": "#009e73",
    "tpe": "#cc79a7",
}
_POINTS = 200  # of a mean curve

Axis = Callable[[Step], float]


def write(
    folder: Path, courses: Sequence[Course], found: Mapping[str, Any], title: str, command: str
) -> Path:
    """Write `curves.csv`, `summary.json` and the page; the page's path. Raises BadInputError."""
    import pandas as pd

    rows = [_row(course, step) for course in courses for step in course.steps]
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    write_output(folder / "curves.csv", frame.to_csv(index=False).encode())
    text = json.dumps({**found, "verdict": verdict(found), "command": command}, indent=1) + "\n"
    write_output(folder / "summary.json", text.encode())
    target = folder / "index.html"
    write_output(target, render(courses, found, title, command).encode())
    return target


def _row(course: Course, step: Step) -> dict[str, Any]:
    return {
        "arm": course.arm,
        "seed": course.seed,
        "candidate_id": step.candidate_id,
        "status": step.status,
        "epochs": step.epochs,
        "train_s": round(step.train_s, 3),
        "hypervolume": step.hypervolume,
        "objectives": " ".join(f"{value:.6g}" for value in step.objectives),
    }


def render(courses: Sequence[Course], found: Mapping[str, Any], title: str, command: str) -> str:
    """The page as text."""
    bounds = ", ".join(f"{name} ≤ {value:,}" for name, value in found["bounds"].items())
    parts = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="headline">{escape(verdict(found))}</p>',
        f"<p>{escape(f'Bounds: {bounds}. Latency source: ' + ', '.join(found['source']))}.</p>",
        section(
            "Over candidates", place("candidates", "Hypervolume over candidates, by algorithm")
        ),
        section(
            "Over the cost of training",
            place("epochs", "Hypervolume over epochs of training, by algorithm"),
        ),
        section("At the end", _ends(found)),
        section("Cost of what paper reaches at its end", _reached(found)),
        section("How it was found", _METHOD, f"<pre>{escape(command)}</pre>"),
    ]
    figures = {
        "candidates": figure(courses, lambda step: step.candidate_id, "Candidates asked for"),
        "epochs": figure(courses, lambda step: step.epochs, "Epochs of training, all candidates"),
    }
    return page(title, "\n".join(part for part in parts if part), figures)


_METHOD = (
    "<p>All algorithms have the same data, training, bounds and latency source. Objectives are the "
    "int8 validation error and every bounded resource, each over its bound; the hypervolume is the "
    "share of what is within all bounds that a run's candidates dominate. An epoch is a pass over "
    "the training images, whatever the network. Thick: the mean over seeds, as far as all seeds "
    "go; shaded: from the lowest to the highest seed; thin: each seed.</p>"
)


def _ends(found: Mapping[str, Any]) -> str:
    heads = ["Algorithm", "Seed", "Candidates", "Epochs", "Training, s", "Hypervolume"]
    rows = [
        [
            arm,
            seed,
            f"{end['candidates']:,}",
            f"{end['epochs']:,}",
            f"{end['train_s']:,.0f}",
            f"{end['hypervolume']:.4f}",
        ]
        for arm, final in found["final"].items()
        for seed, end in final["by_seed"].items()
    ]
    return table(heads, rows)


def _reached(found: Mapping[str, Any]) -> str:
    if found["to_reach_paper"] is None:
        return "<p>The algorithm paper is not among those compared.</p>"
    heads = [
        "Algorithm",
        "Seeds that reached it",
        "Epochs of paper over its own",
        "Seconds of paper over its own",
    ]
    rows = [
        [
            arm,
            f"{each['reached']} of {each['of']}",
            _times(each["cheaper_epochs"]),
            _times(each["cheaper_train_s"]),
        ]
        for arm, each in found["to_reach_paper"].items()
    ]
    return table(heads, rows)


def _times(ratio: float | None) -> str:
    return "–" if ratio is None else f"{ratio:.2f}"


def figure(courses: Sequence[Course], axis: Axis, name: str) -> Figure:
    """Hypervolume over `axis`: every run, and by algorithm the mean and the range over seeds."""
    import plotly.graph_objects as go

    drawn = go.Figure()
    for arm in dict.fromkeys(course.arm for course in courses):
        own = [_stairs(course, axis) for course in courses if course.arm == arm]
        color = _COLORS.get(arm, "#1c2330")
        for at, heights in own:
            drawn.add_trace(
                go.Scatter(
                    x=at, y=heights, mode="lines", legendgroup=arm, showlegend=False,
                    line={"color": color, "width": 0.8, "shape": "hv"}, opacity=0.5,
                    hoverinfo="skip",
                )
            )  # fmt: skip
        _add_mean(drawn, arm, color, own)
    lay_out(
        drawn,
        {"title": name, "rangemode": "tozero"},
        {"title": "Hypervolume, share of the box of bounds", "rangemode": "tozero"},
    )
    return to_plain(drawn)


Stairs = tuple[list[float], list[float]]


def _stairs(course: Course, axis: Axis) -> Stairs:
    """A run from nothing on: where on the axis, and how high from there."""
    at = [0.0, *(float(axis(step)) for step in course.steps)]
    return at, [0.0, *(step.hypervolume for step in course.steps)]


def _add_mean(drawn: Any, arm: str, color: str, own: Sequence[Stairs]) -> None:
    import plotly.graph_objects as go

    end = min(at[-1] for at, _ in own)
    grid = [end * index / _POINTS for index in range(_POINTS + 1)]
    heights = [[_height(one, x) for one in own] for x in grid]
    low, high = [min(each) for each in heights], [max(each) for each in heights]
    shaded = {"mode": "lines", "legendgroup": arm, "showlegend": False, "hoverinfo": "skip"}
    flat = {"width": 0, "shape": "hv"}
    drawn.add_trace(go.Scatter(x=grid, y=low, line=flat, **shaded))
    drawn.add_trace(
        go.Scatter(x=grid, y=high, line=flat, fill="tonexty", fillcolor=_pale(color), **shaded)
    )
    drawn.add_trace(
        go.Scatter(
            x=grid,
            y=[sum(each) / len(each) for each in heights],
            mode="lines",
            name=arm,
            legendgroup=arm,
            line={"color": color, "width": 2.5, "shape": "hv"},
        )
    )


def _height(stairs: Stairs, x: float) -> float:
    at, heights = stairs
    return heights[bisect_right(at, x) - 1]


def _pale(color: str) -> str:
    red, green, blue = (int(color[place : place + 2], 16) for place in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.12)"
