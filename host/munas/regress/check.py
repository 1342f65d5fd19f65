"""A whole check: measure, compare, look whether the code's place alone explains it, explain.

Must not know how an outcome is shown or kept.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from munas.errors import BadInputError, ExitCode, InfrastructureError
from munas.experiment import Suite
from munas.latency.command import MODEL_FAULTS
from munas.regress.alignment import with_alignment
from munas.regress.baseline import (
    Baseline,
    BaselineError,
    read_baseline,
    require_same_units,
    require_usable,
)
from munas.regress.effect import effect_of
from munas.regress.judge import COMPARED, REGRESSIONS, Effect, Finding, Verdict, judge
from munas.regress.noise import known_noise
from munas.regress.plan import OWN, Firmware, Group, plan
from munas.regress.record import Case, Taken
from munas.regress.take import OpenBoard, open_for, require_engines, take
from munas.regress.turns import take_turns, with_drift
from munas.regress.why import Explanation, explain


@dataclass(frozen=True)
class Request:
    """What to check. `origin` is the suite's file; at least one of `baseline` and `against`."""

    suite: Suite
    origin: Path
    firmware: Firmware = OWN
    baseline: Path | None = None
    against: Firmware | None = None
    unit: str | None = None


@dataclass(frozen=True)
class Outcome:
    """What a check came to. `before` and `after` say in words what was compared."""

    suite: str
    findings: Sequence[Finding]
    explanations: Sequence[Explanation]
    taken: Taken
    before: str
    after: str
    notes: Sequence[str] = field(default_factory=tuple)

    @property
    def verdict(self) -> str:
        """`regression`, `failed` (something could not be measured), `nothing-measured`,
        `undecided`, or `passed`."""
        verdicts = {finding.verdict for finding in self.findings}
        if verdicts & REGRESSIONS:
            return "regression"
        if not verdicts & COMPARED:
            return "nothing-measured"
        if Verdict.FAILED in verdicts:
            return "failed"
        return "undecided" if Verdict.UNDECIDED in verdicts else "passed"

    @property
    def exit_code(self) -> ExitCode:
        """A gate that measured nothing, or not all, never passes; a regression that was found is
        one whatever else failed."""
        return {
            "regression": ExitCode.REGRESSION,
            "failed": ExitCode.INFRASTRUCTURE,
            "nothing-measured": ExitCode.NOTHING_MEASURED,
        }.get(self.verdict, ExitCode.DONE)

    def as_dict(self) -> dict[str, Any]:
        """The JSON form of `munas check`."""
        return {
            "verdict": self.verdict,
            "suite": self.suite,
            "before": self.before,
            "after": self.after,
            "cases": [finding.as_dict() for finding in self.findings],
            "why": [entry.as_dict() for entry in self.explanations],
            "notes": list(self.notes),
        }


def check(request: Request, open_device: OpenBoard = open_for) -> Outcome:
    """Raises BadInputError for a baseline, a suite or a firmware that cannot be used, and the
    faults of what stops everything."""
    if request.baseline is None and request.against is None:
        raise BadInputError(
            "There is nothing to compare with.", "Give --baseline FILE, or --against FIRMWARE."
        )
    baseline = None if request.baseline is None else read_baseline(request.baseline)
    groups = plan(request.suite, request.origin, request.firmware)
    if baseline is not None and not request.firmware.given:
        _refuse(request, baseline, _planned(groups))
    notes: list[str] = []
    if request.against is None:
        assert baseline is not None
        before = baseline.taken
        after = take(
            groups,
            request.firmware,
            runs=request.suite.runs,
            unit=request.unit,
            open_device=open_device,
        )
        drifted: set[Case] = set()
    else:
        old = request.against
        old_groups = plan(request.suite, request.origin, old) if old.given else groups
        before, after, drifted = take_turns(
            (old_groups, old), (groups, request.firmware), request.suite, request.unit, open_device
        )
    require_engines(request.suite, after)
    if baseline is not None:
        _require_baseline(request, baseline, before, after)
    effect = effect_of(request.suite)
    findings = judge(request.suite, before, after, effect)
    findings = [with_drift(finding, drifted) for finding in findings]
    findings, said = with_alignment(
        findings, groups, request.firmware, request.suite, request.unit, open_device
    )
    notes += said
    notes += _notes(request, after, effect)
    return Outcome(
        suite=request.suite.name,
        findings=findings,
        explanations=explain(findings, before, after),
        taken=after,
        before=_label_before(request, baseline),
        after=str(request.firmware),
        notes=notes,
    )


