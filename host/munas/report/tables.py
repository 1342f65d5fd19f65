"""The tables of a report, and the hover texts of its points, as escaped HTML.

Every text that comes from a ledger goes through `html.escape`: a run's name or an error's text may
hold anything.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from html import escape

from munas.latency import MacModel
from munas.report.facts import RESOURCES, SOURCES, Facts, Record
from munas.report.words import architecture, number, percent

# On a front of more, the rest would only make the page heavy.
ARCHITECTURES = 100


def cell(text: str, css: str = "") -> str:
    """One cell; `text` is plain."""
    return f"<td{f' class={css}' if css else ''}>{escape(text)}</td>"


def table(head: Sequence[str], rows: Iterable[str], css: str = "") -> str:
    """A table that scrolls by itself where it is wider than the window.

    `rows` are HTML; a title that begins with ">" stands over numbers.
    """
    cells = "".join(
        f"<th class=n>{escape(title[1:])}</th>" if title[0] == ">" else f"<th>{escape(title)}</th>"
        for title in head
    )
    body = "\n".join(rows)
    return (
        f'<div class="wide"><table class="{css}"><thead><tr>{cells}</tr></thead>'
        f"<tbody>\n{body}\n</tbody></table></div>"
    )


def _resource(row: Record, resource: str) -> str:
    """A value with its source where it has one."""
    value, column = row[resource], SOURCES.get(resource)
    if value is None or column is None:
        return cell(number(value), "n")
    return f"<td class=n>{number(value)} <small>{escape(str(row[column]))}</small></td>"


def _shown(facts: Facts) -> list[str]:
    """The resources that any row knows; the others would be empty columns."""
    return [name for name in RESOURCES if any(row[name] is not None for row in facts.table)]


def _title(resource: str) -> str:
    fixed = {"peak_memory_bytes": ", model"}
    return f">{RESOURCES[resource]}{fixed.get(resource, '')}"


def front_table(facts: Facts) -> str:
    """The front, least error first; columns of which nothing is known are left out."""
    rows, shown, model = facts.front, _shown(facts), facts.mac_model
    labels = {"board": "Board", "engine": "Engine", "epochs": ">Epochs", "rung": ">Rung"}
    known = [name for name in labels if any(row[name] is not None for row in rows)]
    prunes = any(row["sparsity"] is not None for row in rows)
    head = [
        ">Candidate", ">Validation accuracy, int8", ">Lost by int8 (points)",
        ">Test accuracy, int8 (test)", *([">Channels pruned"] if prunes else []),
        *(_title(name) for name in shown), *([_estimate_title(model)] if model else []),
        *(labels[name] for name in known), ">Parent", "Morphism", "Architecture",
    ]  # fmt: skip
    return table(head, (_front_row(row, shown, known, model, prunes) for row in rows))


def _estimate_title(model: MacModel) -> str:
    error = f" ±{model.error_percent:g} %" if model.error_percent is not None else ""
    return f">Latency by MACs (µs){error}"


def _front_row(
    row: Record, shown: Sequence[str], known: Sequence[str], model: MacModel | None, prunes: bool
) -> str:
    test, whole = row["test_accuracy_int8"], row["val_accuracy_float"]
    lost = "–" if whole is None else f"{100 * (whole - row['val_accuracy_int8']):+.2f}"
    cells = [
        cell(str(row["candidate_id"]), "n"),
        cell(percent(row["val_accuracy_int8"]), "n"),
        cell(lost, "n"),
        cell(percent(test) if test is not None else "not tested", "n"),
        *([cell(percent(row["sparsity"]), "n")] if prunes else []),
        *(_resource(row, name) for name in shown),
        *([cell(number(model.latency_us(row["macs"])), "n")] if model else []),
        *(_plain(row[name]) for name in known),
        cell(number(row["parent_id"]), "n"),
        cell(row["morphism"] or "drawn at random"),
        f"<td><code>{escape(row['architecture_sha256'][:12])}</code></td>",
    ]
    return f"<tr>{''.join(cells)}</tr>"


def _plain(value: str | int | None) -> str:
    return cell(number(value), "n") if isinstance(value, int) else cell(value or "–")


def finalists_table(facts: Facts) -> str:
    """What finalists reached over their seeds, the best mean first."""
    rows = []
    for each in facts.finalists:
        spread = "–" if each.deviation is None else f"± {100 * each.deviation:.2f} points"
        values = [
            str(each.candidate_id), percent(each.mean), spread,
            ", ".join(percent(value) for value in each.test_accuracies), str(each.tuned),
        ]  # fmt: skip
        rows.append(f"<tr>{''.join(cell(value, 'n') for value in values)}</tr>")
    head = [
        ">Candidate", ">Mean test accuracy, int8", ">Standard deviation", ">Each seed",
        ">Tuned for int8",
    ]  # fmt: skip
    return table(head, rows)


def architectures(facts: Facts) -> str:
    """The architecture of each row of the front, to be unfolded; of the first hundred rows."""
    rows = facts.front[:ARCHITECTURES]
    listed = "\n".join(_architecture(facts, row) for row in rows)
    left = len(facts.front) - len(rows)
    return listed + (f"<p>… and {left:,} more, which the ledger holds.</p>" if left else "")


def _architecture(facts: Facts, row: Record) -> str:
    value = facts.deployed(row)
    lines = architecture(value)
    items = "".join(f"<li>{escape(line)}</li>" for line in lines or [])
    words = f"<ul class=blocks>{items}</ul>" if lines else "<p>This munas cannot read it.</p>"
    text = json.dumps(value, separators=(",", ":"))
    return (
        f"<details><summary>Candidate {row['candidate_id']}: "
        f"{escape(percent(row['val_accuracy_int8']))}, {number(row['macs'])} MACs</summary>"
        f"{words}<details><summary>As JSON, for <code>munas cost</code>, <code>munas morph</code> "
        f"and <code>munas convert</code></summary><pre>{escape(text)}</pre></details></details>"
    )


def all_table(facts: Facts) -> str:
    """Every result, also those that failed, with what went wrong."""
    shown = _shown(facts)
    head = [
        ">Candidate", "Status", ">Validation accuracy, int8", *(_title(name) for name in shown),
        ">Rung", ">Parent", "Morphism", "Error",
    ]  # fmt: skip
    return table(head, (_any_row(row, shown) for row in facts.table), "all")


def status_of(row: Record) -> str:
    """A row's status for people."""
    if row["status"] == "failed":
        return "failed"
    if row["status"] == "infeasible":
        return "screened out"
    if row["on_front"]:
        return "front"
    return "within bounds" if row["feasible"] else "outside bounds"


