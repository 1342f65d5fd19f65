"""Ledgers of runs as `munas search` leaves them: real architectures and costs, drawn accuracies."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import pytest

from munas.arch import canonical, random_morphism, sample, sha256
from munas.cost import cost
from munas.experiment import parse_experiment
from munas.store import CandidateRow, EventRow, FinalRow, Ledger, ResultRow, RunInfo

BOUNDS = {"error": 0.2, "macs": 3_000_000, "peak_memory_bytes": 40_000, "flash_bytes": 65_536}
IDENTITY = {
    "seed": 7,
    "workers": 2,
    "lag": 4,
    "latency_source": "mac",
    "latency_reason": "no emulated_stm32l4r5 is attached; it cannot be emulated here",
    "board": "emulated_stm32l4r5",
    "engine": None,
    "dataset": "digits",
    "dataset_origin": "scikit-learn's load_digits",
    "dataset_sha256": "d" * 64,
    "versions": {"munas": "0.1.0", "tensorflow": "2.21.0"},
}


def clock(seconds: int) -> str:
    return f"2026-11-24T03:{seconds // 60:02d}:{seconds % 60:02d}.000+00:00"


def make_run(**values: Any) -> RunInfo:
    experiment = parse_experiment(
        {
            "name": "quickstart",
            "data": {"name": "fashion_mnist", "fallback": "digits"},
            "bounds": values.pop("bounds", BOUNDS),
            "search": {"population": 10, "sample": 4, "rounds": values.pop("rounds", 24)},
        },
        "test",
    ).as_dict()
    defaults: dict[str, Any] = {
        "name": "quickstart",
        "experiment": experiment,
        "identity": IDENTITY,
        "command": "munas search quickstart --seed 7",
        "created_at": clock(0),
    }
    return RunInfo(**{**defaults, **values})


@cache
def drawn_candidates(count: int) -> tuple[CandidateRow, ...]:
    """Six random architectures, then morphisms of one another."""
    rng = Random(0)
    rows: list[CandidateRow] = []
    parent = 1, canonical(sample(rng, (28, 28, 1), 10))
    for number in range(1, count + 1):
        morphism = random_morphism(parent[1], rng) if number > 6 else None
        drawn = morphism.child if morphism else canonical(sample(rng, (28, 28, 1), 10))
        costs = cost(drawn)
        rows.append(
            CandidateRow(
                candidate_id=number,
                architecture=drawn.as_dict(),
                architecture_sha256=sha256(drawn),
                macs=costs.macs,
                peak_memory_bytes=costs.peak_memory_bytes,
                model_size_bytes=costs.model_size_bytes,
                parent_id=parent[0] if morphism else None,
                morphism=morphism.name if morphism else None,
                asked_at=clock(0),
            )
        )
        if costs.macs < 3_000_000:
            parent = number, drawn
    return tuple(rows)


def fill_ledger(ledger: Ledger, count: int, **values: Any) -> None:
    """`count` candidates with results: most trained, some screened out, some failed."""
    rng = Random(0)
    ledger.add_event(EventRow(kind="started", created_at=clock(0)))
    for row in drawn_candidates(count):
        number = row.candidate_id
        ledger.add_candidate(row)
        accuracy = round(min(0.95, 0.6 + 0.01 * number + rng.gauss(0, 0.05)), 4)
        result: dict[str, Any] = {
            "status": "ok",
            "epochs": 3,
            "val_accuracy_int8": accuracy,
            "val_accuracy_float": accuracy + 0.002,
            "latency_source": "mac",
            "arena_used_bytes": row.peak_memory_bytes + 4_000,
            "arena_source": "host",
            "flash_bytes": row.model_size_bytes + 6_000,
            "board": "emulated_stm32l4r5",
            "stage_s": {"screen": 0.004, "train": 12.5, "convert": 2.1, "evaluate": 0.4},
        }
        if row.macs > 3_000_000:
            result = {"status": "infeasible", "latency_source": "mac", "stage_s": {"screen": 0.004}}
        elif number % 11 == 5:
            error = {"name": "convert", "message": "The converter emitted another network."}
            result = {"status": "failed", "error": error}
        result["finished_at"] = clock(10 * number)
        ledger.add_result(ResultRow(candidate_id=number, **{**result, **values}))


def finish(ledger: Ledger, count: int) -> None:
    for row in ledger.front():
        ledger.add_final(
            FinalRow(candidate_id=row["candidate_id"], test_accuracy_int8=row["val_accuracy_int8"])
        )
    ledger.add_event(EventRow(kind="finished", detail={"candidates": count}, created_at=clock(300)))


@pytest.fixture
def fill() -> Callable[..., None]:
    return fill_ledger


@pytest.fixture
def identity() -> dict[str, Any]:
    return dict(IDENTITY)


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Ledger]:
    """An empty ledger; keywords are those of `make_run`."""

    def create(**values: Any) -> Ledger:
        return Ledger.create(tmp_path / "run.ledger", make_run(**values))

    return create


@pytest.fixture
def ledger(make: Callable[..., Ledger]) -> Ledger:
    """A run of 24 candidates that came to its end."""
    opened = make()
    fill_ledger(opened, 24)
    finish(opened, 24)
    return opened
