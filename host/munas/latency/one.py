"""One model on one board: the library's `munas.measure`."""

from __future__ import annotations

from munas.boards.open import open_board
from munas.latency.engine import RequestedEngine, choose_engine
from munas.latency.measure import Measurer
from munas.latency.measurement import Measurement
from munas.latency.repeats import Repeats


def measure(
    model: bytes,
    board: str = "emulated_stm32l4r5",
    *,
    engine: RequestedEngine = "auto",
    repeats: Repeats = "auto",
    per_operator: bool = False,
) -> Measurement:
    """Measure an int8 .tflite on a board, by the board's name.

    Cycles, microseconds, arena bytes and their source are in the result. Raises MunasErrors: exit
    code 2 concerns the model or the name, 3 the board.
    """
    opened = open_board(board)
    try:
        chosen = choose_engine(opened.type, engine)
        with Measurer(opened, chosen, repeats=repeats, per_operator=per_operator) as measurer:
            return measurer.measure(("model", model))
    finally:
        opened.close()
