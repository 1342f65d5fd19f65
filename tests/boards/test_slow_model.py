"""A model that keeps the board busy for minutes costs that model alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from munas.boards.simulated import SimulatedBoard, WheelEngine, simulated_image
from munas.latency.engine import EngineChoice
from munas.latency.measure import Measurer
from munas.link.messages import Prepared
from munas.link.simulated import SimulatedDevice, SimulatedTraits

SMALL = (Path(__file__).parents[1] / "data" / "small.tflite").read_bytes()
CLOCK_HZ = 120_000_000


class SlowAtFirst(WheelEngine):
    """The model of the first `times` preparations takes `seconds` an inference."""

    def __init__(self, seconds: float, times: int) -> None:
        super().__init__()
        self.seconds = seconds
        self.left = times

    def prepare(self, model: bytes | int, arena_bytes: int) -> Prepared:
        self.left -= 1
        return super().prepare(model, arena_bytes)

    def invoke(self, data: bytes) -> tuple[bytes, tuple[int, ...]]:
        output, cycles = super().invoke(data)
        if self.left >= 0:
            cycles = (round(self.seconds * CLOCK_HZ), *cycles[1:])
        return output, cycles


@pytest.mark.parametrize(
    ("seconds", "watchdog_s", "fault"),
    [(93.0, 26, "WATCHDOG"), (10_000.0, 100_000, "did not answer RUN before the deadline")],
)
def test_a_slow_model_ends_with_a_reason_and_the_next_is_measured(
    seconds: float, watchdog_s: int, fault: str
) -> None:
    # The session tries everything twice.
    engine = SlowAtFirst(seconds, times=2)
    board = SimulatedBoard(SimulatedDevice(engine, SimulatedTraits(watchdog_s=watchdog_s)))
    choice = EngineChoice("tflm", "cmsis-nn", None, "for the test")
    with Measurer(board, choice, image=simulated_image()) as measuring:
        slow, good = measuring.measure_all([("slow", SMALL), ("good", SMALL)])
    assert slow.error is not None
    assert fault in slow.error["message"]
    assert good.error is None
    assert good.outputs_match is True