def _any_row(row: Record, shown: Sequence[str]) -> str:
    status = status_of(row)
    cells = [
        cell(str(row["candidate_id"]), "n"),
        cell(status),
        cell(percent(row["val_accuracy_int8"]), "n"),
        *(_resource(row, name) for name in shown),
        cell(str(row["rung"]), "n"),
        cell(number(row["parent_id"]), "n"),
        cell(row["morphism"] or ""),
        cell(row["error"] or ""),
    ]
    css = {"front": " class=front", "failed": " class=failed"}.get(status, "")
    return f"<tr{css}>{''.join(cells)}</tr>"


def bounds_table(facts: Facts) -> str:
    """Each bound, how many of the results that know the quantity are within it, and the least.

    Values of different sources are counted apart.
    """
    rows = []
    for name in ("error", *RESOURCES):
        if name in facts.bounds:
            rows += [_bound_row(facts, name, source) for source in facts.sources(name) or [""]]
    return table(["Quantity", ">At most", ">Results within", ">Least of all"], rows)


def _bound_row(facts: Facts, name: str, source: str) -> str:
    bound = facts.bounds[name]
    shown = percent if name == "error" else number
    title = "Validation error, int8" if name == "error" else RESOURCES[name]
    chosen = [row for row in facts.table if not source or row[SOURCES[name]] == source]
    known = [value for row in chosen if (value := _quantity(row, name)) is not None]
    within = sum(value <= bound + (1e-12 if name == "error" else 0) for value in known)
    share = f"{within:,} of {len(known):,}" if known else "not known for any"
    least = shown(min(known, default=None))
    numbers = "".join(cell(text, "n") for text in (shown(bound), share, least))
    return f"<tr>{cell(title + (f', {source}' if source else ''))}{numbers}</tr>"


def _quantity(row: Record, name: str) -> float | None:
    if name == "error":
        accuracy = row["val_accuracy_int8"]
        return None if accuracy is None else 1 - accuracy
    value: float | None = row.get(name)
    return value


def hover_texts(facts: Facts) -> list[str]:
    """The hover text of every row of the table, in its order; plotly's own small HTML."""
    return ["" if row["val_accuracy_int8"] is None else _hover(row) for row in facts.table]


def _hover(row: Record) -> str:
    lines = [f"<b>Candidate {row['candidate_id']}</b>, {status_of(row)}"]
    if row["morphism"]:
        lines.append(f"{escape(row['morphism'])} of {row['parent_id']}")
    test = row["test_accuracy_int8"]
    lines.append(
        f"accuracy {percent(row['val_accuracy_int8'])}"
        + (f", test {percent(test)}" if test is not None else "")
    )
    for name, title in RESOURCES.items():
        if row[name] is not None:
            source = f", {row[SOURCES[name]]}" if name in SOURCES else ""
            lines.append(f"{title}: {number(row[name])}{escape(source)}")
    return "<br>".join(lines)
