"""Puts a report together: one HTML page that shows itself without a network.

Its policy (Content-Security-Policy) forbids the page any connection, so a browser enforces what
this module promises.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from html import escape
from pathlib import Path
from typing import Any

from munas.errors import BadInputError
from munas.report import tables
from munas.report.facts import RESOURCES, Facts, gather
from munas.report.figures import figures
from munas.report.listing import experiment_toml
from munas.report.style import SCRIPT, STYLE
from munas.report.words import duration, headline, latency_sentence, memory_sentences, silences
from munas.store import Ledger
from munas.store.export import write_atomically

_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "img-src data: blob:; base-uri 'none'; form-action 'none'"
)


def write_report(ledger: Ledger, out: Path) -> None:
    """Write the report of a run to `out`, whole or not at all.

    Raises BadInputError where the file cannot be written, and LedgerError.
    """
    if out.resolve() == ledger.path.resolve():
        raise BadInputError(
            f"The report would replace the ledger {ledger.path} itself.", "Give another path."
        )
    write_atomically(out, render(gather(ledger)).encode())


def render(facts: Facts) -> str:
    """The page as text."""
    from plotly.offline import get_plotlyjs

    shown = figures(facts)
    data = _script_json({"figures": shown, "hover": tables.hover_texts(facts)})
    name = escape(facts.run.name)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{name} · munas</title>
<style>{STYLE}</style>
</head>
<body>
<main>
<h1>{name}</h1>
<p class="headline">{escape(headline(facts))}</p>
{_run(facts)}
<p>{escape(latency_sentence(facts.run.identity))}</p>
{_scatters(shown)}
{_front(facts)}
{_bounds(facts)}
{_sources(facts)}
{_course(shown)}
{_candidates(facts)}
{_reproduce(facts)}
</main>
<script>{get_plotlyjs()}</script>
<script>const report = {data};
{SCRIPT}</script>
</body>
</html>
"""


def _script_json(value: Any) -> str:
    """JSON that can stand inside a script element: nothing in it can end the element."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _section(title: str, *parts: str) -> str:
    return f"<section><h2>{escape(title)}</h2>\n" + "\n".join(parts) + "\n</section>"


def _list(items: Iterable[str]) -> str:
    return "<ul>" + "".join(f"<li>{escape(item)}</li>" for item in items) + "</ul>"


def _run(facts: Facts) -> str:
    identity, experiment = facts.run.identity, facts.run.experiment
    data = identity.get("dataset", "not recorded")
    origin = identity.get("dataset_origin")
    asked = (experiment.get("data") or {}).get("name")
    instead = f", in place of {asked}" if asked and asked != data else ""
    space, search = experiment.get("space") or {}, experiment.get("search") or {}
    pending = facts.pending
    pairs = {
        "State": facts.state
        + (f"; {len(pending):,} more asked for, without a result" if pending else ""),
        "Data set": f"{data}{instead}" + (f", from {origin}" if origin else ""),
        "Search": f"{search.get('algorithm', 'not recorded')} in the space "
        f"{space.get('name', 'not recorded')}",
        "Seed": f"{identity.get('seed', 'not recorded')}",
        "Workers": f"{identity.get('workers', 'not recorded')}"
        + (f", lag {identity['lag']}" if "lag" in identity else ""),
        "Started": facts.run.created_at.replace("T", " ").split(".")[0] + " UTC",
        "Wall time": duration(facts.wall_s),
        "Ledger": facts.ledger,
    }
    items = "".join(f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>" for k, v in pairs.items())
    return f"<dl>{items}</dl>"


def _sources(facts: Facts) -> str:
    return _section(
        "Where the numbers come from",
        _list(
            [
                latency_sentence(facts.run.identity),
                "Accuracy: that of the int8 model, as it would be shipped.",
                *memory_sentences(facts),
            ]
        ),
        "<h3>What they do not say</h3>",
        _list(silences(facts)),
    )


def _place(name: str, label: str) -> str:
    return f'<div class="plot" id="{escape(name)}" role="img" aria-label="{escape(label)}"></div>'


def _scatters(shown: dict[str, Any]) -> str:
    places = [
        _place(f"scatter-{name}", f"Validation error against {title}")
        for name, title in RESOURCES.items()
        if f"scatter-{name}" in shown
    ]
    if not places:
        return _section("Error against resources", "<p>No candidate was trained to its end.</p>")
    return _section(
        "Error against resources",
        "<p>Each point is a candidate; dashed lines are bounds, and good is down and to the left. "
        "Point at one for its values; drag to zoom, double-click to go back.</p>",
        f'<div class="plots">{"".join(places)}</div>',
    )


def _front(facts: Facts) -> str:
    if not facts.front:
        return _section("The front", "<p>The front is empty: nothing is within all bounds.</p>")
    return _section(
        "The front",
        "<p>No other candidate within the bounds is at least as good in everything and better in "
        "something. The test images are used for these alone, once the search has ended.</p>",
        tables.front_table(facts),
        "<h3>Their architectures</h3>",
        tables.architectures(facts),
    )


def _bounds(facts: Facts) -> str:
    if not facts.bounds:
        return _section("Bounds", "<p>Nothing is bounded.</p>")
    return _section("Bounds", tables.bounds_table(facts))


def _course(shown: dict[str, Any]) -> str:
    parts = []
    if "progress" in shown:
        parts += ["<h3>Progress</h3>", _place("progress", "Error of each candidate")]
    if "stages" in shown:
        parts += ["<h3>Where the time went</h3>", _place("stages", "Seconds by stage")]
    return _section("The course of the search", *parts) if parts else ""


def _candidates(facts: Facts) -> str:
    count = len(facts.table)
    if not count:
        return ""
    return _section(
        "All candidates",
        f"<details><summary>{count:,} result{'s' * (count != 1)}</summary>"
        f"{tables.all_table(facts)}</details>",
    )


def _reproduce(facts: Facts) -> str:
    identity = facts.run.identity
    versions = identity.get("versions") or identity.get("packages") or {}
    listed = ", ".join(f"{name} {version}" for name, version in versions.items())
    digest = identity.get("dataset_sha256")
    return _section(
        "To reproduce",
        "<p>The command:</p>",
        f"<pre>{escape(facts.run.command)}</pre>",
        "<p>The whole experiment, with the seed, workers and lag that the history follows from. "
        "Saved as <code>again.toml</code>, it is run by <code>munas search again.toml</code>:</p>",
        f"<details><summary>Experiment</summary><pre>{escape(experiment_toml(facts.run))}</pre>"
        "</details>",
        f"<p>Versions: {escape(listed or 'not recorded')}.</p>",
        f"<p>SHA-256 of the data: <code>{escape(str(digest))}</code></p>" if digest else "",
    )
