"""A check's outcome as Markdown: a comment on a pull request."""

from __future__ import annotations

import re

from munas.regress import words
from munas.regress.check import Outcome
from munas.regress.judge import REGRESSIONS, Verdict

_MOST_ROWS = 60


def to_markdown(outcome: Outcome) -> str:
    """Verdict, what changed, why, and what all was compared, folded."""
    told = words.notable(outcome.findings)
    parts = [f"### {_mark(outcome)} {_cell(words.headline(outcome))}", ""]
    parts += [f"before: {_code(outcome.before)}  ", f"after: {_code(outcome.after)}", ""]
    if told:
        parts += [
            "| what | metric | before | after | change | verdict |",
            "|---|---|--:|--:|--:|---|",
        ]
        for finding in told[:_MOST_ROWS]:
            mark = words.MARKS[finding.verdict]
            strong = f"**{mark}**" if finding.verdict in (*REGRESSIONS, Verdict.FAILED) else mark
            cells = [
                _cell(finding.name),
                _cell(finding.metric),
                _cell(words.value(finding.before)),
                _cell(words.value(finding.after)),
                words.change(finding),
                f"{strong}: {_cell(finding.reason)}" if finding.reason else strong,
            ]
            parts.append(f"| {' | '.join(cells)} |")
        if len(told) > _MOST_ROWS:
            parts.append(f"\n… and {len(told) - _MOST_ROWS} more.")
        parts.append("")
    why = [(entry.name, list(words.explanation_lines(entry))) for entry in outcome.explanations]
    if any(lines for _, lines in why):
        parts += ["<details><summary>Why</summary>", ""]
        for name, lines in why:
            parts += (
                [f"- {_cell(name)}", *(f"  - {_cell(line)}" for line in lines)] if lines else []
            )
        parts += ["", "</details>", ""]
    parts += [_cell(note) + "  " for note in outcome.notes]
    return "\n".join(parts).rstrip() + "\n"


def _mark(outcome: Outcome) -> str:
    return {"passed": "✅", "undecided": "❔"}.get(outcome.verdict, "❌")


def _cell(text: str) -> str:
    """Text that stays text: no table, tag, emphasis, link or mention comes of it."""
    text = text.replace("\n", " ").replace("&", "&amp;").replace("<", "&lt;").replace("@", "&#64;")
    return re.sub(r"([\\`*_\[\]|~#!])", r"\\\1", text)


def _code(text: str) -> str:
    """Text as code."""
    return f"`{text.replace('`', chr(39)).replace(chr(10), ' ')}`"
