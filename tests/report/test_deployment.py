"""munas deploy: what it leaves runs, and gives the answers that the model gives."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from munas.cli.main import main
from munas.deploy.c_array import c_array, c_identifier
from munas.deploy.engines import aot
from munas.deploy.project import Target, write_project
from munas.errors import BadInputError
from munas.latency.oracle import ask_oracle, check_model
from munas.report.deployment import deploy
from munas.store import Ledger

SMALL = Path(__file__).parents[1] / "data" / "small.tflite"
TINY = [
    "search", "quickstart", "--latency", "mac", "--seed", "1", "--workers", "1",
    "--set", "data.name=digits", "--set", "data.train_samples=300",
    "--set", "search.population=2", "--set", "search.sample=1", "--set", "search.rounds=2",
    "--set", "train.epochs=1", "--set", "bounds.error=0.95",
]  # fmt: skip

needs_aot = pytest.mark.skipif(not aot.available(), reason="needs the extra aot")


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("run") / "run.ledger"
    command = [sys.executable, "-m", "munas", *TINY, "--ledger", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=250, check=False)
    assert done.returncode == 0, done.stderr
    return path


@pytest.fixture(scope="module")
def trained(ledger: Path) -> int:
    with Ledger.open(ledger) as opened:
        return next(row.candidate_id for row in opened.results() if row.model_sha256)


def test_a_c_array_is_the_file(tmp_path: Path) -> None:
    data = SMALL.read_bytes()
    for name, text in c_array(data, "model_data", "a */ title").items():
        (tmp_path / name).write_text(text)
    (tmp_path / "main.c").write_text(
        '#include <stdio.h>\n#include "model_data.h"\n'
        "int main(void) { fwrite(model_data, 1, model_data_bytes, stdout); return 0; }\n"
    )
    build = ["gcc", "-Wall", "-Werror", "-o", "main", "main.c", "model_data.c"]
    subprocess.run(build, cwd=tmp_path, check=True)
    assert subprocess.run([tmp_path / "main"], capture_output=True, check=True).stdout == data
    assert c_identifier("3 models/é") == "model_3_models__"


@pytest.mark.slow
@needs_aot
@pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc")
def test_the_project_gives_the_right_answers(tmp_path: Path) -> None:
    """The portable kernels, compiled for this machine with the project's own vectors."""
    data = SMALL.read_bytes()
    oracle = ask_oracle(check_model("small", data))
    assert oracle.outputs is not None
    folder = tmp_path / "project"
    flat = [stored.reshape(-1) for stored in oracle.inputs]
    write_project(folder, data, Target("blue", "bluepill", "portable"), flat, oracle.outputs)
    arduino = tmp_path / "stub"
    arduino.mkdir()
    (arduino / "Arduino.h").write_text(STUB)
    sources = [*folder.glob("lib/model/*.c")]
    compile_ = ["gcc", "-c", "-O1", "-Wall", "-I", folder / "lib/model", *sources]
    subprocess.run(compile_, cwd=tmp_path, check=True)
    build = ["g++", "-Wall", "-I", arduino, "-I", folder / "lib/model", "-o", "run"]
    build += [folder / "src/main.cpp", *tmp_path.glob("*.o")]
    subprocess.run(build, cwd=tmp_path, check=True)
    said = subprocess.run([tmp_path / "run"], capture_output=True, text=True, check=True).stdout
    assert said.splitlines() == ["OK, 0 cycles"] * len(oracle.inputs)


STUB = """
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
struct Registers { uint32_t DEMCR, CTRL, CYCCNT, LAR; };
static Registers registers;
static Registers* const CoreDebug = &registers;
static Registers* const DWT = &registers;
#define CoreDebug_DEMCR_TRCENA_Msk 1u
#define DWT_CTRL_CYCCNTENA_Msk 1u
struct Port {
  void begin(int) {}
  void print(const char* text) { printf("%s", text); }
  void print(uint32_t value) { printf("%u", value); }
  void println(const char* text) { printf("%s\\n", text); }
};
static Port Serial;
static void delay(int) { exit(0); }
void setup();
void loop();
int main() { setup(); for (;;) loop(); }
"""


@pytest.mark.slow
@needs_aot
@pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="needs arm-none-eabi-gcc")
def test_the_projects_kernels_compile_for_the_board(tmp_path: Path) -> None:
    data = SMALL.read_bytes()
    folder = tmp_path / "project"
    write_project(folder, data, Target("n", "nucleo_l4r5zi", "cmsis-nn"), [], [])
    library = folder / "lib" / "model"
    flags = json.loads((library / "library.json").read_text())["build"]["flags"]
    sources = [*library.glob("*.c"), *library.glob("kernels/**/*.c")]
    done = subprocess.run(
        ["arm-none-eabi-gcc", "-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16",
         "-O2", "-I.", *flags, "-fsyntax-only", *map(str, sources)],
        cwd=library, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@needs_aot
def test_a_candidate_is_deployed_whole(ledger: Path, trained: int, tmp_path: Path) -> None:
    out = tmp_path / "shipped"
    with Ledger.open(ledger) as opened:
        made = deploy(opened, trained, out)
        result = opened.results(trained)[0]
        model = opened.get_artifact(str(result.model_sha256))
    wanted = {"README.md", "card.json", "model.tflite", "model_data.c", "model.keras"}
    assert wanted <= set(made.files)
    assert "project/platformio.ini" in made.files and made.notes == []
    assert (out / "model.tflite").read_bytes() == model
    card = json.loads((out / "card.json").read_text())
    assert card["val_accuracy_int8"] == result.val_accuracy_int8
    assert card["latency_source"] == "mac" and card["dataset_sha256"]
    text = (out / "README.md").read_text()
    assert f"{100 * card['val_accuracy_int8']:.2f} %" in text and "points" in text
    assert "board = nucleo_l4r5zi" in (out / "project/platformio.ini").read_text()

    import keras

    network = keras.models.load_model(out / "model.keras")
    shape = (1, *network.input_shape[1:])
    assert np.isfinite(network(np.zeros(shape, np.float32)).numpy()).all()


def test_nothing_is_overwritten_and_nothing_half_written(
    ledger: Path, trained: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "there").mkdir()
    with Ledger.open(ledger) as opened:
        with pytest.raises(BadInputError, match="exists already"):
            deploy(opened, trained, tmp_path / "there")
        with pytest.raises(BadInputError, match="not trained"):
            deploy(opened, 99, tmp_path / "new")
        monkeypatch.setattr("munas.report.deployment.c_array", lambda *given: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            deploy(opened, trained, tmp_path / "new")
    assert [path.name for path in tmp_path.iterdir()] == ["there"]


def test_the_command_tells_what_it_wrote(
    ledger: Path,
    trained: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = ["deploy", "--ledger", str(ledger), "--candidate", str(trained)]
    monkeypatch.setattr(sys, "argv", ["munas", *arguments, "--out", str(tmp_path / "x"), "--json"])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["card"]["candidate_id"] == trained and "begin with" in err
