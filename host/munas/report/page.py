"""Puts a report together: one HTML page that shows itself without a network."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

from munas.pages import bullets, definitions, page, place, section
from munas.report import tables
from munas.report.facts import RESOURCES, Facts, gather
from munas.report.figures import figures
from munas.report.listing import experiment_toml
from munas.report.words import duration, headline, latency_sentence, memory_sentences, silences
from munas.store import Ledger
from munas.store.output import require_writable, write_output


def write_report(ledger: Ledger, out: Path) -> None:
    """Write the report of a run to `out`, as `munas.store.output.write_output` does.

    Raises BadInputError where the file cannot be written, and LedgerError.
    """
    require_writable(out, inputs=[ledger.path])
    write_output(out, render(gather(ledger)).encode(), inputs=[ledger.path])


def render(facts: Facts) -> str:
    """The page as text."""
    shown = figures(facts)
    body = f"""<h1>{escape(facts.run.name)}</h1>
<p class="headline">{escape(headline(facts))}</p>
{_run(facts)}
<p>{escape(latency_sentence(facts.run.identity))}</p>
{_scatters(shown)}
{_front(facts)}
{_finalists(facts)}
{_bounds(facts)}
{_sources(facts)}
{_course(shown)}
{_candidates(facts)}
{_reproduce(facts)}"""
    return page(facts.run.name, body, shown, tables.hover_texts(facts))


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
    return definitions(pairs)


def _sources(facts: Facts) -> str:
    return section(
        "Where the numbers come from",
        bullets(
            [
                latency_sentence(facts.run.identity),
                "Accuracy: that of the int8 model, as it would be shipped.",
                *memory_sentences(facts),
            ]
        ),
        "<h3>What they do not say</h3>",
        bullets(silences(facts)),
    )


def _scatters(shown: dict[str, Any]) -> str:
    places = [
        place(f"scatter-{name}", f"Validation error against {title}")
        for name, title in RESOURCES.items()
        if f"scatter-{name}" in shown
    ]
    if not places:
        return section("Error against resources", "<p>No candidate was trained to its end.</p>")
    return section(
        "Error against resources",
        "<p>Each point is a candidate; dashed lines are bounds, and good is down and to the left. "
        "Point at one for its values; drag to zoom, double-click to go back.</p>",
        f'<div class="plots">{"".join(places)}</div>',
    )


def _front(facts: Facts) -> str:
    if not facts.front:
        return section("The front", "<p>The front is empty: nothing is within all bounds.</p>")
    return section(
        "The front",
        "<p>No other candidate within the bounds is at least as good in everything and better in "
        "something. The test images are used for these alone, once the search has ended.</p>",
        tables.front_table(facts),
        "<h3>Their architectures</h3>",
        tables.architectures(facts),
    )


def _finalists(facts: Facts) -> str:
    if not facts.finalists:
        return ""
    return section(
        "Finalists",
        "<p>The most accurate of the front, trained anew from scratch with seeds of their own. One "
        "training of a network is partly luck, and a search shows the luckiest; this is what the "
        "architectures give.</p>",
        tables.finalists_table(facts),
    )


def _bounds(facts: Facts) -> str:
    if not facts.bounds:
        return section("Bounds", "<p>Nothing is bounded.</p>")
    return section("Bounds", tables.bounds_table(facts))


def _course(shown: dict[str, Any]) -> str:
    parts = []
    if "progress" in shown:
        parts += ["<h3>Progress</h3>", place("progress", "Error of each candidate")]
    if "stages" in shown:
        parts += ["<h3>Where the time went</h3>", place("stages", "Seconds by stage")]
    return section("The course of the search", *parts) if parts else ""


def _candidates(facts: Facts) -> str:
    count = len(facts.table)
    if not count:
        return ""
    return section(
        "All candidates",
        f"<details><summary>{count:,} result{'s' * (count != 1)}</summary>"
        f"{tables.all_table(facts)}</details>",
    )


def _reproduce(facts: Facts) -> str:
    identity = facts.run.identity
    versions = identity.get("versions") or identity.get("packages") or {}
    listed = ", ".join(f"{name} {version}" for name, version in versions.items())
    digest = identity.get("dataset_sha256")
    return section(
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
