"""An ordinary wheel works from any folder: built, installed without dependencies, run."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    done = subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "-o", str(out), str(ROOT)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return next(out.glob("*.whl"))


def test_the_wheel_carries_firmware_boards_and_experiments(wheel: Path):
    names = zipfile.ZipFile(wheel).namelist()
    for wanted in (
        "munas/_data/experiments/quickstart.toml",
        "munas/_data/boards/emulated_stm32l4r5.ini",
        "munas/_data/firmware/platformio.ini",
        "munas/_data/firmware/examples/porting/model.tflite",
    ):
        assert wanted in names
    shipped = {path.name for path in (ROOT / "firmware").iterdir()} - {".pio", ".vscode"}
    carried = {n.split("/")[3] for n in names if n.startswith("munas/_data/firmware/")}
    assert carried == shipped, "a folder of the firmware is missing in pyproject.toml"
    assert not [name for name in names if "__pycache__" in name or "/.pio/" in name]


def test_it_runs_from_any_folder(wheel: Path, tmp_path: Path):
    target = tmp_path / "site"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    subprocess.run(
        [
            sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index",
            "--disable-pip-version-check", "--target", str(target), str(wheel),
        ],
        check=True,
        capture_output=True,
    )  # fmt: skip
    environment = os.environ | {"PYTHONPATH": str(target)}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=elsewhere,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    where = run("-c", "import munas; print(munas.__file__)")
    assert where.stdout.startswith(str(target)), where.stdout + where.stderr
    drawn = run("-m", "munas", "sample", "--input", "8x8x1", "--classes", "3")
    assert drawn.returncode == 0 and '"classes":3' in drawn.stdout
    found = run("-m", "munas", "search", "nothing")
    assert found.returncode == 2 and "quickstart" in found.stderr, "experiments are found"
