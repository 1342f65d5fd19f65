"""What a search costs besides training, and what a second worker brings. Prints ratios.

One run, one machine: Fashion-MNIST (digits where it cannot be had), 4,000 images, 2 epochs, the
same candidates in all three settings. Reference of the speed-up: one worker with TensorFlow's
default threads.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from munas.experiment import find_experiment, load_experiment
from munas.pipeline import session
from munas.pipeline.events import Silent
from munas.pipeline.executor import LocalExecutor
from munas.pipeline.session import Limits, start


def run(folder: Path, name: str, workers: int, candidates: int) -> tuple[float, float]:
    """(candidates a minute, share of wall time that the search itself took)."""
    overrides = (
        f"search.workers={workers}",
        "search.lag=4",
        f"search.rounds={candidates}",
        "search.population=4",
        "search.sample=2",
        "data.train_samples=4000",
        "train.epochs=2",
        "latency.source=mac",
    )
    experiment = load_experiment(find_experiment("quickstart"), overrides)
    found = start(experiment, folder / f"{name}.ledger", Silent(), "benchmark", Limits())
    overhead = found["time_by_stage_s"]["overhead"] / found["wall_s"]
    return 60 * found["candidates"] / found["wall_s"], overhead


@contextmanager
def default_threads() -> Iterator[None]:
    """Workers as TensorFlow is out of the box: as many threads as cores, no determinism."""
    made = session._executor

    def executor(experiment: Any, identity: Any, _at: Any) -> Any:
        named = experiment.data.model_copy(update={"name": identity["dataset"], "fallback": None})
        settings = {"data": named.model_dump(mode="json"), "deterministic": False}
        return LocalExecutor(settings, identity["workers"])

    session._executor = executor
    try:
        yield
    finally:
        session._executor = made


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--candidates", type=int, default=12)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with default_threads():
            reference, _ = run(folder, "reference", 1, options.candidates)
        one, _ = run(folder, "one", 1, options.candidates)
        two, overhead = run(folder, "two", 2, options.candidates)
    print(f"one worker, TensorFlow's default threads: {reference:.1f} candidates a minute (1.00)")
    print(f"one worker, one thread, deterministic:    {one:.1f} ({one / reference:.2f})")
    print(f"two workers, one thread each:             {two:.1f} ({two / reference:.2f})")
    print(f"the search itself took {overhead:.1%} of the wall time of the last run")
    return 0


if __name__ == "__main__":
    sys.exit(main())
