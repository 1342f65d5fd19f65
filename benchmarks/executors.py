"""What Ray costs against local execution. Prints seconds and their ratio.

One run, one machine: the same training tasks through both executors with two workers each, both
warmed up, by turns (local, Ray, Ray, local, ...), so that drift of the machine meets both. Starting
is told by itself: it is paid once a search.
"""

from __future__ import annotations

import argparse
import sys
import time
from typing import Any

from munas.pipeline.executor import Executor, LocalExecutor
from munas.pipeline.place import Place, opened

WORKERS = 2
SETTINGS = {"data": {"name": "digits"}}


def task(seed: int, epochs: int) -> dict[str, Any]:
    return {
        "task": "train",
        "architecture": {"space": "mlp", "input": [8, 8, 1], "classes": 10, "dense": [64, 10]},
        "train": {"epochs": epochs, "batch": 32},
        "augment": {},
        "seed": seed,
    }


def timed(executor: Executor, tasks: int, epochs: int) -> tuple[float, list[str]]:
    """Seconds for so many tasks, and the models that they made."""
    began = time.perf_counter()
    futures = [executor.submit(task(seed, epochs), progress=_ignore) for seed in range(tasks)]
    models = [future.result()[0]["model_sha256"] for future in futures]
    return time.perf_counter() - began, models


def _ignore(_said: dict[str, Any]) -> None:
    """As a search asks for progress."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=8, help="tasks a turn")
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--turns", type=int, default=2, help="pairs of turns")
    options = parser.parse_args()
    began = time.perf_counter()
    with opened(Place("ray"), WORKERS) as at:
        executors = {"local": LocalExecutor(SETTINGS, WORKERS), "ray": at.start(SETTINGS, WORKERS)}
        print(f"Ray started in {time.perf_counter() - began:.1f} s")
        spent: dict[str, float] = dict.fromkeys(executors, 0.0)
        made: dict[str, list[str]] = {}
        try:
            for name, executor in executors.items():
                print(f"{name} warmed up in {timed(executor, WORKERS, 1)[0]:.1f} s")
            for turn in range(2 * options.turns):
                for name in ("local", "ray") if turn % 2 == 0 else ("ray", "local"):
                    seconds, made[name] = timed(executors[name], options.tasks, options.epochs)
                    spent[name] += seconds
                    print(f"turn {turn + 1}: {name} {seconds:.2f} s", flush=True)
        finally:
            for executor in executors.values():
                executor.close()
    count = 2 * options.turns * options.tasks
    for name, seconds in spent.items():
        print(f"{name}: {count} tasks in {seconds:.2f} s, two workers")
    print(f"Ray over local: {spent['ray'] / spent['local']:.3f}")
    print(f"the same models: {made['ray'] == made['local']}")
    return 0 if made["ray"] == made["local"] else 1


if __name__ == "__main__":
    sys.exit(main())
