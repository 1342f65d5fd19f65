"""Two firmwares by turns on one board (A/B/A), so that what drifts meets both alike.

Must not know what is made of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import ceil

from munas import stats
from munas.errors import BadInputError
from munas.experiment import Suite
from munas.regress.effect import effect_of
from munas.regress.judge import Effect, Finding, Verdict
from munas.regress.plan import Firmware, Group
from munas.regress.record import Case, Taken
from munas.regress.take import OpenBoard, take

_NEW_TURNS = 2  # between three of the old one

Side = tuple[Sequence[Group], Firmware]


def take_turns(
    old: Side, new: Side, suite: Suite, unit: str | None, open_device: OpenBoard
) -> tuple[Taken, Taken, set[Case]]:
    """What the old and the new firmware gave, and the cases whose old firmware drifted.

    A board that repeats to the cycle is measured once with each. Raises BadInputError for
    firmwares at ports, which cannot take turns.
    """
    if new[1].port is not None or old[1].port is not None:
        raise BadInputError(
            "Two firmwares at ports cannot take turns on one board.",
            "Give ELF files or firmware trees, or record a baseline of the old one.",
        )

    def turn(side: Side) -> Taken:
        groups, firmware = side
        runs = ceil(suite.runs / _NEW_TURNS)
        return take(groups, firmware, runs=runs, unit=unit, open_device=open_device)

    olds, news = [turn(old)], [turn(new)]
    steady = {
        case
        for taken in (*olds, *news)
        for case, found in taken.records.items()
        if found.deterministic
    }
    if not steady.issuperset({*olds[0].records, *news[0].records}):
        for _ in range(_NEW_TURNS - 1):
            olds.append(turn(old))
            news.append(turn(new))
        olds.append(turn(old))
    return _all(olds), _all(news), _drifted(olds, effect_of(suite), suite.alpha)


def _all(turns: Sequence[Taken]) -> Taken:
    whole = turns[0]
    for turn in turns[1:]:
        whole = whole.joined(turn)
    return whole


def _drifted(olds: Sequence[Taken], effect: Effect, alpha: float) -> set[Case]:
    found = set()
    for case, first in olds[0].records.items():
        last = olds[-1].records.get(case)
        if last is None or len(olds) == 1 or first.deterministic:
            continue
        same = stats.compare(first.medians, last.medians, minimum_effect=effect(first), alpha=alpha)
        if same.verdict in (stats.Verdict.SLOWER, stats.Verdict.FASTER):
            found.add(case)
    return found


def with_drift(finding: Finding, drifted: set[Case]) -> Finding:
    """Nothing can be said of cycles where the board itself drifted."""
    if finding.metric != "cycles" or finding.case not in drifted:
        return finding
    return replace(
        finding,
        verdict=Verdict.UNDECIDED,
        reason="the old firmware itself changed between its first and its last turn: clock, "
        "temperature or supply moved",
    )
