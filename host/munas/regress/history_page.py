"""The history of a firmware as one self-contained page: series, where they changed, every check.

Must not know how a history is kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from munas.experiment import Suite
from munas.pages import bullets, definitions, page, place, section
from munas.plots import Figure, lay_out, to_plain
from munas.regress.history import Change, Check, History, Series, changes
from munas.store.output import write_output

_TITLES = {
    "cycles": "cycles",
    "arena_used_bytes": "arena",
    "stack_bytes": "stack",
    "image_flash_bytes": "flash",
    "image_ram_bytes": "RAM",
}
_MOST_LINES = 12
_MOST_TOLD = 6
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")


def write_history(history: History, suite: Suite, out: Path, source: Path) -> None:
    """Write the page to `out`. Raises BadInputError where it cannot be written."""
    checks, series = history.checks(), history.series()
    page_text = render(suite, checks, series, changes(series, suite))
    write_output(out, page_text.encode(), inputs=[source])


def render(
    suite: Suite, checks: Sequence[Check], series: Sequence[Series], found: Sequence[Change]
) -> str:
    """The page as text."""
    figures = _figures(checks, series, found)
    labels = {check.number: check.label for check in checks}
    body = f"""<h1>{escape(suite.name)}</h1>
<p class="headline">{escape(_headline(checks, found))}</p>
{definitions(_facts(suite, checks, series))}
{_series_section(figures)}
{_changes_section(found, labels)}
{_checks_section(checks)}
{_words(series)}"""
    return page(f"{suite.name}: history", body, figures)


def _headline(checks: Sequence[Check], found: Sequence[Change]) -> str:
    if not checks:
        return "No check was made yet."
    last = checks[-1]
    count = len(found)
    changed = "Nothing changed its level" if not found else f"{count} changes of level"
    return f"{changed} in {len(checks)} checks; the last, {last.label}: {last.verdict}."


def _facts(suite: Suite, checks: Sequence[Check], series: Sequence[Series]) -> dict[str, str]:
    times = [check.at.replace("T", " ").split(".")[0] + " UTC" for check in checks]
    return {
        "Models": ", ".join(model.name for model in suite.models),
        "Boards and engines": ", ".join(sorted({each.group for each in series})) or "none yet",
        "First check": times[0] if times else "none",
        "Last check": times[-1] if times else "none",
    }


def _figures(
    checks: Sequence[Check], series: Sequence[Series], found: Sequence[Change]
) -> dict[str, Figure]:
    figures = {}
    groups: dict[str, list[Series]] = {}
    for each in series:
        groups.setdefault(each.group, []).append(each)
    for number, (group, members) in enumerate(groups.items()):
        for metric in _TITLES:
            shown = [each for each in members if any(each.values[metric])]
            if metric.startswith("image_"):
                shown = shown[:1]  # every case of an image has the image's size
            if shown:
                figures[f"{metric}-{number}"] = _figure(group, metric, checks, shown, found)
    return figures


def _figure(
    group: str,
    metric: str,
    checks: Sequence[Check],
    series: Sequence[Series],
    found: Sequence[Change],
) -> Figure:
    """Cycles relative to the first check, so that models share an axis; sizes as they are."""
    import plotly.graph_objects as go

    figure = go.Figure()
    labels = {check.number: check.label for check in checks}
    relative = metric == "cycles"
    for index, each in enumerate(series[:_MOST_LINES]):
        pairs = [
            (check, value)
            for check, value in zip(each.checks, each.values[metric], strict=True)
            if value is not None
        ]
        first = pairs[0][1] or 1
        # A check that did not measure it is a gap in the line.
        known = dict(pairs)
        drawn = [number for number in labels if number >= pairs[0][0]]
        name = each.name.split(" · ")[0] if not metric.startswith("image_") else "image"
        called = f"image · {group}" if metric.startswith("image_") else each.name
        changed = {one.number for one in found if (one.name, one.metric) == (called, metric)}
        figure.add_scatter(
            x=drawn,
            y=[_height(known.get(number), first if relative else None) for number in drawn],
            connectgaps=False,
            name=name,
            mode="lines+markers",
            line={"shape": "hv", "color": _COLOURS[index % len(_COLOURS)]},
            marker={
                "size": [11 if number in changed else 5 for number in drawn],
                "symbol": ["diamond" if number in changed else "circle" for number in drawn],
            },
            text=[f"{name}, {labels[number]}: {known.get(number, 0):,}" for number in drawn],
            hoverinfo="text",
        )
    unit = "cycles, % against the first check" if relative else f"{_TITLES[metric]}, bytes"
    ticks = sorted(labels)[:: max(1, len(labels) // 8)]
    axis: Mapping[str, Any] = {"tickvals": ticks, "ticktext": [labels[n] for n in ticks]}
    values = {"title": {"text": unit}} | ({} if relative else {"tickformat": ",d"})
    lay_out(figure, dict(axis), values)
    figure.update_layout(title={"text": group, "font": {"size": 13}}, margin={"t": 60})
    return to_plain(figure)


def _height(value: int | None, first: int | None) -> float | None:
    """In percent against `first` where that is given; null where nothing was measured."""
    if value is None or first is None:
        return value
    return 100 * (value / first - 1)


def _series_section(figures: Mapping[str, Figure]) -> str:
    if not figures:
        return section("Over the checks", "<p>Nothing was measured yet.</p>")
    places = "".join(
        place(name, f"{_TITLES[name.rsplit('-', 1)[0]]} over the checks") for name in figures
    )
    return section(
        "Over the checks",
        "<p>A diamond is where a level changed. Point at a mark for its value.</p>",
        f'<div class="plots">{places}</div>',
    )


def _changes_section(found: Sequence[Change], labels: Mapping[int, str]) -> str:
    if not found:
        return section("Where it changed", "<p>Nothing changed its level.</p>")
    rows = "".join(
        f"<tr><td>{escape(labels.get(each.number, str(each.number)))}</td>"
        f"<td>{escape(each.name)}</td><td>{_TITLES[each.metric]}</td>"
        f'<td class="n">{each.before:,.0f}</td><td class="n">{each.after:,.0f}</td>'
        f'<td class="n">{100 * (each.after / each.before - 1):+.3g} %</td></tr>'
        for each in reversed(found)
    )
    return section(
        "Where it changed",
        '<div class="wide"><table><thead><tr><th>from check</th><th>case</th><th>what</th>'
        '<th class="n">before</th><th class="n">after</th><th class="n">change</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></div>",
    )


def _checks_section(checks: Sequence[Check]) -> str:
    rows = "".join(
        f"<tr><td>{escape(each.label)}</td><td>{escape(each.verdict)}</td>"
        f"<td>{escape(each.at.replace('T', ' ').split('.')[0])}</td>"
        f"<td><code>{escape(each.commit or '–')}</code></td><td>{_told(each)}</td></tr>"
        for each in reversed(checks)
    )
    return section(
        "All checks",
        '<div class="wide"><table><thead><tr><th>check</th><th>verdict</th><th>UTC</th>'
        f"<th>commit</th><th>what was not the same</th></tr></thead><tbody>{rows}</tbody></table>"
        "</div>",
    )


def _told(check: Check) -> str:
    shown = "<br>".join(escape(line) for line in check.told[:_MOST_TOLD])
    more = len(check.told) - _MOST_TOLD
    return f"{shown}<br>… and {more} more" if more > 0 else shown or "–"


def _words(series: Sequence[Series]) -> str:
    sources = sorted({each.source for each in series})
    said = [
        f"Cycles are {' and '.join(sources) or 'not there yet'}."
        + (
            " Emulated ones are a model's, and repeat to the cycle."
            if "emulated" in sources
            else ""
        ),
        "Of what repeats exactly, every step is a change. Other series are parted by PELT, and a "
        "part is kept where both sides differ by Mann and Whitney's test.",
    ]
    return section("How to read this", bullets(said))
