"""Why something changed: operators, sections, symbols, and what the images were built from.

Knows records and images, not how they are shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import zip_longest
from typing import Any

from munas.regress.judge import REGRESSIONS, Finding, Verdict
from munas.regress.record import Image, Record, Taken

MOST = 10
"""So many of a kind are told, the largest changes first."""

_OUTSIDE = "(outside of all, less what timing them costs)"
_FACTS = ("source_digest", "engine_revision", "kernels", "compiler", "flags")


@dataclass(frozen=True)
class Difference:
    """One thing before and after; null where it is not there."""

    name: str
    before: int | str | None
    after: int | str | None

    @property
    def more(self) -> int:
        """By how much it grew."""
        return _number(self.after) - _number(self.before)


@dataclass(frozen=True)
class Explanation:
    """What is different about one case, or about the image that several cases ran in.

    `operators` in cycles, `sections` and `symbols` in bytes, largest change first; `facts` are what
    the images say of themselves where they differ.
    """

    name: str
    operators: tuple[Difference, ...] = ()
    sections: tuple[Difference, ...] = ()
    symbols: tuple[Difference, ...] = ()
    facts: tuple[Difference, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def explain(findings: Sequence[Finding], before: Taken, after: Taken) -> list[Explanation]:
    """Of every case whose cycles changed, and of every pair of images behind what changed."""
    told = REGRESSIONS | {Verdict.BETTER, Verdict.ALIGNMENT, Verdict.UNDECIDED}
    moved = [finding for finding in findings if finding.verdict in told]
    explained: list[Explanation] = []
    images: dict[tuple[str, str], str] = {}
    for finding in moved:
        if finding.case is None:
            continue
        old = before.records.get(finding.case)
        new = after.records.get(finding.case)
        if old is None or new is None:
            continue
        if finding.metric == "cycles":
            explained.append(Explanation(finding.name, operators=_operators(old, new)))
        images.setdefault((old.image, new.image), _place(new))
    if any(finding.case is None for finding in moved):
        for case, new in after.records.items():
            if case in before.records:
                images.setdefault((before.records[case].image, new.image), _place(new))
    for (first, second), name in images.items():
        explained.append(between(name, before.images[first], after.images[second]))
    return explained


def _place(record: Record) -> str:
    return f"image · {record.case.environment} · {record.case.engine}"


def between(name: str, before: Image, after: Image) -> Explanation:
    """How two images differ."""
    return Explanation(
        name,
        sections=_differences({**before.ram, **before.flash}, {**after.ram, **after.flash}),
        symbols=_differences(before.symbols, after.symbols),
        facts=tuple(
            Difference(fact, getattr(before, fact), getattr(after, fact))
            for fact in _FACTS
            if getattr(before, fact) != getattr(after, fact)
        ),
    )


def _operators(before: Record, after: Record) -> tuple[Difference, ...]:
    pairs: Iterable[Any] = zip_longest(before.operators, after.operators)
    found = []
    for index, (old, new) in enumerate(pairs):
        name = f"{index} {(new or old).name}"
        found.append(Difference(name, old and old.cycles, new and new.cycles))
    if before.operators and after.operators:
        found.append(
            Difference(
                _OUTSIDE,
                _outside(before),
                _outside(after),
            )
        )
    return _largest(found)


def _outside(record: Record) -> int:
    """Cycles of an inference that no operator has; below 0 by what taking their times costs."""
    return record.cycles - sum(operator.cycles for operator in record.operators)


def _differences(before: Mapping[str, int], after: Mapping[str, int]) -> tuple[Difference, ...]:
    return _largest(
        [Difference(name, before.get(name), after.get(name)) for name in {*before, *after}]
    )


def _largest(found: Sequence[Difference]) -> tuple[Difference, ...]:
    changed = [each for each in found if each.more]
    return tuple(sorted(changed, key=lambda each: (-abs(each.more), each.name))[:MOST])


def _number(value: int | str | None) -> int:
    return value if isinstance(value, int) else 0
