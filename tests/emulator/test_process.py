"""Emulated boards in processes of their own, over both transports."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import serial

from munas.emulator import BoardParameters, CycleParameters, EmulatorProcess, spawn
from munas.emulator.lines import TcpLine
from munas.errors import BadInputError, InfrastructureError, MissingExtraError, TransportError

Build = Callable[..., Path]
L4R5 = BoardParameters.of_chip("STM32L4R5ZI")
DEADLINE_S = 20.0

ECHO = """
#include "board.h"
__attribute__((section(".noinit"))) uint32_t boots, magic;
int main(void) {
  serial_open(); counter_start();
  if (magic != 0x600D) { magic = 0x600D; boots = 0; }
  ++boots;
  for (;;) {
    uint8_t byte = serial_get();
    if (byte == '?') serial_hex(boots);
    else if (byte == '!') for (;;) {}
    else if (byte == '+') for (int i = 0; i < 300000; ++i) serial_put('+');
    else serial_put(byte);
  }
}
"""


@pytest.fixture(scope="module")
def echo(build: Build) -> Path:
    for name in ("unicorn", "capstone", "llvmlite"):
        pytest.importorskip(name, reason="the extra `emulator` is not installed")
    return build(ECHO)


@pytest.fixture(params=["pty", "tcp"])
def board(request: pytest.FixtureRequest, echo: Path) -> Iterator[EmulatorProcess]:
    with spawn(L4R5, echo, request.param) as process:
        yield process


def line(board: EmulatorProcess) -> serial.Serial:
    return serial.serial_for_url(board.url, timeout=DEADLINE_S)


def wait_for(condition: Callable[[], bool]) -> bool:
    end = time.monotonic() + DEADLINE_S
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    return condition()


def cpu_ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def test_bytes_go_both_ways_unchanged(board: EmulatorProcess) -> None:
    everything = bytes(b for b in range(256) if b not in b"?!+") * 8
    with line(board) as client:
        client.write(everything)
        assert client.read(len(everything)) == everything


def test_a_client_may_come_again(board: EmulatorProcess) -> None:
    for _ in range(3):
        with line(board) as client:
            client.write(b"ab")
            assert client.read(2) == b"ab"
    assert board.alive


def test_much_output_arrives_whole(board: EmulatorProcess) -> None:
    with line(board) as client:
        client.write(b"+?")
        assert client.read(300_009) == b"+" * 300_000 + b"00000001\n"


def test_reset_keeps_ram(board: EmulatorProcess) -> None:
    with line(board) as client:
        client.write(b"?")
        assert client.read(9) == b"00000001\n"
        board.reset()
        client.write(b"?")
        assert client.read(9) == b"00000002\n"
    assert [event["cause"] for event in board.resets] == ["pin"]


def test_a_spinning_firmware_can_be_reset_and_closed(echo: Path) -> None:
    with spawn(L4R5, echo) as board, line(board) as client:
        client.write(b"!")
        before = board.counters().instructions
        assert wait_for(lambda: board.counters().instructions > before)
        board.reset()
        client.write(b"x")
        assert client.read(1) == b"x"
        client.write(b"!")
    assert not board.alive


def test_a_flood_that_is_not_read_is_held_back(echo: Path) -> None:
    with spawn(L4R5, echo, "tcp") as board:
        host, port = board.url.removeprefix("socket://").split(":")
        with socket.create_connection((host, int(port))) as client:
            client.sendall(b"!")
            client.settimeout(0.3)
            sent = 0
            with pytest.raises(TimeoutError):
                while sent < 1 << 26:
                    sent += client.send(bytes(1 << 16))
            assert board.counters().instructions > 0


def test_waiting_costs_no_processor_time(echo: Path) -> None:
    with spawn(L4R5, echo) as board, line(board) as client:
        client.write(b"x")
        assert client.read(1) == b"x"
        board.counters()
        before = cpu_ticks(board.pid)
        time.sleep(0.5)
        assert cpu_ticks(board.pid) - before <= 5  # of 50 ticks


def test_waiting_takes_no_emulated_time(echo: Path) -> None:
    """The same bytes, whole and one by one: the same cycles."""
    totals = []
    for chunks in ([b"munas" * 3], [bytes([b]) for b in b"munas" * 3]):
        with spawn(L4R5, echo) as board, line(board) as client:
            for chunk in chunks:
                client.write(chunk)
                assert client.read(len(chunk)) == chunk
            totals.append(board.counters())
    assert totals[0] == totals[1]


def test_counters_can_be_priced_again(echo: Path) -> None:
    with spawn(L4R5, echo) as board, line(board) as client:
        client.write(b"abc")
        assert client.read(3) == b"abc"
        dearer = board.counters({"load_alone": 9})
        assert dearer.repriced_cycles and dearer.repriced_cycles > dearer.cycles
        assert board.counters(L4R5.cycles).repriced_cycles == dearer.cycles
        assert board.counters(CycleParameters()).repriced_cycles is not None
        assert {"name", "cycles", "instructions"} == set(board.profile()[0])
        with pytest.raises(BadInputError):
            board.counters({"nonsense": 1})
        assert board.alive


def test_the_process_ends_with_its_parent(echo: Path) -> None:
    parent = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys, time; from pathlib import Path\n"
            "from munas.emulator import BoardParameters, spawn\n"
            f"p = spawn(BoardParameters.of_chip('STM32L4R5'), Path({str(echo)!r}))\n"
            "import serial; s = serial.serial_for_url(p.url); s.write(b'!')\n"
            "print(p.pid, flush=True); time.sleep(60)",
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    parent.stdout.close()
    assert wait_for(lambda: not Path(f"/proc/{pid}").exists())


def test_a_firmware_that_dies_at_once_does_not_burn_the_processor(build: Build, echo: Path) -> None:
    dying = build(
        '#include "board.h"\nint main(void) { __asm volatile("cpsid i\\n udf #0"); }\n'
        'void hard_fault(void) { __asm volatile("udf #0"); }'
    )
    with spawn(L4R5, dying) as board:
        assert wait_for(lambda: len(board.resets) > 9)
        before = cpu_ticks(board.pid)
        time.sleep(0.5)
        assert cpu_ticks(board.pid) - before <= 5  # of 50 ticks
        assert {event["cause"] for event in board.resets} == {"lockup"}
        assert board.counters().resets > 9


def test_a_killed_emulator_is_told(echo: Path) -> None:
    with spawn(L4R5, echo) as board:
        os.kill(board.pid, 9)
        with pytest.raises(InfrastructureError, match="did not answer"):
            board.counters()


def test_a_wrong_elf_is_refused(tmp_path: Path, build: Build) -> None:
    pytest.importorskip("unicorn", reason="the extra `emulator` is not installed")
    text = tmp_path / "firmware.elf"
    text.write_text("not an ELF")
    with pytest.raises(BadInputError, match="not an ELF"):
        spawn(L4R5, text)
    with pytest.raises(BadInputError, match="cannot be read"):
        spawn(L4R5, tmp_path / "absent.elf")
    with pytest.raises(BadInputError, match="not for Arm"):
        spawn(L4R5, Path(sys.executable).resolve())


def test_an_elf_for_another_chip_is_refused(build: Build) -> None:
    pytest.importorskip("unicorn", reason="the extra `emulator` is not installed")
    small = BoardParameters.of_chip("STM32F405RG")
    main = '#include "board.h"\n{}int main(void) {{ for (;;) {{}} }}'
    with pytest.raises(BadInputError, match=r"no vector table .* stack 0x200a0000"):
        spawn(small, build(main.format("")))
    with pytest.raises(BadInputError, match="needs 262144 bytes at 0x20000000"):
        spawn(small, build(main.format("char large[262144];\n"), flags=("-Wl,-u,large",)))


POLLING = """
#include "board.h"
int main(void) { for (;;) REG(0x48000010); }
"""


@pytest.mark.parametrize(("sent", "exit_code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
@pytest.mark.parametrize("source", [POLLING, ECHO])
def test_signals_end_it(build: Build, source: str, sent: signal.Signals, exit_code: int) -> None:
    """Whatever it does: polls a device in Python all the time, or waits."""
    pytest.importorskip("unicorn", reason="the extra `emulator` is not installed")
    command = [sys.executable, "-m", "munas.emulator", "--board-json", '{"mcu": "STM32L4R5ZI"}']
    with subprocess.Popen(
        [*command, "--elf", str(build(source))], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert b"url" in process.stdout.readline()
        process.send_signal(sent)
        _, told = process.communicate(timeout=DEADLINE_S)
    assert (process.returncode, told) == (exit_code, b"")


def test_an_interrupt_is_left_to_the_parent(echo: Path) -> None:
    with spawn(L4R5, echo) as board:
        os.kill(board.pid, signal.SIGINT)
        with line(board) as client:
            client.write(b"x")
            assert client.read(1) == b"x"


@pytest.mark.parametrize("port", [70000, -1])
def test_a_port_that_cannot_be_is_refused(port: int) -> None:
    with pytest.raises(TransportError, match="no such port"):
        TcpLine(port)


def test_a_port_in_use_is_refused() -> None:
    taken = TcpLine()
    with pytest.raises(TransportError, match="cannot be listened on"):
        TcpLine(int(taken.url.rsplit(":", 1)[1]))
    taken.close()


def test_a_missing_extra_says_what_to_install(
    echo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "unicorn.py").write_text("raise ImportError")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(MissingExtraError, match="extra `emulator`"):
        spawn(L4R5, echo)


@pytest.mark.parametrize("mcu", ["STM32H743ZI", "nRF52840"])
def test_other_chips_are_refused(mcu: str) -> None:
    with pytest.raises(BadInputError, match="no emulation"):
        BoardParameters.of_chip(mcu)


def test_board_files_give_the_parameters() -> None:
    keys = {
        "custom_munas_mcu": "STM32L4R5ZI",
        "custom_munas_cycles": '{"divide": 8, "origin": "a test"}',
    }
    board = BoardParameters.from_keys("mine", keys, uid=bytes(12))
    assert (board.cycles.divide, board.cycles.load_alone) == (8.0, 1.81)
    assert board.cycles.origin == "a test"
    assert BoardParameters.from_json(board.as_json()) == board
    for wrong in ("[1]", "{", '{"divide": "8"}'):
        with pytest.raises(BadInputError):
            BoardParameters.from_keys("mine", {**keys, "custom_munas_cycles": wrong})
    with pytest.raises(BadInputError):
        BoardParameters.from_keys("mine", {})
