"""A check's outcome as a terminal shows it, on standard error."""

from __future__ import annotations

from typing import TYPE_CHECKING

from munas.regress import words
from munas.regress.check import Outcome
from munas.regress.judge import REGRESSIONS, Verdict

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

_WIDE = 90


def show(outcome: Outcome, console: Console | None = None) -> None:
    """What changed, why, how true it is, and the verdict last."""
    from rich.console import Console

    out = console or Console(stderr=True, highlight=False)
    out.print(f"before: {outcome.before}", markup=False)
    out.print(f"after:  {outcome.after}", markup=False)
    told = words.notable(outcome.findings)
    if told:
        out.print(_table(outcome, wide=out.width >= _WIDE))
    for entry in outcome.explanations:
        lines = list(words.explanation_lines(entry))
        if lines:
            out.print(f"why, {entry.name}:", markup=False)
        for line in lines:
            out.print(f"  {line}", markup=False)
    for note in outcome.notes:
        out.print(note, markup=False)
    out.print(words.headline(outcome), markup=False, style=_style(outcome))


def _table(outcome: Outcome, *, wide: bool) -> Table:
    """Everything that is not the same; without before and after, and one under the other, where
    there is no room."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 1))
    table.add_column("what", overflow="fold")
    if wide:
        table.add_column("before", justify="right", overflow="fold")
        table.add_column("after", justify="right", overflow="fold")
    table.add_column("change", justify="right", no_wrap=True)
    table.add_column("verdict", overflow="fold")
    for finding in words.notable(outcome.findings):
        what = f"{finding.name}\n  {finding.metric}"
        values = [words.value(finding.before), words.value(finding.after)]
        if not wide:
            what += "".join(f"\n  {each}" for each in values if each != "–")
        verdict = f"{words.MARKS[finding.verdict]}\n{finding.reason}"
        style = "red" if finding.verdict in (*REGRESSIONS, Verdict.FAILED) else None
        cells = [what, *(values if wide else ()), words.change(finding), verdict]
        # Text, not markup: names may hold brackets.
        table.add_row(*map(Text, cells), style=style)
    return table


def _style(outcome: Outcome) -> str:
    return "bold green" if outcome.verdict == "passed" else "bold red" if outcome.exit_code else ""
