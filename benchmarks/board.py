"""How long a board waits in a measured search, against converting and measuring in turn.

    python benchmarks/board.py [--candidates 12] [--board emulated_stm32l4r5] [--engine aot]

Runs a search on the bundled digits in which every candidate is measured and then trained for one
epoch, and prints how long the board was busy and idle. Reference: the same models converted and
measured one after the other in one process, without training; the overlap is the time that the
search needed up to its last measurement against that reference.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from munas.arch import Architecture
from munas.boards.open import open_board
from munas.deploy.convert import convert_random
from munas.deploy.quiet import silence_tensorflow
from munas.experiment import parse_experiment
from munas.latency.engine import choose_engine, parse_engine
from munas.latency.measure import Measurer
from munas.pipeline.events import Silent
from munas.pipeline.session import Limits, start
from munas.store import Ledger


def search(path: Path, candidates: int, board: str, engine: str) -> dict[str, Any]:
    table = {
        "name": "board",
        "data": {"name": "digits", "train_samples": 300},
        "bounds": {"macs": 500_000, "error": 0.9},
        "search": {"population": 6, "sample": 3, "rounds": candidates, "seed": 0},
        "train": {"epochs": 1, "batch": 32},
        "latency": {"source": "measured", "board": board, "engine": engine},
    }
    return start(parse_experiment(table, "benchmark"), path, Silent(), "benchmark", Limits())


def in_turn(models: list[tuple[Architecture, int]], board: str, engine: str) -> tuple[float, float]:
    """Seconds for converting and for measuring, after the first model has warmed everything up."""
    opened = open_board(board)
    converting = measuring = 0.0
    try:
        chosen = choose_engine(opened.type, parse_engine(engine))
        with Measurer(opened, chosen) as measurer:
            for number, (architecture, seed) in enumerate(models):
                began = time.perf_counter()
                data = convert_random(architecture, seed).data
                converted = time.perf_counter()
                measurer.measure((str(seed), data))
                if number:
                    converting += converted - began
                    measuring += time.perf_counter() - converted
    finally:
        opened.close()
    return converting, measuring


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--candidates", type=int, default=12)
    parser.add_argument("--board", default="emulated_stm32l4r5")
    parser.add_argument("--engine", default="aot", choices=("aot", "tflm"))
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    silence_tensorflow()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "board.ledger"
        found = search(path, chosen.candidates, chosen.board, chosen.engine)
        with Ledger.open(path) as ledger:
            times = [datetime.fromisoformat(row.created_at) for row in ledger.measurements()]
            models = [
                (Architecture.from_dict(dict(row.architecture)), row.candidate_id)
                for row in ledger.candidates()
            ]
            busy = [row.stage_s.get("measure", 0.0) for row in ledger.results()]
    # From the end of the first measurement on: before it, workers and firmware start.
    span = (times[-1] - times[0]).total_seconds()
    steady = sum(busy) - busy[0]
    converting, measuring = in_turn(models, chosen.board, chosen.engine)
    said = {
        "candidates": len(times),
        "wall_s": found["wall_s"],
        "busy_s": round(steady, 2),
        "span_s": round(span, 2),
        "idle_share": round(1 - steady / span, 3),
        "in_turn_convert_s": round(converting, 2),
        "in_turn_measure_s": round(measuring, 2),
    }
    if chosen.json:
        print(json.dumps(said))
        return
    print(f"{said['candidates']} candidates on {chosen.board} with {chosen.engine}")
    print(f"search: board busy {steady:.1f} s of {span:.1f} s, idle {said['idle_share']:.0%}")
    total = converting + measuring
    print(
        f"in turn, nothing trained: {converting:.1f} s converting, {measuring:.1f} s measuring: "
        f"idle {converting / total:.0%}"
    )


if __name__ == "__main__":
    main()
