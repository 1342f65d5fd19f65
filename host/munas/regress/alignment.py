"""Whether a change of cycles is one of the code's place: the same firmware under several paddings.

A loop can run a quarter faster or slower by where it lies alone. Must not know what was compared.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

from munas.errors import MunasError
from munas.experiment import Suite
from munas.regress.judge import Finding, Verdict
from munas.regress.plan import Firmware, Group
from munas.regress.record import Case
from munas.regress.take import OpenBoard, take

log = logging.getLogger(__name__)

_RUNS = 5
_SPAN_BYTES = 32  # a cache line, the widest that flash is read by on these chips
_MOVED = (Verdict.WORSE, Verdict.BETTER)


def with_alignment(
    findings: Sequence[Finding],
    groups: Sequence[Group],
    firmware: Firmware,
    suite: Suite,
    unit: str | None,
    open_device: OpenBoard,
) -> tuple[list[Finding], list[str]]:
    """Changes that moving the code alone would make too are told as such; and what there is to say.

    Nothing is built or measured where no cycles changed.
    """
    moved = {
        finding.case
        for finding in findings
        if finding.case is not None and finding.metric == "cycles" and finding.verdict in _MOVED
    }
    if not moved or not suite.alignment_paddings:
        return list(findings), []
    if firmware.given:
        said = "The firmware was given, so whether its code's place matters was not tried."
        return list(findings), [said]
    fewer = [
        replace(group, models=models)
        for group in groups
        if (models := tuple(each for each in group.models if group.case(each[0]) in moved))
    ]
    try:
        ranges = _ranges(fewer, firmware, suite.alignment_paddings, unit, open_device)
    except MunasError as error:
        said = f"Whether the code's place matters could not be tried: {error.what}"
        return list(findings), [said]
    return [_by_range(finding, ranges) for finding in findings], []


def _ranges(
    groups: Sequence[Group],
    firmware: Firmware,
    count: int,
    unit: str | None,
    open_device: OpenBoard,
) -> dict[Case, float]:
    """By how much cycles differ over paddings of the code, as a share of the fewest."""
    seen: dict[Case, list[int]] = {}
    for padding in (0, *paddings(count)):
        log.info("Moving the code by %d bytes …", padding)
        taken = take(
            groups,
            firmware,
            runs=_RUNS,
            unit=unit,
            padding_bytes=padding,
            open_device=open_device,
        )
        for case, found in taken.records.items():
            seen.setdefault(case, []).append(found.cycles)
    return {case: max(cycles) / min(cycles) - 1 for case, cycles in seen.items()}


def paddings(count: int) -> list[int]:
    """`count` paddings in bytes, spread over a line of the flash, each a multiple of 4."""
    step = _SPAN_BYTES / (count + 1)
    return sorted({max(4, 4 * round(step * (index + 1) / 4)) for index in range(count)})


def _by_range(finding: Finding, ranges: dict[Case, float]) -> Finding:
    span = None if finding.case is None else ranges.get(finding.case)
    if finding.metric != "cycles" or span is None or finding.change is None:
        return finding
    if finding.verdict not in _MOVED:
        return finding
    if abs(finding.change) <= span:
        return replace(
            finding,
            verdict=Verdict.ALIGNMENT,
            reason=f"{100 * finding.change:+.3g} %, but moving the code alone makes up to "
            f"{100 * span:.3g} %",
        )
    beyond = f"; moving the code alone makes at most {100 * span:.2g} %"
    return replace(finding, reason=finding.reason + beyond)
