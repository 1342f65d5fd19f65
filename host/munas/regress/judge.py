"""Compares what two firmwares did: the verdict on every metric of every case.

What a build fixes is compared exactly; cycles by munas.stats, which takes what does not spread
exactly too. Must not know how the records were taken nor how a verdict is shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from munas import stats
from munas.experiment import Suite
from munas.experiment.suite import Budget, Tolerance
from munas.regress.record import Case, Image, Record, Taken

DEFAULT_EFFECT = 0.01
"""The smallest relative change of cycles that counts on a board of unknown noise."""

Effect = Callable[[Record], float]
"""The smallest relative change of a record's cycles that counts."""


class Verdict(StrEnum):
    SAME = "same"
    BETTER = "better"
    WORSE = "worse"
    CHANGED = "changed"
    OVER_BUDGET = "over-budget"
    ALIGNMENT = "alignment"
    UNDECIDED = "undecided"
    NEW = "new"
    GONE = "gone"
    FAILED = "failed"


REGRESSIONS = frozenset({Verdict.WORSE, Verdict.CHANGED, Verdict.OVER_BUDGET})
_FIRMWARES_OWN = frozenset({"board-fault", "infeasible", "convert"})
"""Faults of a model on a firmware: it breaks down, has no room for it, or does not take it."""
COMPARED = frozenset(Verdict) - {Verdict.NEW, Verdict.GONE, Verdict.FAILED, Verdict.OVER_BUDGET}


@dataclass(frozen=True)
class Finding:
    """What was found of one metric. `change` is relative, null where that says nothing; `case` is
    null for what concerns a whole image."""

    name: str
    metric: str
    before: int | str | None
    after: int | str | None
    change: float | None
    verdict: Verdict
    reason: str
    case: Case | None = None

    def as_dict(self) -> dict[str, object]:
        """The JSON form of `munas check`."""
        return {
            "name": self.name,
            "metric": self.metric,
            "before": self.before,
            "after": self.after,
            "change": self.change,
            "verdict": self.verdict.value,
            "reason": self.reason,
        }


def judge(suite: Suite, before: Taken, after: Taken, effect: Effect) -> list[Finding]:
    """All findings, cases in their order, images last.

    What only one of the two holds is told as new or gone, what failed as failed; none of these
    counts as compared.
    """
    budgets = {model.name: model.budget for model in suite.models}
    both = [case for case in after.records if case in before.records]
    cycles = _cycles(
        [(before.records[case], after.records[case]) for case in both], effect, suite.alpha
    )
    findings: list[Finding] = []
    for case, record in after.records.items():
        if case in before.records:
            findings.append(cycles[case])
            findings += _exact(before.records[case], record, suite.tolerance)
        else:
            findings.append(_alone(case, Verdict.NEW, "there is none before to compare with"))
        findings += _budget(case, record, budgets.get(case.model, Budget()))
    failed = {failure.case: failure.error for failure in after.failures}
    for case, error in failed.items():
        findings.append(_failed(case, error, known=case in before.records))
    for failure in before.failures:
        reason = f"before, {failure.error['name']}: {failure.error['message']}"
        findings = [each for each in findings if (each.case, each.metric) != (failure.case, "all")]
        findings.append(_alone(failure.case, Verdict.FAILED, _with_mend(reason, failure.error)))
    for case in before.records:
        if case not in after.records and case not in failed:
            findings.append(_alone(case, Verdict.GONE, "only there before"))
    return findings + list(_images(both, before, after, suite.tolerance))


def _failed(case: Case, error: Mapping[str, str], *, known: bool) -> Finding:
    """What the firmware does to a model that it could run before is its own regression; a build, a
    line or a board that fails says nothing of it."""
    reason = _with_mend(f"{error['name']}: {error['message']}", error)
    if known and error["name"] in _FIRMWARES_OWN:
        return Finding(str(case), "runs", "yes", "no", None, Verdict.CHANGED, reason, case)
    return _alone(case, Verdict.FAILED, reason)


def _with_mend(reason: str, error: Mapping[str, str]) -> str:
    return f"{reason} {error['mend']}" if error.get("mend") else reason


def _alone(case: Case, verdict: Verdict, reason: str) -> Finding:
    return Finding(str(case), "all", None, None, None, verdict, reason, case)


def _cycles(
    pairs: Sequence[tuple[Record, Record]], effect: Effect, alpha: float
) -> dict[Case, Finding]:
    """Together, so that the share of false alarms holds for the suite."""
    compared = [_compare(before, after, effect(after), alpha) for before, after in pairs]
    judged = stats.judge_together(compared)
    found = {}
    for (before, after), one in zip(pairs, judged, strict=True):
        verdict = {
            stats.Verdict.SAME: Verdict.SAME,
            stats.Verdict.FASTER: Verdict.BETTER,
            stats.Verdict.SLOWER: Verdict.WORSE,
            stats.Verdict.UNDECIDED: Verdict.UNDECIDED,
        }[one.verdict]
        exact = before.deterministic and after.deterministic
        found[after.case] = Finding(
            str(after.case),
            "cycles",
            before.cycles,
            after.cycles,
            one.change,
            verdict,
            _cycles_reason(before, after, one, exact),
            after.case,
        )
    return found


