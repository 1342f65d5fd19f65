"""The interval of a share. Knows only two counts."""

from __future__ import annotations

from scipy import stats

from munas.errors import BadInputError
from munas.stats.interval import CONFIDENCE, Interval, IntervalMethod, require_share


def proportion(hits: int, n: int, *, confidence: float = CONFIDENCE) -> Interval:
    """The share of `hits` among n independent trials, with Clopper and Pearson's interval
    (Biometrika 26, 1934): never less than its confidence, for small n rather more.

    Raises BadInputError unless 0 <= hits <= n and n > 0.
    """
    require_share(confidence, "The confidence")
    if n < 1 or not 0 <= hits <= n:
        raise BadInputError(f"{hits} of {n} is no share.")
    found = stats.binomtest(hits, n).proportion_ci(confidence_level=confidence, method="exact")
    return Interval(
        hits / n, float(found.low), float(found.high), confidence, IntervalMethod.BINOMIAL
    )
