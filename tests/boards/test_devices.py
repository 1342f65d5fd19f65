from __future__ import annotations

import json
import multiprocessing
import os
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from munas.boards.boot import boot
from munas.boards.checks import check_identity
from munas.boards.create import create_board
from munas.boards.discovery import Port, find_attached, scan
from munas.boards.lease import leased
from munas.boards.openocd import command_line, openocd_error
from munas.boards.physical import explain_port, silent_after_flash
from munas.boards.registry import find_board, list_boards
from munas.boards.simulated import SimulatedBoard, simulated_image
from munas.boards.units import Unit, enrol, enrolled, units_file
from munas.errors import BadInputError, FlashError, ImplausibleError, TransportError

NUCLEO = Port("/dev/ttyACM0", 0x0483, 0x374B, "066AFF12", "STM32 STLink")
SECOND = Port("/dev/ttyACM1", 0x0483, 0x374E, "003A0033", "STLINK-V3")
ADAPTER = Port("/dev/ttyUSB0", 0x0403, 0x6001, "A50285BI", "FT232R USB UART")
BUILT_IN = Port("/dev/ttyS0", None, None, None)


@pytest.fixture(autouse=True)
def own_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MUNAS_CONFIG", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    return tmp_path


def test_a_probe_can_be_many_boards_until_it_is_enrolled() -> None:
    found = {entry.port: entry for entry in scan([NUCLEO, ADAPTER, BUILT_IN])}
    assert set(found) == {"/dev/ttyACM0", "/dev/ttyUSB0"}
    assert "nucleo_f446re" in found["/dev/ttyACM0"].boards
    assert found["/dev/ttyUSB0"].boards == ("bluepill_f103c8",)
    enrol(Unit("066AFF12", "0" * 24, "nucleo_l4r5zi"))
    (entry,) = scan([NUCLEO])
    assert (entry.boards, entry.uid) == (("nucleo_l4r5zi",), "0" * 24)
    with pytest.raises(TransportError, match=r"No nucleo_f446re is attached"):
        find_attached(find_board("nucleo_f446re"), ports=[NUCLEO])


def test_two_probes_want_a_choice() -> None:
    board = find_board("nucleo_l4r5zi")
    with pytest.raises(BadInputError, match="066AFF12 on /dev/ttyACM0") as caught:
        find_attached(board, ports=[NUCLEO, SECOND])
    assert "--unit" in caught.value.mend
    assert find_attached(board, "003A0033", [NUCLEO, SECOND]).port == "/dev/ttyACM1"
    enrol(Unit("003A0033", "1" * 24, "nucleo_l4r5zi"))
    assert find_attached(board, ports=[NUCLEO, SECOND]).serial == "003A0033"


def test_no_board_attached_names_the_twin() -> None:
    with pytest.raises(TransportError) as caught:
        find_attached(find_board("nucleo_l4r5zi"), ports=[])
    assert "emulated_stm32l4r5" in caught.value.mend


def test_units_survive_and_a_damaged_file_says_so() -> None:
    enrol(Unit("a", "0" * 24, "nucleo_f446re"))
    enrol(Unit("b", "1" * 24, "nucleo_f401re"))
    enrol(Unit("a", "2" * 24, "nucleo_f446re"))
    assert {serial: unit.uid[0] for serial, unit in enrolled().items()} == {"a": "2", "b": "1"}
    assert os.listdir(units_file().parent) == ["units.json"]  # noqa: PTH208
    units_file().write_text("{")
    with pytest.raises(BadInputError, match=r"units\.json"):
        enrolled()


def _hold(name: str, pipe: Connection) -> None:
    with leased(name):
        pipe.send("held")
        pipe.recv()
    os._exit(0)


def test_a_lease_names_its_holder_and_dies_with_it() -> None:
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe()
    holder = context.Process(target=_hold, args=("probe 1", there))
    holder.start()
    assert here.recv() == "held"
    with pytest.raises(TransportError, match=f"process {holder.pid} "), leased("probe 1"):
        pass
    with leased("probe 2"):
        pass
    holder.kill()
    holder.join()
    with leased("probe 1"):
        pass


def test_a_swapped_chip_and_a_wrong_firmware_are_refused() -> None:
    board = SimulatedBoard()
    board.flash(simulated_image())
    identity = board.identity()
    with pytest.raises(ImplausibleError, match="enrolled with"):
        check_identity(identity, None, board.type, uid="0" * 24)
    other = find_board("nucleo_l4r5zi")
    with pytest.raises(ImplausibleError, match="has an none"):
        check_identity(identity, None, other)


def test_openocd_gets_the_probes_serial_before_the_script(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "openocd").touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    line = command_line(find_board("nucleo_l4r5zi"), "066AFF12", "init")
    assert line.index("adapter serial 066AFF12") < line.index("board/st_nucleo_l4.cfg")
    assert "interface/stlink.cfg" in command_line(find_board("bluepill_f103c8"), None, "init")


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("Error: libusb_open() failed with LIBUSB_ERROR_ACCESS", "no permission"),
        ("Error: LIBUSB_ERROR_BUSY", "another program"),
        ("Error: open failed", "was not found"),
        ("Error: init mode failed (unable to connect to the target)", "does not reach the chip"),
        ("Error: checksum mismatch", "differs from the image"),
        ("Error: something new", "something new"),
    ],
)
def test_what_openocd_says_becomes_a_fault_of_its_own(said: str, told: str) -> None:
    assert told in str(openocd_error(find_board("nucleo_f446re"), "flash", said))


def test_silence_after_flash_hints_at_the_crystal_where_there_is_one() -> None:
    assert "LSE" in silent_after_flash(find_board("nucleo_l4r5zi"), "/dev/ttyACM0").mend
    assert "LSE" not in silent_after_flash(find_board("nucleo_f446re"), "/dev/ttyACM0").mend
    assert "LSE" not in silent_after_flash(find_board("nucleo_l4r5zi_bare"), "x").mend


def test_why_a_port_does_not_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = TransportError("cannot be opened")
    assert "There is no serial port" in explain_port(str(tmp_path / "none"), plain).what
    port = tmp_path / "port"
    port.touch()
    assert explain_port(str(port), plain) is plain
    assert explain_port("socket://localhost:1", plain) is plain
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert "usermod" in explain_port(str(port), plain).mend


def test_a_new_board_is_a_copy_under_its_own_name() -> None:
    path = create_board("my_l4", "nucleo_l4r5zi_bare")
    assert "munas.boards.openocd my_l4" in path.read_text()
    assert find_board("my_l4").mcu == "STM32L4R5ZI"
    with pytest.raises(BadInputError, match="already"):
        create_board("my_l4", "nucleo_l4r5zi")
    with pytest.raises(BadInputError, match="cannot be"):
        create_board("my board", "nucleo_l4r5zi")
    assert json.dumps([board.model_dump(mode="json") for board in list_boards()])


def test_boot_refuses_what_is_no_firmware(tmp_path: Path) -> None:
    wrong = tmp_path / "firmware.elf"
    wrong.write_bytes(b"no ELF")
    with pytest.raises(BadInputError, match="not an ELF file"):
        boot("emulated_stm32l4r5", wrong)
    with pytest.raises((BadInputError, FlashError)):
        boot("nucleo_l4r5zi", wrong)