def record(
    suite: Suite,
    origin: Path,
    firmware: Firmware,
    *,
    unit: str | None = None,
    commit: str | None = None,
    open_device: OpenBoard = open_for,
) -> Baseline:
    """What the firmware does now, as a baseline.

    Raises BaselineError where a model cannot be measured or answers wrongly, InfrastructureError
    where board or build failed: nothing is compared with half a baseline, and a wrong answer is no
    standard.
    """
    groups = plan(suite, origin, firmware)
    taken = take(groups, firmware, runs=suite.runs, unit=unit, open_device=open_device)
    require_engines(suite, taken)
    for failure in taken.failures:
        fault = BaselineError if failure.error["name"] in MODEL_FAULTS else InfrastructureError
        raise fault(
            f"{failure.case} cannot be recorded: {failure.error['name']}: "
            f"{failure.error['message']}",
            failure.error.get("mend", ""),
        )
    for case, found in taken.records.items():
        if found.outputs_match is False:
            raise BaselineError(
                f"{case} cannot be recorded: its answers differ from TensorFlow Lite Micro's.",
                "Mend the firmware first, or leave the model out of the suite.",
            )
    return Baseline(suite=suite.as_dict(), taken=taken, commit=commit)


def _planned(groups: Sequence[Group]) -> dict[Case, str]:
    return {
        group.case(name): hashlib.sha256(data).hexdigest()
        for group in groups
        for name, data in group.models
    }


def _refuse(request: Request, baseline: Baseline, asked: dict[Case, str]) -> None:
    assert request.baseline is not None
    require_usable(baseline, asked, request.baseline)


def _require_baseline(request: Request, baseline: Baseline, before: Taken, after: Taken) -> None:
    """After measuring: what only the running firmware and device tell."""
    assert request.baseline is not None
    if request.firmware.given:
        _refuse(request, baseline, {k: v.model_sha256 for k, v in after.records.items()})
    require_same_units(baseline.taken, after, request.baseline)
    if request.against is None:
        return
    for case, old in before.records.items():
        known = baseline.taken.records.get(case)
        if known is not None and known.image != old.image:
            raise BaselineError(
                f"The firmware {request.against} is not the one that {request.baseline} was "
                f"recorded with ({case}).",
                "Give the firmware of the baseline, or one of the two alone.",
            )


def _notes(request: Request, after: Taken, effect: Effect) -> list[str]:
    """How true the numbers are, and by which threshold they were judged."""
    found: dict[str, None] = {}
    for case, entry in after.records.items():
        if entry.deterministic:
            error = entry.model_error_percent
            true = f", whose cycles are a model's, within about {error:.0f} %" if error else ""
            found[f"{case.board} is {entry.source}{true}; it repeats to the cycle."] = None
            continue
        least = f"{case.board} ({entry.unit}): changes above {100 * effect(entry):.2g} % count"
        if request.suite.tolerance.cycles_percent is not None:
            why = "as the suite says"
        elif known_noise(case.board, entry.unit, case.engine):
            why = "the unit's noise floor"
        else:
            why = f"its noise is not known: munas noise --board {case.board} finds it"
        found[f"{least} ({why})."] = None
    return list(found)


def _label_before(request: Request, baseline: Baseline | None) -> str:
    if request.against is not None:
        return str(request.against)
    assert baseline is not None
    at = f" at {baseline.commit[:12]}" if baseline.commit else ""
    return f"{request.baseline}{at}, recorded {baseline.created_at[:10]}"
