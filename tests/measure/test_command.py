"""What `munas measure` does with files that cannot be read and firmwares that are given."""

from __future__ import annotations

from pathlib import Path

import pytest

from munas.boards.simulated import SimulatedBoard, simulated_image
from munas.errors import BadInputError, ExitCode
from munas.latency import command
from munas.latency.command import Request, measure_models

SMALL = Path(__file__).parents[1] / "data" / "small.tflite"


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[SimulatedBoard]:
    """The boards that were opened; each is simulated and has the engine tflm."""
    boards: list[SimulatedBoard] = []

    def open_board(name: str, **options: object) -> SimulatedBoard:
        boards.append(SimulatedBoard())
        return boards[-1]

    monkeypatch.setattr(command, "open_board", open_board)
    monkeypatch.setattr(command, "image_of_elf", lambda path: simulated_image())
    return boards


def request(*models: Path, engine: str = "auto") -> Request:
    return Request(models, "emulated_stm32l4r5", engine=engine, elf=Path("f.elf"))


def test_a_file_that_cannot_be_read_is_one_bad_model(
    opened: list[SimulatedBoard], tmp_path: Path
) -> None:
    outcome = measure_models(request(tmp_path, SMALL, tmp_path / "nowhere", SMALL))
    found = list(outcome)
    assert [each.error and each.error["name"] for each in found] == [
        "bad-input", None, "bad-input", None
    ]  # fmt: skip
    assert found[1].cycles == found[3].cycles
    assert outcome.exit_code is ExitCode.BAD_INPUT


def test_no_board_is_opened_for_nothing_to_measure(
    opened: list[SimulatedBoard], tmp_path: Path
) -> None:
    outcome = measure_models(request(tmp_path))
    assert [each.error is None for each in outcome] == [False]
    assert opened == [] and outcome.exit_code is ExitCode.BAD_INPUT


def test_a_given_firmware_has_the_engine_that_it_has(opened: list[SimulatedBoard]) -> None:
    with pytest.raises(BadInputError, match="has the engine tflm, not aot"):
        list(measure_models(request(SMALL, engine="aot")))
    (found,) = measure_models(request(SMALL, engine="tflm"))
    assert found.engine == "tflm" and found.error is None
