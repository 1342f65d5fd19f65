from __future__ import annotations

from pathlib import Path

import pytest

from munas.boards.create import create_board
from munas.boards.registry import faulty_boards, find_board, list_boards
from munas.emulator.board import BoardParameters
from munas.errors import BadInputError

GOOD = """[env:own]
extends = stm32_arduino
board = nucleo_l4r5zi
custom_munas_mcu = STM32L4R5ZI
custom_munas_clock_hz = 120000000
custom_munas_flash_bytes = 2097152
custom_munas_ram_bytes = 655360
"""


@pytest.fixture
def own_boards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MUNAS_CONFIG", str(tmp_path))
    folder = tmp_path / "boards"
    folder.mkdir()
    return folder


def test_the_boards_of_the_design_are_there() -> None:
    boards = {board.name: board for board in list_boards()}
    assert set(boards) >= {
        "emulated_stm32l4r5", "emulated_stm32f405", "nucleo_l4r5zi_bare", "nucleo_f401re",
        "nucleo_f446re", "nucleo_l4r5zi", "nucleo_f767zi", "nucleo_h743zi", "disco_f746ng",
        "bluepill_f103c8",
    }  # fmt: skip
    assert boards["nucleo_l4r5zi"].twin == "emulated_stm32l4r5"
    assert boards["bluepill_f103c8"].engines == ("aot",)
    for board in boards.values():
        assert board.twin is None or boards[board.twin].emulated
        assert board.emulated or board.openocd


@pytest.mark.parametrize("name", ["emulated_stm32l4r5", "emulated_stm32f405"])
def test_the_emulator_takes_the_parameters_and_they_are_its_own(name: str) -> None:
    board = find_board(name)
    parameters = BoardParameters.from_json({"mcu": board.mcu, "cycles": board.cycles})
    default = BoardParameters.of_chip(board.mcu)
    assert parameters.cycles.weights() == default.cycles.weights()


def test_an_own_board_joins_and_inherits(own_boards: Path) -> None:
    (own_boards / "own.ini").write_text(GOOD)
    (own_boards / "child.ini").write_text(
        "[env:child]\nextends = env:nucleo_l4r5zi\ncustom_munas_clock_hz = 80000000\n"
    )
    assert find_board("own").clock_hz == 120_000_000
    child = find_board("child")
    assert (child.clock_hz, child.mcu) == (80_000_000, "STM32L4R5ZI")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (GOOD + "custom_munas_clok_hz = 1\n", "custom_munas_clok_hz"),
        (GOOD.replace("120000000", "fast"), "custom_munas_clock_hz"),
        (GOOD.replace("custom_munas_ram_bytes = 655360\n", ""), "custom_munas_ram_bytes"),
        (GOOD + "custom_munas_mac_model = {oops\n", "custom_munas_mac_model"),
        (GOOD + 'custom_munas_mac_model = {"cycles": [1, 2]}\n', "custom_munas_mac_model.origin"),
        (GOOD + "custom_munas_engines = tvm\n", "custom_munas_engines"),
        (GOOD.replace("stm32_arduino", "stm32_nothing"), "stm32_nothing"),
        ("no section\n", "line 1 stands before any [section]"),
        (GOOD + GOOD, "[env:own] is there twice"),
        (GOOD + "board = x\n", "board is there twice"),
        (GOOD + "nonsense\n", "line 8 is not of the form"),
        (GOOD + "custom_munas_twin = nucleo_l4r5zi\n", "nucleo_l4r5zi is a physical board"),
        (GOOD + "custom_munas_twin = own\n", "own is a physical board"),
        (GOOD + "custom_munas_twin = nowhere\n", "nowhere is no board"),
        (GOOD + "custom_munas_cycles = 3\n", "custom_munas_cycles: must be a table"),
    ],
)
def test_a_wrong_file_is_named_with_its_key_and_stops_no_other(
    own_boards: Path, text: str, named: str
) -> None:
    before = list_boards()
    (own_boards / "own.ini").write_text(text)
    with pytest.raises(BadInputError) as caught:
        find_board("own")
    assert named in str(caught.value)
    assert "own.ini" in str(caught.value)
    assert "Input" not in str(caught.value)
    assert list_boards() == before
    assert list(faulty_boards()) == ["own"]
    assert find_board("emulated_stm32l4r5").emulated


def test_a_board_whose_twin_is_wrong_is_there_itself(own_boards: Path) -> None:
    (own_boards / "twin.ini").write_text(GOOD.replace("env:own", "env:twin") + "x\n")
    (own_boards / "own.ini").write_text(GOOD + "custom_munas_twin = twin\n")
    assert find_board("own").twin == "twin"
    with pytest.raises(BadInputError, match=r"twin\.ini cannot be read: line 8"):
        find_board("twin")


def test_a_new_board_never_replaces_a_file(own_boards: Path) -> None:
    (own_boards / "own.ini").write_text("half a board")
    with pytest.raises(BadInputError, match="already"):
        create_board("own", "nucleo_l4r5zi")
    assert (own_boards / "own.ini").read_text() == "half a board"


def test_an_unknown_board_is_answered_with_names() -> None:
    with pytest.raises(BadInputError, match=r"Did you mean nucleo_l4r5zi") as caught:
        find_board("nucleo_l4r5z")
    assert "emulated_stm32l4r5" in str(caught.value)
