"""Has something become slower? Two samples of times, before and after.

A change is a ratio, after over before, and all is symmetric in its logarithm: exchanging the two
samples turns a verdict round exactly. Knows nothing of boards or firmware.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from math import exp, log, log1p
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from munas.errors import BadInputError
from munas.stats.bootstrap import SEED, batch_of
from munas.stats.interval import Interval, IntervalMethod, Vector, require_share, sample_of
from munas.stats.rank_sum import hodges_lehmann, least_p, mann_whitney_p

ALPHA = 0.01

_PERMUTATIONS = 9999
_ROUNDING = 1e-12


class Verdict(StrEnum):
    SAME = "same"
    FASTER = "faster"
    SLOWER = "slower"
    UNDECIDED = "undecided"


@dataclass(frozen=True)
class Comparison:
    """What two samples of times say.

    `ratio` is after over before with its interval of confidence 1 - `alpha`; `p_value` is that of
    no change, null where the samples do not spread and are compared directly. `minimum_effect` is
    the relative change below which nobody cares. `reason` is one sentence.
    """

    verdict: Verdict
    ratio: Interval
    p_value: float | None
    minimum_effect: float
    alpha: float
    before_count: int
    after_count: int
    reason: str

    @property
    def change(self) -> float:
        """Relative change, 0.03 for three percent slower."""
        return self.ratio.value - 1


def compare(
    before: ArrayLike,
    after: ArrayLike,
    *,
    minimum_effect: float,
    alpha: float = ALPHA,
    deterministic: bool = False,
) -> Comparison:
    """Compare times before (n,) and after (m,), in one unit, all above zero.

    Slower: Mann-Whitney's test rejects no change at `alpha`, and the Hodges-Lehmann ratio exceeds
    1 + `minimum_effect`; faster: the same of before over after. Same: the whole interval lies
    within the minimum effect, so that a relevant change is excluded (the interval form of two
    one-sided tests; Schuirmann, J. Pharmacokinetics and Biopharmaceutics 15, 1987). Otherwise
    undecided: more samples may tell.

    Samples that do not spread are compared directly. One sample shows no spread that it might have:
    alone it is compared directly only where `deterministic` says that repeats are always alike.

    Raises BadInputError for a sample that is empty or not above zero, a negative minimum effect, or
    unlike repeats of what is called deterministic.
    """
    require_share(alpha, "alpha")
    if minimum_effect < 0:
        raise BadInputError(f"The minimum effect is {minimum_effect}; it cannot be negative.")
    first, second = (
        sample_of(values, name, positive=True)
        for values, name in ((before, "before"), (after, "after"))
    )
    constant = all(sample.min() == sample.max() for sample in (first, second))
    if deterministic and not constant:
        raise BadInputError(
            "Repeats that should all be alike are not.",
            "Compare them as samples of a board that is not deterministic.",
        )
    p_value: float | None = None
    if constant and (deterministic or min(first.size, second.size) > 1):
        value = float(second[0] / first[0])
        ratio = Interval(value, value, value, 1 - alpha, IntervalMethod.CONSTANT)
    else:
        ratio = hodges_lehmann(np.log(first), np.log(second), confidence=1 - alpha).mapped(exp)
        p_value = mann_whitney_p(first, second)
    verdict, reason = decide(ratio, p_value, minimum_effect, alpha)
    if verdict is Verdict.UNDECIDED and least_p(first.size, second.size) > alpha:
        reason = f"{first.size} and {second.size} samples are too few to show a change at {alpha:g}"
    return Comparison(
        verdict, ratio, p_value, minimum_effect, alpha, first.size, second.size, reason
    )


def decide(
    ratio: Interval, p_value: float | None, minimum_effect: float, alpha: float
) -> tuple[Verdict, str]:
    """The verdict and its reason, by the rules of `compare`; without a p-value the ratio is exact.

    Apart from `compare` because the p-value may be one that was adjusted for many comparisons.
    """
    least = log1p(minimum_effect) + _ROUNDING
    shift = log(ratio.value)
    effect = f"the minimum effect of {100 * minimum_effect:g} %"
    if (p_value is None or p_value <= alpha) and abs(shift) > least:
        verdict = Verdict.SLOWER if shift > 0 else Verdict.FASTER
        return verdict, f"changed by {100 * (ratio.value - 1):+.3g} %, beyond {effect}"
    if ratio.low >= exp(-least) and ratio.high <= exp(least):
        return Verdict.SAME, f"within {effect}"
    return Verdict.UNDECIDED, f"neither a change nor its absence can be shown for {effect}"


def permutation_p(
    before: ArrayLike,
    after: ArrayLike,
    *,
    of: Literal["median", "mean"] = "median",
    permutations: int = _PERMUTATIONS,
    seed: int = SEED,
) -> float:
    """Two-sided p-value of equal medians or means of two samples (n,), (m,), by parting all of them
    anew at random, or in every way where there are fewer (Ernst, "Permutation Methods", Statistical
    Science 19, 2004; Phipson and Smyth, 2010).

    What it tests is that both come from one distribution; medians or means say which difference
    counts against it.
    """
    first, second = sample_of(before, "before"), sample_of(after, "after")
    centre: Callable[..., NDArray[np.float64]] = np.median if of == "median" else np.mean

    def difference(x: NDArray[np.float64], y: NDArray[np.float64], axis: int = -1) -> Vector:
        found: Vector = centre(y, axis=axis) - centre(x, axis=axis)
        return found

    found: Any = stats.permutation_test(
        (first, second),
        difference,
        permutation_type="independent",
        vectorized=True,
        n_resamples=permutations,
        batch=batch_of(first.size + second.size),
        rng=np.random.default_rng(seed),
    )
    return float(found.pvalue)