def _compare(before: Record, after: Record, effect: float, alpha: float) -> stats.Comparison:
    if before.deterministic and after.deterministic:
        return stats.compare(
            [before.cycles], [after.cycles], minimum_effect=effect, alpha=alpha, deterministic=True
        )
    # A restart moves all samples after it, so runs, not samples, are what is independent.
    return stats.compare(before.medians, after.medians, minimum_effect=effect, alpha=alpha)


def _cycles_reason(before: Record, after: Record, one: stats.Comparison, exact: bool) -> str:
    if exact and before.cycles == after.cycles:
        return "to the cycle"
    if exact and one.minimum_effect == 0:
        return f"{after.cycles - before.cycles:+,} cycles; this board repeats to the cycle"
    known = f" (p = {one.p_value:.2g})" if one.p_value is not None else ""
    return one.reason + known


def _exact(before: Record, after: Record, tolerance: Tolerance) -> Iterator[Finding]:
    name, case = str(after.case), after.case
    yield _size(
        name,
        "arena_used_bytes",
        before.arena_used_bytes,
        after.arena_used_bytes,
        tolerance.arena_bytes,
        case,
    )
    if before.stack_bytes is not None and after.stack_bytes is not None:
        yield _size(
            name, "stack_bytes", before.stack_bytes, after.stack_bytes, tolerance.stack_bytes, case
        )
    yield _outputs(before, after)
    yield _same(name, "operators", _kinds(before), _kinds(after), case)
    if before.clock_hz != after.clock_hz:
        yield _same(name, "clock_hz", before.clock_hz, after.clock_hz, case)


def _outputs(before: Record, after: Record) -> Finding:
    found = _same(
        str(after.case), "outputs_crc32", before.outputs_crc32, after.outputs_crc32, after.case
    )
    if after.outputs_match is False:
        wrong = "they differ from TensorFlow Lite Micro's"
        return replace(found, verdict=Verdict.CHANGED, reason=wrong)
    if found.verdict is Verdict.CHANGED and after.outputs_match:
        return replace(found, reason="they are now as TensorFlow Lite Micro's")
    return found


def _kinds(record: Record) -> str:
    return " ".join(operator.name for operator in record.operators)


def _same(
    name: str, metric: str, before: int | str, after: int | str, case: Case | None
) -> Finding:
    verdict = Verdict.SAME if before == after else Verdict.CHANGED
    reason = "" if before == after else "must not change"
    return Finding(name, metric, before, after, None, verdict, reason, case)


def _size(
    name: str, metric: str, before: int, after: int, tolerance: int, case: Case | None = None
) -> Finding:
    more = after - before
    if more == 0:
        verdict, reason = Verdict.SAME, ""
    elif abs(more) <= tolerance:
        verdict, reason = Verdict.SAME, f"{more:+,} bytes, tolerated"
    else:
        verdict = Verdict.WORSE if more > 0 else Verdict.BETTER
        reason = f"{more:+,} bytes"
    change = more / before if before else None
    return Finding(name, metric, before, after, change, verdict, reason, case)


def _budget(case: Case, record: Record, budget: Budget) -> Iterator[Finding]:
    for metric, limit in budget.given().items():
        value = getattr(record, metric)
        name = f"{metric} budget"
        if value is None:
            reason = f"{metric} is not known of this firmware, so its budget cannot be kept"
            yield Finding(str(case), name, None, None, None, Verdict.OVER_BUDGET, reason, case)
        elif value > limit:
            reason = f"{value - limit:,} over the budget of {limit:,}"
            yield Finding(str(case), name, None, value, None, Verdict.OVER_BUDGET, reason, case)


def _images(
    both: Sequence[Case], before: Taken, after: Taken, tolerance: Tolerance
) -> Iterator[Finding]:
    """Sections of the images that the compared cases ran in, each pair once."""
    seen = set()
    for case in both:
        first = before.images[before.records[case].image]
        second = after.images[after.records[case].image]
        if (first.sha256, second.sha256) in seen or not first.flash or not second.flash:
            continue
        seen.add((first.sha256, second.sha256))
        yield from compare_images(case, first, second, tolerance)


def compare_images(
    case: Case, before: Image, after: Image, tolerance: Tolerance
) -> Iterator[Finding]:
    """Flash and RAM in all, then every section that changed."""
    name = f"image · {replace(case, model='').__str__().removeprefix(' · ')}"
    if before.models != after.models:
        reason = "the images hold other models, so their sizes say nothing"
        yield Finding(name, "flash_bytes", None, None, None, Verdict.NEW, reason)
        return
    kinds: tuple[tuple[str, Mapping[str, int], Mapping[str, int], int], ...] = (
        ("flash", before.flash, after.flash, tolerance.flash_bytes),
        ("ram", before.ram, after.ram, tolerance.ram_bytes),
    )
    for kind, old, new, allowed in kinds:
        yield _size(name, f"{kind}_bytes", sum(old.values()), sum(new.values()), allowed)
        for section in sorted({*old, *new}):
            one, other = old.get(section, 0), new.get(section, 0)
            if one != other:
                yield _size(name, f"{kind} {section}", one, other, allowed)
