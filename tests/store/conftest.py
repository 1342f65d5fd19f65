from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from munas.store import CandidateRow, Ledger, ResultRow, RunInfo

BOUNDS = {"error": 0.3, "latency_us": None, "macs": 3_000_000, "peak_memory_bytes": 40_000}


@pytest.fixture
def run() -> RunInfo:
    return RunInfo(
        name="quickstart",
        experiment={"name": "quickstart", "bounds": BOUNDS, "search": {"rounds": 24}},
        identity={"seed": 0, "workers": 2, "lag": 4, "packages": {"numpy": "2.1.0"}},
        command="munas search quickstart --seed 0",
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.ledger"


@pytest.fixture
def ledger(path: Path, run: RunInfo) -> Iterator[Ledger]:
    with Ledger.create(path, run) as opened:
        yield opened


@pytest.fixture
def candidate() -> Callable[..., CandidateRow]:
    def make(candidate_id: int, **values: Any) -> CandidateRow:
        defaults: dict[str, Any] = {
            "architecture": {"space": "mlp", "input": [8, 8, 1], "classes": 10, "dense": [8]},
            "architecture_sha256": f"{candidate_id:064x}",
            "macs": 1_000_000,
            "peak_memory_bytes": 20_000,
            "model_size_bytes": 30_000,
        }
        return CandidateRow(candidate_id=candidate_id, **{**defaults, **values})

    return make


@pytest.fixture
def result() -> Callable[..., ResultRow]:
    def make(candidate_id: int, **values: Any) -> ResultRow:
        defaults: dict[str, Any] = {
            "status": "ok",
            "evaluation": {"error": 0.1, "resources": {"macs": 1_000_000}},
            "epochs": 3,
            "val_accuracy_int8": 0.9,
            "val_accuracy_float": 0.91,
            "latency_us": 5000,
            "latency_source": "emulated",
            "arena_used_bytes": 12_000,
            "arena_source": "emulated",
            "flash_bytes": 60_000,
            "board": "emulated_stm32l4r5",
            "engine": "tflm",
            "stage_s": {"train": 1.5, "convert": 0.25},
        }
        return ResultRow(candidate_id=candidate_id, **{**defaults, **values})

    return make
