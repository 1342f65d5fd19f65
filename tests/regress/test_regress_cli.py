"""munas baseline, check and noise from the command line: exit codes, files, messages."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from munas.cli.main import main
from munas.deploy.engines import aot

GUARD = Path(__file__).parent / "guard"
ONE = ["--set", 'boards=["emulated_stm32l4r5"]']

needs_board = [
    pytest.mark.slow,
    pytest.mark.skipif(
        shutil.which("arm-none-eabi-gcc") is None or not aot.available(),
        reason="needs arm-none-eabi-gcc and the extra aot",
    ),
]


@pytest.fixture
def munas(tmp_path: Path):  # type: ignore[no-untyped-def]
    environment = os.environ | {"MUNAS_DATA": str(tmp_path / "data"), "COLUMNS": "100"}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "munas", *arguments],
            capture_output=True,
            text=True,
            env=environment,
            cwd=tmp_path,
            timeout=200,
            check=False,
        )

    return run


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    path = tmp_path / "s.toml"
    path.write_text(
        'name = "s"\nboards = ["emulated_stm32l4r5"]\nengines = ["aot"]\n'
        f'[[models]]\nname = "m"\npath = "{GUARD / "models" / "cnn-32.tflite"}"\n'
    )
    return path


@pytest.mark.parametrize("_", [pytest.param(0, marks=needs_board)])
def test_record_check_and_history(munas, suite: Path, tmp_path: Path, _: int) -> None:  # type: ignore[no-untyped-def]
    recorded = munas(
        "baseline", "record", str(suite), "--out", "b.json", "--commit", "c0", "--json"
    )
    assert recorded.returncode == 0, recorded.stderr
    assert json.loads(recorded.stdout)["cases"] == ["m · emulated_stm32l4r5 · aot"]

    outputs = ["--junit", "j.xml", "--markdown", "m.md", "--ledger", "h.ledger", "--json"]
    same = munas("check", str(suite), "--baseline", "b.json", "--commit", "c1", *outputs)
    assert same.returncode == 0, same.stderr
    document = json.loads(same.stdout)
    assert document["verdict"] == "passed"
    assert {case["verdict"] for case in document["cases"]} == {"same"}
    assert "no regression in" in same.stderr
    tests = ET.parse(tmp_path / "j.xml").getroot().find("testsuite")
    assert tests is not None and tests.get("failures") == "0"
    assert (tmp_path / "m.md").read_text().startswith("### ✅ s: no regression")

    suite.write_text(suite.read_text() + "budget = { cycles = 1000 }\n")
    over = munas("check", str(suite), "--baseline", "b.json", "--bisect", "--ledger", "h.ledger")
    assert over.returncode == 1 and "OVER BUDGET" in over.stderr

    assert "2 checks, the last: regression" in munas("status", "h.ledger").stderr
    assert munas("report", "h.ledger").returncode == 0
    assert "c1" in (tmp_path / "h.html").read_text()
    exported = munas("export", "h.ledger", "--out", "-", "--format", "json")
    assert [row["check"] for row in json.loads(exported.stdout)] == [1, 2]


@pytest.mark.parametrize("_", [pytest.param(0, marks=needs_board)])
def test_an_emulated_board_has_no_noise(munas, _: int) -> None:  # type: ignore[no-untyped-def]
    model = str(GUARD / "models" / "cnn-32.tflite")
    arguments = ("--board", "emulated_stm32l4r5", "--engine", "aot", "--model", model)
    done = munas("noise", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["noise_floor_percent"], found["minimum_detectable_percent"], found["n"]) == (
        0,
        0,
        3,
    )
    assert Path(found["path"]).is_file() and "repeats to the cycle" in done.stderr


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("check nonsense --baseline b", "no suite called 'nonsense'"),
        ("check firmware", "nothing to compare"),
        ("check firmware --baseline nowhere.json", "nowhere.json cannot be read"),
        ("check firmware --against nowhere", "no firmware nowhere"),
        ("check firmware --against .", "not a firmware tree"),
        ("check firmware --elf nowhere.elf --baseline b", "no file nowhere.elf"),
        ("check firmware --elf a --port b --baseline b", "Give one of them"),
        ("check quickstart --baseline b", "no suite called"),
        ("check firmware --baseline b --markdown - --json", "cannot share standard output"),
        ("baseline record firmware --out b --set boards=[]", "boards"),
        ("baseline record firmware --out b --set x=1", "unknown key"),
        ("baseline record firmware --out b --set boards=['x']", "called 'x'"),
        ("noise --board nonsense", "no board called"),
        ("noise --board emulated_stm32l4r5 --model nowhere", "cannot be read"),
    ],
)
def test_wrong_input_is_told(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    command: str,
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["munas", *command.split()])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 2
    assert said in " ".join(capsys.readouterr().err.split())
    assert not list(tmp_path.iterdir())


def test_a_suite_whose_model_is_missing(munas, suite: Path) -> None:  # type: ignore[no-untyped-def]
    suite.write_text(suite.read_text().replace("cnn-32", "gone"))
    done = munas("baseline", "record", str(suite), "--out", "b.json")
    assert done.returncode == 2 and "the model m cannot be read" in done.stderr


def test_what_is_unknown_skips_a_bisected_commit(munas, suite: Path) -> None:  # type: ignore[no-untyped-def]
    """A board that is not attached: 3, and 125 for git bisect."""
    tree = str(Path(__file__).parents[2] / "firmware")
    arguments = ("check", str(suite), "--against", tree, "--set", 'boards=["nucleo_f446re"]')
    assert munas(*arguments).returncode == 3
    done = munas(*arguments, "--bisect")
    assert done.returncode == 125 and "No nucleo_f446re is attached" in done.stderr


def test_an_output_never_replaces_the_baseline(munas, suite: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "b.json").write_text("{}")
    done = munas("check", str(suite), "--baseline", "b.json", "--markdown", "b.json")
    assert done.returncode == 2 and (tmp_path / "b.json").read_text() == "{}"
