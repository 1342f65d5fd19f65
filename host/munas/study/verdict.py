"""The verdict in one sentence, and the rule behind it.

Pure: from numbers to words. The rule, of which docs/study.md tells why:

- Ranking is judged by the share of pairs that are ordered wrongly; where the board is emulated, by
  more than its own error, because nothing is known of the order of the others. Up to 2 % is good,
  up to 10 % coarse, above is poor.
- Estimating is judged by the mean error of a line: up to 10 % is good, up to 25 % coarse, above is
  poor.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from munas.stats import TOO_FEW, Interval, too_few
from munas.study.points import SeriesKey
from munas.study.relation import Relation
from munas.units import LatencySource

GOOD_SHARE, COARSE_SHARE = 0.02, 0.10
GOOD_MAPE, COARSE_MAPE = 10.0, 25.0
_ROUNDING = 1e-9


class Grade(StrEnum):
    """How good a stand-in is for one use."""

    GOOD = "good"
    COARSE = "coarse"
    POOR = "poor"


@dataclass(frozen=True)
class Verdict:
    """The sentence and the grades that it gives."""

    sentence: str
    ranking: Grade
    estimating: Grade

    def as_json(self) -> dict[str, str]:
        return {"ranking": self.ranking.value, "estimating": self.estimating.value}


@dataclass(frozen=True)
class Uses:
    """What the two grades are for, in words: rank (good, coarse), estimate (good, coarse, poor)."""

    rank: str
    tell_apart: str
    bound: str
    estimate_roughly: str
    estimate: str


LATENCY_USES = Uses(
    rank="to rank models by latency",
    tell_apart="to tell clearly slower models from faster ones",
    bound="to hold a model against a latency bound",
    estimate_roughly="to estimate latency roughly",
    estimate="to estimate latency",
)
ARENA_USES = Uses(
    rank="to rank models by arena",
    tell_apart="to tell clearly larger arenas from smaller ones",
    bound="to hold a model against an arena bound",
    estimate_roughly="to estimate the arena roughly",
    estimate="to estimate the arena",
)


@dataclass(frozen=True)
class _Subject:
    """The grammar of one stand-in."""

    explain: str
    order: str
    them: str
    of: str


_MACS = _Subject("explain", "order", "them", "latency")
_PEAK = _Subject("explains", "orders", "it", "the arena")


def grade(value: float, good: float, coarse: float) -> Grade:
    """Both limits belong to the better grade."""
    if value <= good:
        return Grade.GOOD
    return Grade.COARSE if value <= coarse else Grade.POOR


def grades(relation: Relation) -> tuple[Grade, Grade]:
    """(ranking, estimating) by the rule."""
    beyond = relation.misordered.beyond_error_share
    share = relation.misordered.share if beyond is None else beyond
    return (
        grade(share, GOOD_SHARE, COARSE_SHARE),
        grade(relation.mape_percent, GOOD_MAPE, COARSE_MAPE),
    )


def latency_verdict(key: SeriesKey, relation: Relation, source: str) -> Verdict:
    """The verdict on MACs as a stand-in for latencies of `source`."""
    ranking, estimating = grades(relation)
    sentence = (
        f"On {key}, over {count(relation.n, 'model')} of {mac_range(relation)} MACs"
        f"{_few(relation.n)}, MACs {_explains(relation, _MACS)}: "
        f"{fitness(ranking, estimating, LATENCY_USES)}{_emulated(relation, source)}."
    )
    return Verdict(sentence, ranking, estimating)


def arena_verdict(
    key: SeriesKey, relation: Relation, exceeding: float, margin_bytes: int | None
) -> Verdict:
    """The verdict on peak memory (with the input) as a stand-in for the arena.

    `exceeding` is the share of arenas more than 25 % above it; `margin_bytes` what is to be added
    for 99 % of models, null where the models are too few to say.
    """
    ranking, estimating = grades(relation)
    margin = (
        f"reserve peak memory and {margin_bytes:,} bytes more to hold 99 % of such models"
        if margin_bytes is not None
        else "too few models to say what to reserve for 99 % of them"
    )
    sentence = (
        f"On {key}, over {count(relation.n, 'model')}{_few(relation.n)}, peak memory with the "
        f"input {_explains(relation, _PEAK)}: "
        f"{fitness(ranking, estimating, ARENA_USES)}; the arena is more than 25 % above it in "
        f"{percent(exceeding)} of models: {margin}."
    )
    return Verdict(sentence, ranking, estimating)


def fitness(ranking: Grade, estimating: Grade, uses: Uses) -> str:
    """What the grades allow and what they do not."""
    can, cannot = [], []
    match ranking:
        case Grade.GOOD:
            can.append(uses.rank)
        case Grade.COARSE:
            can.append(uses.tell_apart)
            cannot.append(uses.rank)
        case Grade.POOR:
            cannot.append(uses.rank)
    match estimating:
        case Grade.GOOD:
            can.append(uses.bound)
        case Grade.COARSE:
            can.append(uses.estimate_roughly)
            cannot.append(uses.bound)
        case Grade.POOR:
            cannot.append(uses.estimate)
    if not can:
        return f"not good enough {' nor '.join(cannot)}"
    rest = f", not {' nor '.join(cannot)}" if cannot else ""
    return f"good enough {' and '.join(can)}{rest}"


def percent(share: float) -> str:
    """A share for people; exact ends are told from rounded ones."""
    value = 100 * share
    if 0 < value < 0.05:
        return "less than 0.1 %"
    if 99.95 <= value < 100 * (1 - _ROUNDING):
        return "more than 99.9 %"
    digits = 1 if 0 < value < 1 or 99 < value < 99.95 else 0
    return f"{value:.{digits}f} %"


def interval_percent(found: Interval) -> str:
    """The ends of an interval of a share."""
    return f"{percent(found.low)} to {percent(found.high)}"


def mac_range(relation: Relation) -> str:
    """The range of MACs, as `0.03–4 M`."""
    low, high = (f"{end / 1e6:.2g}" for end in (relation.x.min(), relation.x.max()))
    return f"{low}–{high} M"


def count(n: int, thing: str) -> str:
    """`1 model`, `1,000 models`."""
    return f"{n:,} {thing}{'' if n == 1 else 's'}"


def _explains(relation: Relation, subject: _Subject) -> str:
    r2 = relation.coefficients.r2.interval
    pairs = relation.misordered.pairs
    wrong = "no pair wrongly"
    if pairs.loss_median is not None and pairs.loss_max is not None:
        wrong = (
            f"{percent(relation.misordered.share)} of pairs wrongly (by a factor of "
            f"{1 + pairs.loss_median:.2f} in the median, {1 + pairs.loss_max:.2f} at most)"
        )
    return (
        f"{subject.explain} {percent(r2.value)} of the variance of {subject.of} (95 % interval "
        f"{interval_percent(r2)}) and {subject.order} {wrong}, and a line through {subject.them} "
        f"is off by {relation.mape_percent:.0f} % on average"
    )


def _few(n: int) -> str:
    return f" (too few to lean on: fewer than {TOO_FEW})" if too_few(n) else ""


def _emulated(relation: Relation, source: str) -> str:
    """The emulator's own error, beside what it means for the pairs."""
    if source != LatencySource.EMULATED:
        return ""
    found = relation.misordered
    if found.error_percent is None or found.beyond_error_share is None:
        return "; these latencies are an emulator's, whose own error on networks is not known"
    return (
        f"; these latencies are an emulator's, itself off by about ±{found.error_percent:g} %, and "
        f"{percent(found.beyond_error_share)} of pairs are ordered wrongly by more than that"
    )
