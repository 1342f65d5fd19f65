"""From a .tflite file to measured cycles on both emulated boards, through PlatformIO."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

import pytest

from munas.boards.emulated import EmulatedBoard
from munas.boards.registry import find_board
from munas.errors import ConvertError
from munas.firmware.build import BuildRequest, build
from munas.firmware.image import DIGEST_SECTION, read_elf
from munas.latency.engine import EngineChoice
from munas.latency.measure import Measurer
from munas.latency.measurement import Measurement

SMALL = (Path(__file__).parents[1] / "data" / "small.tflite").read_bytes()
AOT = EngineChoice("aot", "cmsis-nn", None, "for the test")

_ABSENT = [p for p in ("unicorn", "numba", "bakenn") if importlib.util.find_spec(p) is None]
if shutil.which("arm-none-eabi-gcc") is None:
    _ABSENT.append("arm-none-eabi-gcc")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(_ABSENT), reason=f"needs {', '.join(_ABSENT)}"),
]


def measure(board: str, models: list[tuple[str, bytes]]) -> list[Measurement]:
    device = EmulatedBoard(find_board(board))
    try:
        with Measurer(device, AOT, per_operator=True) as measuring:
            return list(measuring.measure_all(models))
    finally:
        device.close()


@pytest.mark.parametrize(
    ("board", "clock_hz"),
    [("emulated_stm32l4r5", 120_000_000), ("emulated_stm32f405", 168_000_000)],
)
def test_a_batch_is_measured_and_answers_as_the_wheel(board: str, clock_hz: int) -> None:
    first, bad, again = measure(board, [("a", SMALL), ("bad", SMALL[:900]), ("b", SMALL)])
    assert bad.error is not None
    for found in (first, again):
        assert found.error is None
        assert found.outputs_match is True
        assert (found.source, found.placement) == ("emulated", "image")
        assert found.clock_hz == clock_hz
        assert found.cycles is not None
        assert 100_000 < found.cycles < 300_000
        parts = sum(operator.cycles for operator in found.operators)
        assert parts == pytest.approx(found.cycles, rel=0.02)
        assert found.operators[0].name == "CONV_2D"
    assert first.firmware_sha256 == again.firmware_sha256
    assert measure(board, [("a", SMALL), ("b", SMALL)])[0].cycles == first.cycles


def test_an_image_is_remembered_and_knows_its_models() -> None:
    board = "emulated_stm32l4r5"
    image = build(BuildRequest(board, "aot", [("a", SMALL), ("b", SMALL)]))
    assert build(BuildRequest(board, "aot", [("a", SMALL), ("b", SMALL)])) == image
    facts = read_elf(image.elf)
    assert facts.sha256 == image.sha256
    assert len(image.source_digest) == 64
    assert image.sections[DIGEST_SECTION] >= 64
    assert "-O2" in image.flags
    assert "-Os" not in image.flags
    one, both = image.model_flash_bytes(0), image.flash_bytes
    assert both - 2 * 4096 - 10_000 < one < both
    assert build(BuildRequest(board, "aot")).sha256 != image.sha256


def test_a_model_that_the_engine_does_not_take_is_named() -> None:
    with pytest.raises(ConvertError, match="broken"):
        build(BuildRequest("emulated_stm32l4r5", "aot", [("broken", SMALL[:900])]))
