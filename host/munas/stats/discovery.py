"""Many comparisons at once: keeping the share of false alarms among all alarms low.

Knows p-values and comparisons, not what was compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from numpy.typing import ArrayLike
from scipy import stats

from munas.errors import BadInputError
from munas.stats.interval import Vector, sample_of
from munas.stats.two_samples import Comparison, decide


def adjusted(p_values: ArrayLike, *, dependent: bool = False) -> Vector:
    """p-values (n,) adjusted so that rejecting all at or below a level keeps the false discovery
    rate at that level.

    Benjamini and Hochberg (JRSS B 57, 1995) for independent or positively dependent tests; with
    `dependent`, Benjamini and Yekutieli (Annals of Statistics 29, 2001), for any dependence.
    Raises BadInputError for a p-value outside 0 to 1.
    """
    given = sample_of(p_values, "p-values")
    if given.min() < 0 or given.max() > 1:
        raise BadInputError("A p-value lies outside 0 to 1.")
    found: Vector = stats.false_discovery_control(given, method="by" if dependent else "bh")
    return found


def judge_together(
    comparisons: Sequence[Comparison], *, dependent: bool = False
) -> tuple[Comparison, ...]:
    """The comparisons with p-values adjusted for their number, and verdicts by these.

    Each keeps its own `alpha`. Direct comparisons have no p-value, cannot be false and do not
    count.
    """
    tested = [entry.p_value for entry in comparisons if entry.p_value is not None]
    if not tested:
        return tuple(comparisons)
    remaining = iter(adjusted(tested, dependent=dependent))
    return tuple(
        entry if entry.p_value is None else _judged_anew(entry, float(next(remaining)))
        for entry in comparisons
    )


def _judged_anew(comparison: Comparison, p_value: float) -> Comparison:
    verdict, reason = decide(comparison.ratio, p_value, comparison.minimum_effect, comparison.alpha)
    if verdict is comparison.verdict:
        reason = comparison.reason
    return replace(comparison, verdict=verdict, p_value=p_value, reason=reason)
