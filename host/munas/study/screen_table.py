"""The results of a study as a terminal shows them, on standard error.

Knows results alone; narrow terminals get fewer columns, never broken ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from munas.stats import Correlations, Interval, too_few
from munas.study.analysis import SeriesResult, StudyResult
from munas.study.points import failures_by_reason
from munas.study.verdict import percent
from munas.study.words import board_line

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

_WIDE = 90


def show(result: StudyResult, console: Console | None = None) -> None:
    """Tables, verdicts and failures of every series."""
    from rich.console import Console

    out = console or Console(stderr=True, highlight=False)
    for series in result.series:
        out.print(board_line(series), style="bold", markup=False)
        out.print(coefficient_table(series, wide=out.width >= _WIDE))
        if series.operators.points:
            out.print(operator_table(series))
        out.print(series.verdict.sentence, markup=False)
        if series.memory is not None:
            out.print(series.memory.verdict.sentence, markup=False)
        out.print()
    for agreement in result.agreement:
        out.print(agreement.sentence, markup=False)
    for name, count in failures_by_reason(result.failures).items():
        out.print(f"{count:,} gave no point: {name}", markup=False)


def coefficient_table(series: SeriesResult, *, wide: bool) -> Table:
    """All models and each decade; without intervals and Pearson's r where not `wide`."""
    from rich.table import Table

    names = ("pearson", "spearman", "kendall", "r2") if wide else ("spearman", "r2")
    titles = {"pearson": "Pearson", "spearman": "Spearman", "kendall": "Kendall", "r2": "R²"}
    table = Table(box=None, padding=(0, 1))
    table.add_column("MACs")
    for title in ("models", *(titles[name] for name in names), "MAPE", "misordered"):
        table.add_column(title, justify="right")
    relation = series.relation
    groups: list[tuple[str, int, Correlations | None, float]] = [
        ("all", relation.n, relation.coefficients, relation.mape_percent)
    ]
    shares = [relation.misordered.pairs.share]
    for decade in relation.decades:
        label = f"{_short(decade.low)}–{_short(decade.high)}"
        groups.append((label, decade.n, decade.coefficients, decade.mape_percent))
        shares.append(None if decade.misordered is None else decade.misordered.share)
    for (label, n, found, mape), share in zip(groups, shares, strict=True):
        table.add_row(
            label,
            f"{n:,}{' (few)' if too_few(n) else ''}",
            *(_cell(getattr(found, name).interval if found else None, wide=wide) for name in names),
            f"{mape:.0f} %",
            "–" if share is None else percent(share),
        )
    return table


def operator_table(series: SeriesResult) -> Table:
    """Share of cycles and cycles per MAC by kind of operator."""
    from rich.table import Table

    table = Table(box=None, padding=(0, 1))
    table.add_column("operators", no_wrap=True)
    for title in ("number", "cycles", "per MAC", "p10–p90"):
        table.add_column(title, justify="right")
    for cost in series.operators.kinds:
        spread = cost.per_mac
        table.add_row(
            cost.kind.value,
            f"{cost.operators:,}",
            f"{cost.cycles_share:.1%}",
            "–" if spread is None else f"{spread.median:.1f}",
            "–" if spread is None else f"{spread.p10:.1f}–{spread.p90:.1f}",
        )
    return table


def _cell(found: Interval | None, *, wide: bool) -> str:
    if found is None:
        return "–"
    if not wide:
        return f"{found.value:.3f}"
    return f"{found.value:.2f} [{found.low:.2f}, {found.high:.2f}]"


def _short(macs: int) -> str:
    return f"{macs // 1_000_000}M" if macs >= 1_000_000 else f"{macs / 1000:g}k"
