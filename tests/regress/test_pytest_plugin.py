"""The pytest plugin as a firmware team uses it: runs of pytest within pytest."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import time
from pathlib import Path

import pytest

from munas.boards.simulated import SimulatedBoard
from munas.deploy.engines import aot
from munas.errors import BadInputError, UnreachableError
from munas.regress.plan import Firmware
from munas.regress.rig import Key, Rig, model_of, rig_of

pytest_plugins = ["pytester"]
SMALL = Path(__file__).parents[1] / "data" / "small.tflite"

needs_board = pytest.mark.skipif(
    shutil.which("arm-none-eabi-gcc") is None or not aot.available(),
    reason="needs arm-none-eabi-gcc and the extra aot",
)


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    shutil.copy(SMALL, pytester.path / "small.tflite")
    pytester.makepyfile(
        """
        def test_fast(munas_measure):
            found = munas_measure("small.tflite")
            assert found.source == "emulated" and found.outputs_match
            assert found.cycles < 1_000_000

        def test_too_slow(munas_measure):
            assert munas_measure("small.tflite").cycles < 10

        def test_board(munas_board):
            assert munas_board.name == "emulated_stm32l4r5" and munas_board.engine == "aot"
            again = [munas_board.measure(open("small.tflite", "rb").read()) for _ in range(2)]
            assert again[0].cycles == again[1].cycles
        """
    )
    return pytester


@pytest.mark.slow
@needs_board
def test_a_team_asserts_what_its_firmware_may_take(project: pytest.Pytester) -> None:
    done = project.runpytest_subprocess("--munas-engine=aot", "-p", "no:randomly")
    done.assert_outcomes(passed=2, failed=1)
    done.stdout.fnmatch_lines(["*test_fast?emulated_stm32l4r5?: small.tflite*cycles (emulated*"])
    assert done.ret == 1


@pytest.mark.slow
@needs_board
def test_every_board_and_every_worker(project: pytest.Pytester) -> None:
    """Two boards over two workers of pytest-xdist; tests that name one board fail on another."""
    done = project.runpytest_subprocess(
        "--munas-engine=aot",
        "--munas-board=emulated_stm32l4r5",
        "--munas-board=emulated_stm32f405",
        "-n2",
        "--dist=loadgroup",
    )
    done.assert_outcomes(passed=3, failed=3)


def test_what_cannot_be_measured_fails_and_is_never_skipped(project: pytest.Pytester) -> None:
    done = project.runpytest_subprocess("--munas-board=nucleo_nonsense")
    done.assert_outcomes(errors=3)
    done.stdout.fnmatch_lines(["*no board called*nucleo_nonsense*"])
    done = project.runpytest_subprocess("--munas-elf=a.elf", "--munas-port=socket://x:1")
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines(["*each name the firmware*"])


def test_a_run_that_measures_nothing_is_left_alone(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("import sys\ndef test_light(): assert 'munas.boards' not in sys.modules")
    done = pytester.runpytest_subprocess()
    done.assert_outcomes(passed=1)
    assert "munas" not in done.stdout.str().split("test session starts")[1].split("plugins:")[0]


class Attached(SimulatedBoard):
    """Stands for a physical board: one device that processes share."""

    def __init__(self) -> None:
        super().__init__()
        self.type = self.type.model_copy(update={"kind": "physical"})
        self.unit = "066BFF-test"


def a_rig() -> Rig:
    key = Key("emulated_stm32l4r5", "aot", Firmware(), None)
    return Rig(key, lambda group, firmware, unit: Attached())


def hold(folder: str, log: str, times: int) -> None:
    os.environ["XDG_RUNTIME_DIR"] = folder
    rig = a_rig()
    for _ in range(times):
        with rig.held(60):
            for word in ("in", "out"):
                with Path(log).open("a") as file:
                    file.write(f"{word}\n")
                time.sleep(0.02)


def test_one_device_is_never_used_by_two_workers(tmp_path: Path) -> None:
    log = tmp_path / "log"
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=hold, args=(str(tmp_path), str(log), 5)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0
    assert log.read_text().split() == ["in", "out"] * 10


def test_waiting_ends_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    busy = pytest.raises(UnreachableError, match="in use by another test")
    with a_rig().held(1), busy, a_rig().held(0.2):
        pass


def test_a_device_that_another_process_had_is_flashed_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    rig = a_rig()
    with rig.held(1):
        first = rig.board
    with rig.held(1):
        assert rig.board is first, "nobody had it in between"
    (turn,) = tmp_path.rglob("*.turn")
    turn.write_text("1")
    with rig.held(1):
        assert rig.board is not first


def test_wrong_models_and_firmwares_are_told() -> None:
    with pytest.raises(BadInputError, match="cannot be read"):
        model_of("nowhere.tflite")
    assert model_of(b"x") == ("model", b"x")
    with pytest.raises(BadInputError, match="no firmware nowhere"):
        rig_of("emulated_stm32l4r5", elf="nowhere")
