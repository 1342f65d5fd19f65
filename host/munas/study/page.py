"""The page of a study: one file that shows itself without a network.

Knows results, not how points were measured.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from munas.pages import bullets, definitions, page, place, section
from munas.stats import Interval, too_few
from munas.store.output import write_output
from munas.study.analysis import SeriesResult, StudyResult
from munas.study.figures import figures, hover_texts
from munas.study.groups import Spread
from munas.study.points import failures_by_reason
from munas.study.verdict import COARSE_MAPE, COARSE_SHARE, GOOD_MAPE, GOOD_SHARE, percent
from munas.study.words import board_line, build_lines

_SHOWN_FAILURES = 20
_COEFFICIENTS = {"pearson": "Pearson", "spearman": "Spearman", "kendall": "Kendall", "r2": "R²"}
_HEADS = ("Models", *_COEFFICIENTS.values(), "MAPE of line", "Misordered")

Cell = str


def write_page(
    path: Path,
    result: StudyResult,
    *,
    title: str,
    command: str = "",
    stage_s: Mapping[str, float] | None = None,
    sampling: str = "",
) -> None:
    """Write the page to `path`, whole or not at all.

    `stage_s` are seconds by stage, `sampling` says how the architectures were chosen. Raises
    BadInputError where the file cannot be written.
    """
    text = render(result, title=title, command=command, stage_s=stage_s, sampling=sampling)
    write_output(path, text.encode())


def render(
    result: StudyResult,
    *,
    title: str,
    command: str = "",
    stage_s: Mapping[str, float] | None = None,
    sampling: str = "",
) -> str:
    """The page as text."""
    shown = figures(result)
    headlines = "".join(
        f'<p class="headline">{escape(series.verdict.sentence)}</p>' for series in result.series
    )
    parts = [f"<h1>{escape(title)}</h1>", headlines, _coefficients(result)]
    if len(result.series) > 1:
        parts.append(_together(result))
    parts += [_series(index, series, shown) for index, series in enumerate(result.series)]
    parts += [_failures(result), _course(stage_s or {}), _method(command, sampling)]
    return page(title, "\n".join(parts), shown, hover_texts(result))


def table(heads: Sequence[str], rows: Iterable[Sequence[Cell]], texts: int = 1) -> str:
    """A table that scrolls by itself; the first `texts` columns are texts, the others numbers."""
    head = "".join(f"<th{_numeric(i >= texts)}>{escape(name)}</th>" for i, name in enumerate(heads))
    body = "".join(
        "<tr>"
        + "".join(f"<td{_numeric(i >= texts)}>{escape(cell)}</td>" for i, cell in enumerate(row))
        + "</tr>"
        for row in rows
    )
    return (
        f'<div class="wide"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _numeric(numeric: bool) -> str:
    return ' class="n"' if numeric else ""


def interval(found: Interval | None, digits: int = 3) -> str:
    """`0.87 [0.81, 0.91]`; a dash where there is none."""
    if found is None:
        return "–"
    value, low, high = (f"{end:,.{digits}f}" for end in (found.value, found.low, found.high))
    return f"{value} [{low}, {high}]"


def _coefficients(result: StudyResult) -> str:
    rows = [[str(series.key), *_whole_row(series)] for series in result.series]
    return section(
        "MACs against latency",
        "<p>Values with 95 % bootstrap intervals. A correlation over decades of MACs says little "
        "about models of one size: read the decades, below.</p>",
        table(["Series", *_HEADS], rows),
    )


def _whole_row(series: SeriesResult) -> list[str]:
    relation = series.relation
    return [
        f"{series.n:,}{_few(series.n)}",
        *_row(relation.coefficients),
        f"{relation.mape_percent:.0f} %",
        percent(relation.misordered.share),
    ]


def _decades(series: SeriesResult) -> str:
    rows = [["all", *_whole_row(series)]]
    for decade in series.relation.decades:
        share = decade.misordered.share if decade.misordered else None
        rows.append(
            [
                f"{_macs(decade.low)} to {_macs(decade.high)}",
                f"{decade.n:,}{_few(decade.n)}",
                *_row(decade.coefficients),
                f"{decade.mape_percent:.0f} %",
                "–" if share is None else percent(share),
            ]
        )
    return (
        "<h3>By decade of MACs</h3><p>The MAPE is that of the line through all models.</p>"
        + table(["MACs", *_HEADS], rows)
    )


def _few(n: int) -> str:
    return " (too few)" if too_few(n) else ""


def _row(found: Any) -> list[str]:
    return [interval(getattr(found, name).interval if found else None) for name in _COEFFICIENTS]


def _macs(macs: int) -> str:
    return f"{macs / 1e6:g} M" if macs >= 1_000_000 else f"{macs / 1e3:g} k"


def _together(result: StudyResult) -> str:
    rows = [
        [
            " / ".join(map(str, found.keys)),
            f"{found.n:,}{_few(found.n)}",
            interval(found.agreement.w if found.agreement else None),
            interval(found.speed_up, 2),
            "–" if found.misordered is None else percent(found.misordered.share or 0.0),
        ]
        for found in result.agreement
    ]
    return section(
        "The series together",
        bullets(found.sentence for found in result.agreement),
        table(
            ["Series", "Models in common", "Kendall's W", "Speed-up of the second", "Misordered"],
            rows,
        ),
        f'<div class="plots">{place("overlay", "Latency against MACs, all series")}</div>',
    )


def _series(index: int, series: SeriesResult, shown: Mapping[str, Any]) -> str:
    labels = {
        "scatter": "Latency against MACs",
        "residuals": "Residuals by kind of operator",
        "operators": "Cycles per MAC by kind of operator",
        "memory": "Arena against peak memory",
    }
    places = "".join(
        place(f"{name}-{index}", f"{label}, {series.key}")
        for name, label in labels.items()
        if f"{name}-{index}" in shown
    )
    parts = [_provenance(series), f'<div class="plots">{places}</div>', _fit(series)]
    parts += [_decades(series), _residuals(series), _operators(series), _memory(series)]
    return section(str(series.key), *parts)


def _provenance(series: SeriesResult) -> str:
    made, flags = build_lines(series)
    return definitions(
        {
            "Source": board_line(series),
            "Unit": str(series.provenance["unit"]),
            "Engine": made,
            "Flags": flags.removeprefix("flags "),
            "Models": f"{series.n:,} measured, {sum(series.failed.values()):,} failed",
        }
    )


def _fit(series: SeriesResult) -> str:
    relation, hz = series.relation, int(series.provenance["clock_hz"])
    line, pairs = relation.line, relation.misordered
    a, b = line.intercept, line.slope.mapped(lambda slope: slope * hz / 1e6)
    power = relation.power.line
    items = [
        f"Straight line: {interval(a, 0)} µs and {interval(b, 2)} cycles a MAC, MAPE "
        f"{relation.mape_percent:.0f} %.",
        f"Log-log: latency grows with MACs to the power of {interval(power.slope, 2)}, MAPE "
        f"{relation.power.mape_percent:.0f} %.",
        f"Pairs: {pairs.pairs.misordered:,} of {pairs.pairs.compared:,} are ordered wrongly"
        + (
            f", {pairs.beyond_error:,} by more than the emulator's own ±{pairs.error_percent:g} %."
            if pairs.beyond_error is not None
            else "."
        ),
    ]
    return "<h3>Fits</h3>" + bullets(items)


def _residuals(series: SeriesResult) -> str:
    residuals = series.residuals
    rows = [
        [
            group.factor,
            group.label,
            f"{group.n:,}{_few(group.n)}",
            _spread(group.linear, 2),
            _spread(group.log_log, 2),
        ]
        for group in residuals.groups
    ]
    trends = [
        [trend.factor, interval(trend.spearman, 2)]
        for trend in sorted(residuals.trends, key=lambda each: -abs(each.spearman.value))
    ]
    note = (
        f"<p>The straight line is not above zero for {residuals.below_zero:,} models, which are "
        "left out of its column.</p>"
        if residuals.below_zero
        else ""
    )
    return (
        "<h3>Where MACs mislead</h3><p>Latency over what the fit tells: above 1 is slower than "
        "MACs tell. Median, with 10th and 90th percentile.</p>"
        + note
        + table(["What goes with it", "Spearman with latency over log-log fit"], trends)
        + "<details><summary>By operator mix, largest tensor and placement</summary>"
        + table(["By", "Group", "Models", "Straight line", "Log-log"], rows, texts=2)
        + "</details>"
    )


def _operators(series: SeriesResult) -> str:
    costs = series.operators
    if not costs.points:
        return (
            "<h3>Cycles by kind of operator</h3><p>Not known: no operators were measured, or they "
            "are not those of the architectures.</p>"
        )
    rows = [
        [
            cost.kind.value,
            f"{cost.operators:,}",
            f"{cost.cycles_share:.1%}",
            _spread(cost.per_mac, 1),
        ]
        for cost in costs.kinds
    ]
    return f"<h3>Cycles by kind of operator</h3><p>Of {costs.points:,} models.</p>" + table(
        ["Kind", "Operators", "Share of cycles", "Cycles per MAC"], rows
    )


def _spread(found: Spread | None, digits: int) -> str:
    if found is None:
        return "–"
    return f"{found.median:.{digits}f} ({found.p10:.{digits}f} to {found.p90:.{digits}f})"


def _memory(series: SeriesResult) -> str:
    memory = series.memory
    if memory is None:
        return ""
    rows = [
        [
            name,
            *_row(relation.coefficients),
            f"{relation.mape_percent:.0f} %",
            percent(relation.misordered.share),
        ]
        for name, relation in (
            ("with input", memory.with_input),
            ("without input", memory.without_input),
        )
    ]
    overhead = memory.overhead
    items = [
        f"Arena less peak memory with input: {overhead.median:,.0f} bytes in the median, "
        f"{overhead.p90:,.0f} at the 90th percentile, {memory.overhead_max_bytes:,} at most.",
        *(
            f"More than {100 * excess:.0f} % above: {percent(share.value)} of models "
            f"({percent(share.low)} to {percent(share.high)})."
            for excess, share in memory.exceeding
        ),
        "To hold 99 % of models drawn like these: "
        + (
            f"peak memory and {memory.margin_bytes:,} bytes."
            if memory.margin_bytes is not None
            else "too few models to say (99 are needed)."
        ),
    ]
    if memory.by_operators is not None:
        line = memory.by_operators
        items.append(
            f"By the number of operators: {interval(line.intercept, 0)} bytes and "
            f"{interval(line.slope, 0)} an operator (R² {line.r2 or 0:.2f})."
        )
    heads = ["Peak memory", *_COEFFICIENTS.values(), "MAPE of the line", "Pairs misordered"]
    return (
        "<h3>Peak memory against arena</h3>"
        + f"<p>{escape(memory.verdict.sentence)}</p>"
        + table(heads, rows)
        + bullets(items)
    )


def _failures(result: StudyResult) -> str:
    if not result.failures:
        return section("Failures", "<p>Every architecture gave a point.</p>")
    counts = failures_by_reason(result.failures)
    rows = [
        [
            failure.architecture_sha256[:12],
            f"{failure.board or '–'} with {failure.engine or '–'}",
            failure.name,
            failure.message,
        ]
        for failure in result.failures[:_SHOWN_FAILURES]
    ]
    more = len(result.failures) - len(rows)
    return section(
        "Failures",
        "<p>What gave no point is left out of everything above. Models that do not fit the board "
        "are among them: the results are about those that do.</p>",
        bullets(f"{name}: {count:,}" for name, count in counts.items()),
        "<details><summary>Which</summary>"
        + table(["Architecture", "Series", "Fault", "Message"], rows, texts=4)
        + (f"<p>and {more:,} more.</p>" if more > 0 else "")
        + "</details>",
    )


def _course(stage_s: Mapping[str, float]) -> str:
    if not stage_s:
        return ""
    total = sum(stage_s.values()) or 1.0
    rows = [
        [stage, f"{seconds:,.1f}", f"{seconds / total:.0%}"]
        for stage, seconds in sorted(stage_s.items(), key=lambda item: -item[1])
    ]
    return section("Where the time went", table(["Stage", "Seconds", "Share"], rows))


def _method(command: str, sampling: str) -> str:
    parts = [
        bullets(
            [
                f"Ranking is called good up to {GOOD_SHARE:.0%} of pairs ordered wrongly, coarse "
                f"up to {COARSE_SHARE:.0%}, else poor; where a board is emulated, only pairs that "
                "differ by more than its own error count as wrong.",
                f"Estimating is called good up to a MAPE of {GOOD_MAPE:g} % of the straight line, "
                f"coarse up to {COARSE_MAPE:g} %, else poor.",
                "Intervals are BCa bootstraps over models; fewer than 30 models are called too "
                "few.",
            ]
        )
    ]
    if sampling:
        parts.append(f"<p>Architectures: {escape(sampling)}</p>")
    if command:
        parts.append(f"<p>The command:</p><pre>{escape(command)}</pre>")
    return section("How it was found", *parts)
