"""Several boards or engines on the same architectures: do they rank alike, how much faster is one?

Knows points alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from munas.stats import (
    Agreement,
    Interval,
    MisorderedPairs,
    misordered_pairs,
    rank_agreement,
    speed_up,
    too_few,
)
from munas.study.points import Point, SeriesKey
from munas.study.relation import FEWER_RESAMPLES, Vector


@dataclass(frozen=True, eq=False)
class SeriesAgreement:
    """How alike some series rank the `n` architectures that all of them measured.

    `speed_up` (how many times faster the second is than the first) and `misordered` (pairs that
    the first orders otherwise than the second) are those of two series, null for more; all are
    null where fewer than 3 architectures are shared or some latencies do not vary.
    """

    keys: tuple[SeriesKey, ...]
    n: int
    agreement: Agreement | None
    speed_up: Interval | None
    misordered: MisorderedPairs | None

    def as_json(self) -> dict[str, Any]:
        found = self.agreement
        return {
            "series": [{"board": key.board, "engine": key.engine} for key in self.keys],
            "n": self.n,
            "too_few": too_few(self.n),
            "kendall_w": None if found is None else found.w.as_json(),
            "p_value": None if found is None else found.p_value,
            "misordered_share": None if self.misordered is None else self.misordered.share,
            "speed_up": None if self.speed_up is None else self.speed_up.as_json(),
        }

    @property
    def sentence(self) -> str:
        """In plain words."""
        names = " and ".join(map(str, self.keys))
        if self.agreement is None:
            return f"{names}: only {self.n} architectures in common, too few to compare."
        few = " (too few to lean on)" if too_few(self.n) else ""
        text = (
            f"{names} rank the {self.n:,} architectures that all of them measured{few} with an "
            f"agreement (Kendall's W) of {self.agreement.w.value:.3f}"
        )
        if self.speed_up is not None:
            first, second = self.keys
            text += (
                f"; {second} is {self.speed_up.value:.2f} times as fast as {first} "
                f"({self.speed_up.low:.2f} to {self.speed_up.high:.2f})"
            )
        return text + "."


def agreements(
    series: Mapping[SeriesKey, Sequence[Point]], seed: int = 0
) -> tuple[SeriesAgreement, ...]:
    """Every two series, and all together where there are more than two."""
    groups = list(combinations(series, 2))
    every = [tuple(series)] if len(series) > 2 else []
    latencies = {
        key: {point.architecture_sha256: float(point.latency_us) for point in points}
        for key, points in series.items()
    }
    return tuple(_agreement(keys, latencies, seed) for keys in (*every, *groups))


def _agreement(
    keys: tuple[SeriesKey, ...], latencies: Mapping[SeriesKey, Mapping[str, float]], seed: int
) -> SeriesAgreement:
    first = latencies[keys[0]]
    shared = [digest for digest in first if all(digest in latencies[key] for key in keys)]
    scores: list[Vector] = [
        np.array([latencies[key][digest] for digest in shared], dtype=np.float64) for key in keys
    ]
    if len(shared) < 3 or any(np.ptp(score) == 0 for score in scores):
        return SeriesAgreement(keys, len(shared), None, None, None)
    two = len(keys) == 2
    return SeriesAgreement(
        keys=keys,
        n=len(shared),
        agreement=rank_agreement(scores, resamples=FEWER_RESAMPLES, seed=seed),
        speed_up=speed_up(*scores, resamples=FEWER_RESAMPLES, seed=seed) if two else None,
        misordered=misordered_pairs(*scores) if two else None,
    )
