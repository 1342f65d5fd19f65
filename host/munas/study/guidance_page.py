"""The page and the files of a comparison of guides. Knows rows and their summary alone."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from munas.pages import page, place, section
from munas.plots import Figure, lay_out, to_plain
from munas.store.output import write_output
from munas.study.page import table
from munas.study.picks import COLUMNS, Row, beyond, verdict

_LOOKS = {
    "macs": {"name": "guided by MACs", "color": "#d55e00"},
    "measured": {"name": "guided by measuring", "color": "#0072b2"},
}


def write(
    folder: Path, rows: Sequence[Row], found: Mapping[str, Any], title: str, command: str
) -> Path:
    """Write `picks.csv`, `summary.json` and the page; the page's path. Raises BadInputError."""
    import pandas as pd

    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    write_output(folder / "picks.csv", frame.to_csv(index=False).encode())
    text = json.dumps({**found, "verdict": verdict(found), "command": command}, indent=1) + "\n"
    write_output(folder / "summary.json", text.encode())
    target = folder / "index.html"
    write_output(target, render(rows, found, title, command).encode())
    return target


def render(rows: Sequence[Row], found: Mapping[str, Any], title: str, command: str) -> str:
    """The page as text."""
    bounds, ratios = found["bounds"], found["latency_ratio"]
    best = found["best_accuracy_within_bounds"]
    heads = ["Seed", "Best int8 accuracy, by MACs", "by measuring", "Latency by MACs / measured"]
    per_seed = [
        [
            str(seed),
            *(_percent(best.get(guide, {}).get(str(seed))) for guide in ("macs", "measured")),
            _ratio(ratios["by_seed"].get(str(seed))),
        ]
        for seed in found["seeds"]
    ]
    where = (
        f"{', '.join(found['board'])}, engine {', '.join(found['engine'])}, source "
        f"{', '.join(found['source'])}; bounds: latency {bounds['latency_us']:,} µs, arena "
        f"{bounds['arena_used_bytes']:,} B; by MACs: {bounds['macs']:,} MACs, peak memory "
        f"{bounds['arena_used_bytes']:,} B."
    )
    parts = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="headline">{escape(verdict(found))}</p>',
        f"<p>{escape(where)}</p>",
        section(
            "Error and measured latency",
            place("guides", "Validation error against measured latency, by guide"),
        ),
        section("By seed", table(heads, per_seed)),
        section("How it was found", _METHOD, f"<pre>{escape(command)}</pre>"),
    ]
    return page(title, "\n".join(parts), {"guides": figure(rows, found)})


_METHOD = (
    "<p>Both guides have the same space, seeds, training and number of candidates. Accuracies are "
    "those of the int8 model on validation images. What the search by MACs holds to be within its "
    "bounds was measured after the search. At equal accuracy the pick by MACs is the candidate of "
    "the fewest MACs that is at least as accurate, the pick by measuring that of the least "
    "latency.</p>"
)


def figure(rows: Sequence[Row], found: Mapping[str, Any]) -> Figure:
    """Every feasible candidate: error against measured latency; hollow where a bound is broken."""
    import plotly.graph_objects as go

    bounds = found["bounds"]
    drawn = go.Figure()
    for guide, look in _LOOKS.items():
        for broken in (False, True):
            chosen = [
                row
                for row in rows
                if row["guide"] == guide and row["failed"] is None
                and _breaks(row, bounds) == broken
            ]  # fmt: skip
            if not chosen:
                continue
            drawn.add_trace(
                go.Scatter(
                    x=[row["latency_us"] / 1000 for row in chosen],
                    y=[1 - row["val_accuracy_int8"] for row in chosen],
                    mode="markers",
                    name=look["name"] + (", breaks a bound" if broken else ""),
                    marker={
                        "color": look["color"],
                        "symbol": "circle-open" if broken else "circle",
                        "size": [11 if row["on_front"] else 6 for row in chosen],
                        "line": {"width": 1.5},
                    },
                )
            )
    drawn.add_vline(x=bounds["latency_us"] / 1000, line={"dash": "dash", "color": "#9a3b00"})
    source = (
        f"{', '.join(found['source'])}, {', '.join(found['board'])}, {', '.join(found['engine'])}"
    )
    lay_out(
        drawn,
        {"title": f"Latency in ms · {source}", "rangemode": "tozero"},
        {"title": "Validation error, int8", "tickformat": ".0%"},
    )
    drawn.update_layout(height=460)
    return to_plain(drawn)


def _breaks(row: Row, bounds: Mapping[str, int]) -> bool:
    return any(beyond(row, name, bounds[name]) for name in ("latency_us", "arena_used_bytes"))


def _percent(share: float | None) -> str:
    return "none" if share is None else f"{share:.1%}"


def _ratio(found: Mapping[str, Any] | None) -> str:
    return "–" if found is None else f"{found['value']:.2f}"
