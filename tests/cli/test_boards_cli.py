"""`munas boards`, `engine`, `measure` and `emulate` in processes of their own."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from munas.firmware.build import BuildRequest, build
from munas.link.client import Client
from munas.link.transport import SerialTransport

SMALL = Path(__file__).parents[1] / "data" / "small.tflite"
_ABSENT = [p for p in ("unicorn", "numba", "bakenn") if importlib.util.find_spec(p) is None]
if shutil.which("arm-none-eabi-gcc") is None:
    _ABSENT.append("arm-none-eabi-gcc")
needs_emulator = pytest.mark.skipif(bool(_ABSENT), reason=f"needs {', '.join(_ABSENT)}")


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return os.environ | {"MUNAS_CONFIG": str(tmp_path / "config"), "COLUMNS": "100"}


def munas(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "munas", *arguments],
        capture_output=True, text=True, env=environment, timeout=250, check=False,
    )  # fmt: skip


def test_boards_are_listed_and_copied(environment: dict[str, str]) -> None:
    made = munas(environment, "boards", "new", "mine", "--like", "nucleo_f446re", "--json")
    assert made.returncode == 0, made.stderr
    assert Path(json.loads(made.stdout)["path"]).is_file()
    listed = munas(environment, "boards", "list", "--json")
    boards = {board["name"]: board for board in map(json.loads, listed.stdout.splitlines())}
    assert boards["mine"]["mcu"] == "STM32F446RE"
    assert boards["emulated_stm32l4r5"]["kind"] == "emulated"


def test_engines_are_listed(environment: dict[str, str]) -> None:
    listed = munas(environment, "engine", "list", "--json")
    engines = {entry["engine"]: entry for entry in map(json.loads, listed.stdout.splitlines())}
    assert set(engines) == {"tflm", "aot"}


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["measure", str(SMALL), "--board", "nucleo"], 2, "There is no board"),
        (["measure", "none.tflite"], 2, "none.tflite cannot be read"),
        (["measure", str(SMALL), "--engine", "tvm"], 2, "There is no engine"),
        (["measure", str(SMALL), "--repeats", "0"], 2, "--repeats"),
        (["measure", str(SMALL), "--board", "bluepill_f103c8", "--engine", "tflm"], 3, "attached"),
        (["measure", str(SMALL), "--board", "nucleo_l4r5zi"], 3, "--board emulated_stm32l4r5"),
        (["measure", str(SMALL), "--engine", "aot", "--elf", str(SMALL)], 2, "not an ELF file"),
        (["boards", "identify", "emulated_stm32f405"], 2, "nothing to enrol"),
        (["engine", "install", "tflm", "--from", "/nowhere"], 3, "no sources"),
        (["engine", "install", "tvm"], 2, "tvm"),
        (["emulate", "nucleo_l4r5zi"], 2, "not an emulated board"),
    ],
)
def test_faults_name_the_thing_and_end_with_their_code(
    environment: dict[str, str], arguments: list[str], code: int, told: str
) -> None:
    done = munas(environment, *arguments)
    assert done.returncode == code, done.stderr
    assert told in done.stderr.replace("\n  ", " ")
    assert done.stdout == ""


@needs_emulator
@pytest.mark.slow
def test_measure_prints_one_object_a_model(environment: dict[str, str], tmp_path: Path) -> None:
    bad = tmp_path / "bad.tflite"
    bad.write_bytes(SMALL.read_bytes()[:1000])
    done = munas(environment, "measure", str(SMALL), str(bad), "--engine", "aot", "--json")
    assert done.returncode == 2, done.stderr
    good, failed = map(json.loads, done.stdout.splitlines())
    assert good["outputs_match"] is True
    assert good["engine"] == "aot"
    assert failed["error"]["name"] == "convert"
    assert "±10 %" in done.stderr
    only = munas(environment, "measure", str(bad), "--engine", "aot", "--json")
    assert only.returncode == 2


@needs_emulator
@pytest.mark.slow
def test_an_elf_for_another_chip_is_bad_input(environment: dict[str, str]) -> None:
    elf = str(build(BuildRequest("emulated_stm32l4r5", "aot")).elf)
    board = "emulated_stm32f405"
    served = munas(environment, "emulate", board, "--elf", elf)
    assert served.returncode == 2, served.stderr
    assert f"Build it for {board}." in served.stderr
    measured = munas(environment, "measure", str(SMALL), "--board", board, "--elf", elf, "--json")
    assert measured.returncode == 2, measured.stderr
    row = json.loads(measured.stdout)
    assert row["error"]["name"] == "bad-input"
    assert row["engine"] is None


@needs_emulator
@pytest.mark.slow
def test_emulate_serves_until_interrupted(environment: dict[str, str]) -> None:
    command = ["emulate", "emulated_stm32l4r5", "--engine", "aot", "--tcp", "--json"]
    with subprocess.Popen(
        [sys.executable, "-m", "munas", *command],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        url = json.loads(process.stdout.readline())["url"]
        client = Client(SerialTransport(url, 921_600))
        assert client.hello(client.deadline(10)).mcu == "STM32L4R5ZI"
        client.close()
        served = munas(environment, "measure", str(SMALL), "--port", url, "--json")
        # The image holds no model; the firmware behind the port is left as it is.
        assert "does not hold" in json.loads(served.stdout)["error"]["message"]
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    assert json.loads(out)["cycles"] > 0
