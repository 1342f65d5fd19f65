"""TensorFlow Lite Micro on both emulated boards: it refuses what it cannot do.

Compiling it takes minutes, once a board, so these run only where MUNAS_TEST_TFLM is set.
"""

from __future__ import annotations

import importlib.util
import os
import random
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from munas.boards.emulated import EmulatedBoard
from munas.boards.registry import find_board
from munas.boards.session import Session
from munas.deploy.model_file import load_model, save_model
from munas.firmware.build import BuildRequest, build
from munas.firmware.engines import tflm_library
from munas.latency.engine import EngineChoice
from munas.latency.measure import Measurer
from munas.link.client import Client
from munas.link.faults import BoardRefusedError
from munas.link.messages import ErrorCode, Slot

SMALL = (Path(__file__).parents[1] / "data" / "small.tflite").read_bytes()

_ABSENT = [p for p in ("unicorn", "numba") if importlib.util.find_spec(p) is None]
if shutil.which("arm-none-eabi-gcc") is None:
    _ABSENT.append("arm-none-eabi-gcc")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(
        not os.environ.get("MUNAS_TEST_TFLM"), reason="compiles for minutes: set MUNAS_TEST_TFLM"
    ),
    pytest.mark.skipif(bool(_ABSENT), reason=f"needs {', '.join(_ABSENT)}"),
]


@dataclass
class Bench:
    """A board that runs the engine."""

    session: Session
    board: str
    library: Path

    @property
    def client(self) -> Client:
        return self.session.client

    def boots(self) -> int:
        return self.client.hello(self.client.deadline(10)).welcome.boots

    def prepare(self, data: bytes, arena_limit_bytes: int = 0) -> int:
        """Bytes of arena in use. Raises BoardRefusedError."""
        deadline = self.client.deadline(60)
        self.client.load(data, Slot.RAM, deadline)
        return self.again(arena_limit_bytes)

    def again(self, arena_limit_bytes: int) -> int:
        deadline = self.client.deadline(60)
        prepared = self.client.prepare(Slot.RAM, deadline, arena_limit_bytes=arena_limit_bytes)
        return prepared.arena_used_bytes


@pytest.fixture(scope="module", params=["emulated_stm32l4r5", "emulated_stm32f405"])
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    library = tflm_library()
    if library is None:
        pytest.skip("tflm is not installed: munas engine install tflm")
    device = EmulatedBoard(find_board(request.param))
    image = build(BuildRequest(request.param, "tflm", tflm=library))
    with Session(device) as session:
        session.start(image)
        yield Bench(session, request.param, library)
    device.close()


def test_an_arena_of_any_size_is_enough_or_refused(bench: Bench) -> None:
    used = bench.prepare(SMALL)
    before = bench.boots()
    fits: list[bool] = []
    for limit in range(1, used + 700, 12):
        try:
            bench.again(limit)
            fits.append(True)
        except BoardRefusedError as error:
            assert error.code == ErrorCode.ARENA_TOO_SMALL
            assert error.detail >= limit
            fits.append(False)
    # What is enough stays so with more, and everything is reached: nothing, and enough.
    assert fits == sorted(fits)
    assert not fits[0]
    assert fits[-1]
    assert bench.boots() == before


def test_what_its_assertions_find_is_a_refusal(bench: Bench) -> None:
    model = load_model(SMALL, "small")
    tensor = model.subgraphs[0].tensors[model.subgraphs[0].operators[0].inputs[1]]
    tensor.quantization = None
    before = bench.boots()
    with pytest.raises(BoardRefusedError, match="BAD_MODEL"):
        bench.prepare(save_model(model))
    assert bench.prepare(SMALL) > 0
    assert bench.boots() == before


def test_damaged_models_are_refused_and_the_board_goes_on(bench: Bench) -> None:
    chance = random.Random(7)
    before = bench.boots()
    for _ in range(60):
        damaged = bytearray(SMALL)
        for _ in range(chance.choice((1, 2, 4))):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        try:
            bench.prepare(bytes(damaged))
        except BoardRefusedError:
            continue
    assert bench.boots() == before
    assert bench.prepare(SMALL) > 0


def test_a_model_is_measured_and_answers_as_the_wheel(bench: Bench) -> None:
    choice = EngineChoice("tflm", "cmsis-nn", bench.library, "for the test")
    device = EmulatedBoard(find_board(bench.board))
    try:
        with Measurer(device, choice, minimal_arena=True) as measuring:
            bad, found = measuring.measure_all([("bad", SMALL[:900]), ("small", SMALL)])
    finally:
        device.close()
    assert bad.error is not None
    assert found.outputs_match is True
    assert found.placement == "ram"
    assert found.arena_minimum_bytes is not None
    assert found.arena_used_bytes is not None
    assert 0 <= found.arena_minimum_bytes - found.arena_used_bytes < 600
