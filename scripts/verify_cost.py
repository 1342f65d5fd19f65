#!/usr/bin/env python3
"""Holds the cost model against emitted models: 1,000 random architectures, resumable.

For each: MACs and weight bytes of the emitted .tflite equal the deployed cost exactly, and the peak
memory of its operators in file order is the exact minimum that the cost model says. Results are
kept one a line; run it again to go on. Exits 1 when any architecture differs.

    .venv/bin/python scripts/verify_cost.py [--count 1000] [--out runs/verify_cost.jsonl]
"""

from __future__ import annotations

import argparse
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import Any

from munas.arch import Architecture, canonical, sample
from munas.cost import best_schedule, cost, peak_of_order
from munas.deploy.model_file import load_model, read_graph
from munas.pipeline.executor import LocalExecutor

INPUTS = ((28, 28, 1), (32, 32, 3), (49, 10, 1), (8, 8, 1))


def architecture(number: int) -> Architecture:
    """The architecture of one number: spaces, inputs, classes and samplings take turns."""
    rng = Random(f"verify:{number}")
    return canonical(
        sample(
            rng,
            INPUTS[number % len(INPUTS)],
            (10, 2)[number // 4 % 2],
            space="mlp" if number % 20 == 19 else "cnn",
            sampling="extended" if number % 3 == 2 else "inclusive",
        )
    )


def verify(executor: LocalExecutor, number: int) -> dict[str, Any]:
    drawn = architecture(number)
    task = {"task": "convert", "architecture": drawn.as_dict(), "seed": number}
    answer, blobs = executor.submit(task).result()
    if "error" in answer:
        return {"number": number, "same": False, "error": answer["error"]["message"]}
    expected = cost(drawn)
    graph = read_graph(load_model(blobs["model"], f"model {number}"))
    emitted_peak = peak_of_order(graph, tuple(range(len(graph.operators))))
    found = (graph.macs, graph.weight_bytes, emitted_peak, best_schedule(graph).peak_bytes)
    wanted = (
        expected.macs,
        expected.model_size_bytes,
        expected.peak_memory_with_input_bytes,
        expected.peak_memory_with_input_bytes,
    )
    return {"number": number, "same": found == wanted, "found": found, "wanted": wanted}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--out", type=Path, default=Path("runs/verify_cost.jsonl"))
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    options.out.parent.mkdir(parents=True, exist_ok=True)
    lines = options.out.read_text().splitlines() if options.out.exists() else []
    rows = {row["number"]: row for row in map(json.loads, filter(None, lines))}
    todo = [number for number in range(options.count) if number not in rows]
    executor = LocalExecutor({"data": {"name": "digits"}}, options.workers, tasks_per_worker=200)
    try:
        with options.out.open("a") as out, ThreadPoolExecutor(options.workers * 2) as threads:
            for row in threads.map(lambda number: verify(executor, number), todo):
                rows[row["number"]] = row
                out.write(json.dumps(row) + "\n")
                out.flush()
                if not row["same"]:
                    print(row, file=sys.stderr)
    finally:
        executor.close()
    same = sum(row["same"] for row in rows.values())
    print(f"{same} of {len(rows)} architectures: emitted MACs, weights and peak memory are equal")
    return 0 if same == len(rows) else 1


if __name__ == "__main__":
    sys.exit(main())
