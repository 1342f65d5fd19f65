"""A board whose every loop costs a known number of cycles."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from random import Random
from typing import Any

import numpy as np
import pytest

from munas.arch import Architecture, canonical, sample, sha256
from munas.cost import cost
from munas.latency.predict import Examples, Predictor, build_predictor, examples_of
from munas.latency.predict.features import features_of
from munas.latency.predict.layout import BASE, LAYOUT, PER_OPERATOR

SHAPE = (12, 12, 3)


@lru_cache
def _drawn(count: int, seed: int = 0) -> tuple[Architecture, ...]:
    rng = Random(seed)
    found: dict[str, Architecture] = {}
    while len(found) < count:
        drawn = canonical(sample(rng, SHAPE, 10))
        if len(cost(drawn).graph.operators) <= 14 and cost(drawn).macs < 3_000_000:
            found[sha256(drawn)] = drawn
    return tuple(found.values())


@dataclass
class Law:
    """Costs of every loop in cycles; measurements may be off by a random factor exp(±noise)."""

    costs: Any
    noise: float = 0.0
    seed: int = 0

    def measure(self, architecture: Architecture, **changes: Any) -> dict[str, Any]:
        rng = np.random.default_rng([self.seed, int(sha256(architecture)[:12], 16)])
        costs = cost(architecture)
        features = features_of(costs)
        cycles = LAYOUT.operators(features) @ self.costs
        cycles = np.rint(cycles * np.exp(self.noise * rng.standard_normal(len(cycles))))
        names = LAYOUT.index
        beyond = self.costs[names[BASE]] + len(features) * self.costs[names[PER_OPERATOR]]
        found = {
            "board": "emulated_stm32l4r5",
            "unit": "u1",
            "engine": "tflm",
            "engine_revision": "r1",
            "kernels": "k",
            "compiler": "gcc",
            "flags": "-O2",
            "clock_hz": 100_000_000,
            "source": "emulated",
            "model_error_percent": 10.0,
            "model_sha256": sha256(architecture),
            "cycles": round(float(cycles.sum() + beyond)),
            "operators": [
                {"name": operator.kind, "cycles": int(spent), "macs": operator.macs}
                for operator, spent in zip(costs.graph.operators, cycles, strict=True)
            ],
            "error": None,
        }
        return found | changes

    def examples(self, drawn: tuple[Architecture, ...]) -> Examples:
        return examples_of((each, self.measure(each)) for each in drawn)


def _law(seed: int, noise: float = 0.0) -> Law:
    rng = np.random.default_rng(seed)
    costs = rng.uniform(2.0, 30.0, len(LAYOUT.columns))
    for column, name in enumerate(LAYOUT.columns):
        if ":" in name:
            costs[column] = 0.0  # coarse work is no loop
        elif name.endswith(".one"):
            costs[column] = 1000.0
    costs[LAYOUT.index[BASE]], costs[LAYOUT.index[PER_OPERATOR]] = 300.0, -47.0
    return Law(costs, noise, seed)


@pytest.fixture(scope="session")
def drawn() -> Callable[..., tuple[Architecture, ...]]:
    """(count, seed) to as many different small architectures."""
    return _drawn


@pytest.fixture(scope="session")
def law_of() -> Callable[..., Law]:
    """(seed, noise) to a law."""
    return _law


@pytest.fixture(scope="session")
def law() -> Law:
    return _law(1, noise=0.02)


@pytest.fixture(scope="session")
def predictor(law: Law) -> Predictor:
    """Fitted on 40 networks."""
    return build_predictor(law.examples(_drawn(40)))
