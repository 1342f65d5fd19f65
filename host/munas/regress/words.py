"""Findings and explanations as words: the same on screen, in Markdown and in JUnit XML."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from munas.regress.check import Outcome
from munas.regress.judge import COMPARED, REGRESSIONS, Finding, Verdict
from munas.regress.why import Difference, Explanation

MARKS = {
    Verdict.SAME: "same",
    Verdict.BETTER: "better",
    Verdict.WORSE: "WORSE",
    Verdict.CHANGED: "CHANGED",
    Verdict.OVER_BUDGET: "OVER BUDGET",
    Verdict.ALIGNMENT: "alignment",
    Verdict.UNDECIDED: "undecided",
    Verdict.NEW: "new",
    Verdict.GONE: "gone",
    Verdict.FAILED: "FAILED",
}
_ORDER = [
    Verdict.CHANGED, Verdict.WORSE, Verdict.OVER_BUDGET, Verdict.FAILED, Verdict.UNDECIDED,
    Verdict.ALIGNMENT, Verdict.BETTER, Verdict.NEW, Verdict.GONE, Verdict.SAME,
]  # fmt: skip


def headline(outcome: Outcome) -> str:
    """One sentence."""
    counts = Counter(finding.verdict for finding in outcome.findings)
    compared = sum(count for verdict, count in counts.items() if verdict in COMPARED)
    bad = sum(counts[verdict] for verdict in REGRESSIONS)
    text = {
        "regression": f"REGRESSION: {bad} of {compared} comparisons got worse",
        "nothing-measured": "NOTHING was compared, so nothing is known",
        "failed": f"FAILED: {counts[Verdict.FAILED]} cases could not be measured; the others are "
        "no worse",
        "undecided": f"no regression shown; {counts[Verdict.UNDECIDED]} of {compared} comparisons "
        "are undecided",
        "passed": f"no regression in {compared} comparisons",
    }[outcome.verdict]
    better = counts[Verdict.BETTER]
    more = f", {better} got better: record the baseline anew to keep that" if better else ""
    return f"{outcome.suite}: {text}{more}."


def notable(findings: Sequence[Finding]) -> list[Finding]:
    """All but what stayed the same, the worst first."""
    told = [finding for finding in findings if finding.verdict is not Verdict.SAME]
    return sorted(told, key=lambda finding: _ORDER.index(finding.verdict))


def value(which: int | str | None) -> str:
    """A metric's value for people."""
    if which is None:
        return "–"
    return f"{which:,}" if isinstance(which, int) else _short(str(which))


def change(finding: Finding) -> str:
    """A relative change for people."""
    if finding.change is None:
        return "–"
    return "0 %" if finding.change == 0 else f"{100 * finding.change:+.3g} %"


def explanation_lines(entry: Explanation) -> Iterator[str]:
    """What is different, a line each."""
    for kind, unit, differences in (
        ("operator", "cycles", entry.operators),
        ("section", "bytes", entry.sections),
        ("symbol", "bytes", entry.symbols),
    ):
        for each in differences:
            yield f"{kind} {each.name}: {_moved(each)} {unit}"
    for each in entry.facts:
        values = [str(value) for value in (each.before, each.after)]
        if each.name == "source_digest":
            values = [value[:12] for value in values]
        yield f"{each.name.replace('_', ' ')}: {' → '.join(values)}"


def _moved(each: Difference) -> str:
    before = "none" if each.before is None else f"{each.before:,}"
    after = "none" if each.after is None else f"{each.after:,}"
    return f"{before} → {after} ({each.more:+,})"


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:37]}…"
