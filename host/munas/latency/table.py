"""Measurements as words and tables for people, on standard error."""

from __future__ import annotations

from munas.latency.measurement import Measurement
from munas.units import format_bytes


def show(found: Measurement) -> None:
    """One measurement: a line, and the operator table where there is one."""
    from rich.console import Console

    console = Console(stderr=True, highlight=False)
    console.print(summary(found), markup=False, soft_wrap=True)
    if found.operators:
        console.print(operator_table(found))


def summary(found: Measurement) -> str:
    """One line that says what was measured, where, and how true it is."""
    where = ", ".join(filter(None, (found.board, found.engine)))
    if found.error is not None:
        mend = f"\n  {found.error['mend']}" if found.error.get("mend") else ""
        return f"{found.model} ({where}): {found.error['message']}{mend}"
    assert found.cycles is not None
    assert found.latency_us is not None
    error = found.model_error_percent
    spread = f" ± {found.ci95_us:.1f}" if found.ci95_us else ""
    true = f", about ±{error:.0f} %" if error else ""
    parts = [
        f"{found.latency_us / 1000:.2f} ms{spread and spread + ' µs'}",
        f"{found.cycles:,} cycles ({found.source}{true})",
        f"arena {format_bytes(found.arena_used_bytes or 0)} in {found.arena_region}",
        f"weights in {found.weights_region}",
    ]
    if found.arena_minimum_bytes is not None:
        parts.append(f"smallest arena {format_bytes(found.arena_minimum_bytes)}")
    if found.flash_bytes is not None:
        parts.append(f"flash {format_bytes(found.flash_bytes)}")
    if found.outputs_match is None:
        parts.append(f"outputs not checked: {found.oracle_note}")
    return f"{found.model} ({where}): {', '.join(parts)}"


def operator_table(found: Measurement) -> object:
    """Cycles, MACs and cycles per MAC of every operator, as a rich table."""
    from rich.table import Table

    table = Table(box=None, padding=(0, 1))
    table.add_column("operator")
    for title in ("cycles", "share", "MACs", "cycles/MAC"):
        table.add_column(title, justify="right")
    total = sum(operator.cycles for operator in found.operators) or 1
    for operator in found.operators:
        table.add_row(
            operator.name,
            f"{operator.cycles:,}",
            f"{operator.cycles / total:.1%}",
            f"{operator.macs:,}" if operator.macs else "–",
            f"{operator.cycles / operator.macs:.1f}" if operator.macs else "–",
        )
    macs = sum(operator.macs for operator in found.operators)
    ratio = f"{total / macs:.1f}" if macs else "–"
    table.add_row("all", f"{total:,}", "100 %", f"{macs:,}", ratio, style="bold")
    return table
