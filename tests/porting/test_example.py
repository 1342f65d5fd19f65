"""Firmware that is not munas' own is measured, whichever of the two ways it was ported."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from munas.deploy.golden import GoldenRunner
from munas.latency.command import Request, measure_models
from munas.link.client import Client
from munas.link.deadline import Deadline
from munas.link.faults import BoardRefusedError
from munas.link.messages import ResetMode, Slot
from munas.link.transport import SerialTransport
from munas.resources import data_root

MODEL = data_root() / "firmware" / "examples" / "porting" / "model.tflite"
SMALL = Path(__file__).parents[1] / "data" / "small.tflite"
WAYS = ("link_only", "own_engine")

Start = Callable[[str], str]
Build = Callable[[str], Path]


@pytest.mark.parametrize("way", WAYS)
def test_it_is_measured_and_restarts_between_models(start: Start, board: str, way: str) -> None:
    request = Request((MODEL, SMALL, MODEL), board, port=start(way), per_operator=True)
    outcome = measure_models(request)
    first, foreign, again = outcome
    for found in (first, again):
        assert found.error is None
        assert found.outputs_match is True
        assert (found.engine, found.engine_revision, found.placement) == ("own", "1.0", "image")
        assert [op.name for op in found.operators] == [
            "RESHAPE",
            "FULLY_CONNECTED",
            "FULLY_CONNECTED",
        ]
        assert sum(op.macs for op in found.operators) == 190
        assert found.arena_used_bytes == 10
        assert found.cycles
        assert found.stack_bytes is None and found.flash_bytes is None
        assert found.firmware_sha256 is None and found.arena_head_bytes is None
    assert foreign.error is not None and foreign.error["name"] == "convert"
    assert "does not hold" in foreign.error["message"]
    assert outcome.exit_code == 2


def test_the_command_of_the_page_measures_it(start: Start, board: str) -> None:
    command = [sys.executable, "-m", "munas", "measure", MODEL, "--board", board, "--json"]
    done = subprocess.run(
        [*command, "--port", start("link_only")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["outputs_match"] is True
    assert found["flags"] is None, "the example does not tell its flags"


@pytest.mark.parametrize("way", WAYS)
def test_its_elf_is_measured_on_an_emulated_board(build_elf: Build, way: str) -> None:
    for module in ("unicorn", "capstone", "numba"):
        pytest.importorskip(module, reason="needs the extra `emulator`")
    request = Request((MODEL, MODEL), "emulated_stm32l4r5", elf=build_elf(way), per_operator=True)
    first, again = measure_models(request)
    assert first.error is None
    assert (first.engine, first.outputs_match, first.clock_hz) == ("own", True, 120_000_000)
    assert first.firmware_sha256
    assert len(first.operators) == 3
    assert again.cycles == first.cycles, "it starts afresh for each"


CORES = ("cortex-m0plus", "cortex-m3", "cortex-m4", "cortex-m7")


@pytest.mark.skipif(shutil.which("arm-none-eabi-g++") is None, reason="needs arm-none-eabi-g++")
@pytest.mark.parametrize("core", CORES)
def test_all_of_it_compiles_for_every_core(core: str) -> None:
    folder = MODEL.parent
    firmware = folder.parents[1]
    parts = (firmware / "lib" / "link", firmware / "lib" / "engine", firmware / "src", folder)
    sources = set(folder.glob("*.cpp")) - {folder / "machine_native.cpp"}
    for source in sorted(sources | set((firmware / "src").glob("*.cpp"))):
        command = [
            "arm-none-eabi-g++", f"-mcpu={core}", "-mthumb", "-std=gnu++17", "-fsyntax-only",
            "-Wall", "-Wextra", "-Werror", "-fno-exceptions", "-fno-rtti",
            *(f"-I{part}" for part in parts), f"-I{Path(__file__).parent / 'stub_hal'}", source,
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def test_on_a_physical_board_it_is_repeated_until_it_is_known(
    start: Start, board: str, tmp_path: Path
) -> None:
    file = tmp_path / "config" / "boards" / "porting_example.ini"
    file.write_text(file.read_text().replace("kind = emulated", "kind = physical"))
    (found,) = measure_models(Request((MODEL,), board, port=start("link_only")))
    assert found.error is None
    assert found.source == "silicon"
    assert found.repeats >= 10


def greeted(url: str) -> tuple[Client, Deadline]:
    client = Client(SerialTransport(url, 921600))
    deadline = client.deadline(20)
    client.hello(deadline)
    return client, deadline


@pytest.mark.parametrize("way", WAYS)
def test_it_answers_as_the_wheel(start: Start, way: str) -> None:
    wheel = GoldenRunner(MODEL.read_bytes())
    rng = np.random.default_rng(0)
    inputs = [np.full((4, 4, 1), edge, np.int8) for edge in (-128, 0, 127)]
    inputs += [rng.integers(-128, 128, (4, 4, 1), np.int8) for _ in range(60)]
    client, deadline = greeted(start(way))
    client.prepare(Slot.IMAGE, deadline)
    for stored in inputs:
        client.input(stored.tobytes(), deadline)
        client.run(deadline, repeats=1)
        assert client.output(deadline) == wheel.run(stored).tobytes()
    client.close()


@pytest.mark.parametrize("way", WAYS)
def test_it_refuses_and_goes_on(start: Start, way: str) -> None:
    url = start(way)
    client, deadline = greeted(url)
    for wrong, code in (
        (lambda: client.run(deadline, repeats=1), "NOT_PREPARED|NO_INPUT"),
        (lambda: client.prepare(Slot.RAM, deadline), "BAD_SLOT|NOT_LOADED"),
        (lambda: client.prepare(Slot.IMAGE, deadline, index=1), "BAD_INDEX"),
        (lambda: client.load(b"model", Slot.RAM, deadline), "BAD_SLOT|UNKNOWN_TYPE"),
        (lambda: client.input(bytes(17), deadline), "NOT_PREPARED"),
    ):
        with pytest.raises(BoardRefusedError, match=code):
            wrong()
    client.close()
    noisy = SerialTransport(url, 921600)
    noisy.write(b"printf of somebody\r\n" * 100 + b"\0" + bytes(range(256)), deadline)
    noisy.close()
    client, deadline = greeted(url)
    client.prepare(Slot.IMAGE, deadline)
    client.input(bytes(16), deadline)
    result = client.run(deadline, repeats=100, warmup=100, per_operator=True)
    assert len(result.cycles) == 100
    assert result.profiled_cycles >= sum(result.operator_cycles)
    client.reset(deadline, ResetMode.CLEAN)
    client.hello(deadline)
    with pytest.raises(BoardRefusedError, match=r"NOT_PREPARED|NO_INPUT"):
        client.run(deadline, repeats=1)
    client.close()
