"""Which architectures to measure next, so that a predictor learns most.

Half of every batch comes from the pool in its order, which is random: what those are predicted by
is an honest test. The other half are those whose prediction is least sure, spread over the range of
latencies, since the least sure ones alone would all be alike. Knows predictions, not boards.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from munas.latency.predict.features import Features
from munas.latency.predict.predictor import Predictor


def next_batch(
    predictor: Predictor | None,
    pool: Sequence[tuple[Features, ...]],
    taken: set[int],
    size: int,
) -> list[int]:
    """The numbers of up to `size` networks of the pool that are not `taken`.

    Without a predictor, the next ones.
    """
    left = [number for number in range(len(pool)) if number not in taken]
    if predictor is None or len(left) <= size or size < 2:
        return left[:size]
    by_turn = left[: (size + 1) // 2]
    rest = left[len(by_turn) :]
    found = predictor.predict_all([pool[number] for number in rest])
    doubt = np.array([prediction.error_percent for prediction in found])
    order = np.argsort([prediction.cycles for prediction in found], kind="stable")
    strata = np.array_split(order, size - len(by_turn))
    return by_turn + [rest[int(stratum[np.argmax(doubt[stratum])])] for stratum in strata]


def extrapolating_share(
    predictor: Predictor, pool: Sequence[tuple[Features, ...]], taken: set[int]
) -> float:
    """The share of the networks not `taken` whose predictions extrapolate."""
    left = [features for number, features in enumerate(pool) if number not in taken]
    found = [
        bool(predictor.knowledge.doubts(features, predictor.costs).reasons) for features in left
    ]
    return sum(found) / len(found) if found else 0.0
