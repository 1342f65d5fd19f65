"""Measured points made up from real architectures: cycles by kind of operator, a known arena."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache
from random import Random
from typing import Any

import pytest

from munas.arch import Architecture, canonical, sample, sha256
from munas.cost import Cost, cost
from munas.study.operators import OperatorKind, makeup_of
from munas.study.points import Point

CYCLES_PER_MAC = {
    OperatorKind.FEW_CHANNELS: 12.0,
    OperatorKind.CONV_1X1: 6.0,
    OperatorKind.CONV: 4.0,
    OperatorKind.DEPTHWISE: 25.0,
    OperatorKind.DENSE: 2.0,
}
OVERHEAD_CYCLES = 500
CLOCK_HZ = 120_000_000
MOST = 120
PROVENANCE: dict[str, Any] = {
    "unit": "emulated",
    "engine_revision": "88f8587b",
    "kernels": "cmsis-nn",
    "firmware_sha256": "f" * 64,
    "compiler": "gcc 12.2.1",
    "flags": "-O2 -mcpu=cortex-m4",
    "clock_hz": CLOCK_HZ,
    "source": "emulated",
    "model_error_percent": 10.0,
}

MakePoints = Callable[..., list[Point]]


@cache
def drawn(seed: int) -> tuple[tuple[Architecture, str, Cost], ...]:
    """Distinct random architectures with MACs, drawn once for all tests."""
    rng = Random(seed)
    found: dict[str, tuple[Architecture, str, Cost]] = {}
    while len(found) < MOST:
        architecture = canonical(sample(rng, (12, 12, 1), 4))
        costs = cost(architecture)
        digest = sha256(architecture)
        if costs.macs:
            found.setdefault(digest, (architecture, digest, costs))
    return tuple(found.values())


def make_points(
    count: int = 40,
    *,
    board: str = "emulated_x",
    engine: str = "tflm",
    seed: int = 1,
    slowness: float = 1.0,
    per_mac: dict[OperatorKind, float] | None = None,
    **changed: Any,
) -> list[Point]:
    """Points whose cycles follow `per_mac` and a constant an operator; 3,000 bytes of arena and
    400 an operator on top of peak memory. `changed` replaces values of the measurement."""
    rates = CYCLES_PER_MAC if per_mac is None else per_mac
    return [
        _point(architecture.as_dict(), digest, costs, board, engine, slowness, rates, changed)
        for architecture, digest, costs in drawn(seed)[:count]
    ]


def _point(
    architecture: dict[str, Any],
    digest: str,
    costs: Cost,
    board: str,
    engine: str,
    slowness: float,
    rates: dict[OperatorKind, float],
    changed: dict[str, Any],
) -> Point:
    operators = [
        {
            "name": name,
            "cycles": round(slowness * (OVERHEAD_CYCLES + rates.get(kind, 0) * macs)),
            "macs": macs,
        }
        for name, kind, macs in makeup_of(architecture).operators
    ]
    cycles = sum(each["cycles"] for each in operators)
    clock = changed.get("clock_hz", CLOCK_HZ)
    peak = costs.peak_memory_with_input_bytes
    measurement = {
        "model": digest[:12],
        "model_sha256": hashlib.sha256(digest.encode()).hexdigest(),
        "board": board,
        "engine": engine,
        **PROVENANCE,
        "cycles": cycles,
        "flash_stall_cycles": None,
        "cycles_samples": [cycles],
        "latency_us": round(cycles * 1e6 / clock),
        "ci95_us": 0.0,
        "repeats": 1,
        "warmup": 1,
        "arena_used_bytes": peak + 3000 + 400 * len(operators),
        "arena_region": "sram",
        "weights_region": "sram",
        "flash_bytes": 200_000,
        "stack_bytes": 1600,
        "placement": "ram",
        "outputs_match": True,
        "operators": operators,
        "error": None,
        **changed,
    }
    return Point(
        architecture=architecture,
        architecture_sha256=digest,
        macs=costs.macs,
        peak_memory_bytes=costs.peak_memory_bytes,
        peak_memory_with_input_bytes=peak,
        model_size_bytes=costs.model_size_bytes,
        tflite_bytes=None,
        measurement=measurement,
    )


@pytest.fixture
def points_like() -> MakePoints:
    """Makes points; see `make_points`."""
    return make_points
