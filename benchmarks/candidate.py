"""What one more candidate costs on the emulated board, by engine, in one run.

    python benchmarks/candidate.py [--models N] [--board B]

The reference is the way of most tools: build an image with the candidate in it, put it onto the
board, measure, for each candidate anew (engine aot, single). Against it: aot in batches, and the
resident engine tflm, where it is installed. "besides inference" leaves out the time of the
inferences themselves, which is the network's. Candidates are copies of one small network with other
weights, so that no build is found in the cache.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

from munas.boards.emulated import EmulatedBoard
from munas.boards.registry import find_board
from munas.deploy.model_file import load_model, save_model
from munas.firmware.engines import tflm_library
from munas.latency.engine import EngineChoice, EngineName
from munas.latency.measure import Measurer
from munas.link.client import Client

SMALL = Path(__file__).parent.parent / "tests" / "data" / "small.tflite"


def candidates(count: int) -> list[tuple[str, bytes]]:
    """The network with other weights each time; other in every run too."""
    rng = np.random.default_rng()
    found = []
    for index in range(count):
        model = load_model(SMALL.read_bytes(), "small")
        largest = max(
            model.buffers, key=lambda buffer: 0 if buffer.data is None else len(buffer.data)
        )
        largest.data = rng.integers(-127, 128, len(largest.data), np.int8).view(np.uint8)
        found.append((f"candidate-{index}", save_model(model)))
    return found


class Stopwatch:
    """Adds up the time that inferences take."""

    def __init__(self) -> None:
        self.inference_s = 0.0
        plain = Client.run

        def run(client: Client, *arguments: object, **options: object) -> object:
            began = time.perf_counter()
            try:
                return plain(client, *arguments, **options)  # type: ignore[arg-type]
            finally:
                self.inference_s += time.perf_counter() - began

        Client.run = run  # type: ignore[method-assign,assignment]


def measure(name: str, engine: EngineName, models: list[tuple[str, bytes]], single: bool) -> float:
    """Seconds a candidate; the first one, which builds the engine, is not counted."""
    board = EmulatedBoard(find_board(name))
    choice = EngineChoice(engine, "cmsis-nn", tflm_library() if engine == "tflm" else None, "")
    try:
        with Measurer(board, choice) as measurer:
            measurer.measure(models[0])
            began = time.perf_counter()
            if single:
                found = [measurer.measure(model) for model in models[1:]]
            else:
                found = list(measurer.measure_all(models[1:]))
            elapsed = time.perf_counter() - began
    finally:
        board.close()
    assert all(one.error is None and one.outputs_match for one in found)
    return elapsed / len(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=int, default=8)
    parser.add_argument("--board", default="emulated_stm32l4r5")
    arguments = parser.parse_args()
    watch = Stopwatch()
    kinds: list[tuple[str, EngineName, bool]] = [
        ("aot, an image each (reference)", "aot", True),
        ("aot, in batches", "aot", False),
    ]
    if tflm_library() is not None:
        kinds.append(("tflm, resident", "tflm", True))
    reference = 0.0
    print(f"{'':32} s a candidate   besides inference   times faster")
    for title, engine, single in kinds:
        watch.inference_s = 0.0
        seconds = measure(arguments.board, engine, candidates(arguments.models + 1), single)
        besides = seconds - watch.inference_s / (arguments.models + 1)
        reference = reference or seconds
        print(f"{title:32} {seconds:13.3f} {besides:19.3f} {reference / seconds:14.1f}")
    if tflm_library() is None:
        print("tflm is not installed: munas engine install tflm")


if __name__ == "__main__":
    main()
