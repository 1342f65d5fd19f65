"""Statistics: intervals, correlations, comparisons, noise, conformal prediction.

Pure functions from lists of numbers to frozen records, composed from scipy.stats; random parts
take a seed and are the same for the same seed. Knows nothing of models, boards or ledgers.
docs/statistics.md says for each method when to use it and where it ends. Importing the package
takes scipy.stats along, which is slow: where time to start matters, import it where it is used.
"""

from munas.stats.agreement import Agreement, rank_agreement, speed_up
from munas.stats.bootstrap import RESAMPLES, bootstrap_interval
from munas.stats.change_points import ChangePoint, change_points
from munas.stats.conformal import (
    SplitConformal,
    conformal_quantile,
    cv_plus,
    nearest_difficulty,
    split_conformal,
)
from munas.stats.correlation import (
    Correlation,
    CorrelationKind,
    Correlations,
    correlation,
    correlations,
)
from munas.stats.discovery import adjusted, judge_together
from munas.stats.groups import TOO_FEW, Decade, by_decade, too_few
from munas.stats.interval import Interval, IntervalMethod
from munas.stats.line import Band, LineFit, fit_line, mape_percent
from munas.stats.noise import NoiseFloor, noise_floor
from munas.stats.order import MisorderedPairs, misordered_pairs
from munas.stats.proportion import proportion
from munas.stats.rank_sum import hodges_lehmann, least_p, mann_whitney_p
from munas.stats.two_samples import ALPHA, Comparison, Verdict, compare, decide, permutation_p

__all__ = [
    "ALPHA",
    "RESAMPLES",
    "TOO_FEW",
    "Agreement",
    "Band",
    "ChangePoint",
    "Comparison",
    "Correlation",
    "CorrelationKind",
    "Correlations",
    "Decade",
    "Interval",
    "IntervalMethod",
    "LineFit",
    "MisorderedPairs",
    "NoiseFloor",
    "SplitConformal",
    "Verdict",
    "adjusted",
    "bootstrap_interval",
    "by_decade",
    "change_points",
    "compare",
    "conformal_quantile",
    "correlation",
    "correlations",
    "cv_plus",
    "decide",
    "fit_line",
    "hodges_lehmann",
    "judge_together",
    "least_p",
    "mann_whitney_p",
    "mape_percent",
    "misordered_pairs",
    "nearest_difficulty",
    "noise_floor",
    "permutation_p",
    "proportion",
    "rank_agreement",
    "speed_up",
    "split_conformal",
    "too_few",
]
