"""What commands make of ledgers of each kind, and what they refuse to overwrite."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from munas.experiment import load_experiment, load_study
from munas.resources import named_files
from munas.store import CandidateRow, EventRow, Ledger, MeasurementRow, RunInfo

ENVIRONMENT = os.environ | {"COLUMNS": "100", "TERM": "dumb"}
STUDY = ("name=mine", "study.count=7", "study.input=[8, 8, 1]", "study.classes=4")


def munas(*arguments: object, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "munas", *map(str, arguments)],
        input=stdin, capture_output=True, text=True, env=ENVIRONMENT, timeout=120, check=False,
    )  # fmt: skip


def made(path: Path, command: str) -> Path:
    """The ledger of a study or a calibration, interrupted after two measurements."""
    experiment = load_study(named_files("experiments", ".toml")["quickstart"], STUDY)
    run = RunInfo(
        name="mine", experiment=experiment.as_dict(), identity={"kind": "study"}, command=command
    )
    with Ledger.create(path, run) as ledger:
        ledger.add_event(EventRow(kind="started"))
        for number, error in ((1, None), (2, {"name": "convert", "message": "no", "mend": ""})):
            ledger.add_candidate(
                CandidateRow(
                    candidate_id=number,
                    architecture={"space": "mlp"},
                    architecture_sha256=f"{number:064x}",
                    macs=1000,
                    peak_memory_bytes=100,
                    model_size_bytes=100,
                )
            )
            ledger.add_measurement(
                MeasurementRow(
                    measurement={"cycles": 120, "latency_us": 1, "error": error},
                    source="emulated", board="emulated_x", engine="aot", candidate_id=number,
                )
            )  # fmt: skip
    return path


@pytest.fixture
def study(tmp_path: Path) -> Path:
    return made(tmp_path / "study.ledger", "munas study correlation quickstart")


@pytest.fixture
def search(tmp_path: Path) -> Path:
    """The ledger of a search that was killed before its first candidate."""
    path = tmp_path / "search.ledger"
    experiment = load_experiment(named_files("experiments", ".toml")["quickstart"])
    identity = {"latency_source": "mac", "latency_reason": "", "board": None, "engine": None}
    identity |= {"versions": {}, "workers": 1}
    run = RunInfo(
        name="mine", experiment=experiment.as_dict(), identity=identity, command="munas search"
    )
    with Ledger.create(path, run) as ledger:
        ledger.add_event(EventRow(kind="started"))
    return path


def test_status_of_a_study(study: Path) -> None:
    found = json.loads(munas("status", study, "--json").stdout)
    assert found["series"] == [{"board": "emulated_x", "engine": "aot", "measured": 1, "failed": 1}]
    assert (found["kind"], found["state"], found["count"]) == ("study", "interrupted", 7)
    shown = munas("status", study)
    assert shown.returncode == 0, shown.stderr
    assert "emulated_x, aot: 1 of 7, 1 failed" in shown.stderr
    assert f"munas study correlation quickstart --ledger {study}\n" in shown.stderr


def test_status_of_a_calibration(tmp_path: Path) -> None:
    path = made(tmp_path / "c.ledger", f"munas calibrate --ledger {tmp_path / 'c.ledger'}")
    shown = munas("status", path)
    assert "calibration mine: not running, 1 models measured" in shown.stderr
    assert f"Continue with: munas calibrate --ledger {path}\n" in shown.stderr


def test_status_tells_a_run_from_an_interrupted_one(search: Path) -> None:
    assert json.loads(munas("status", search, "--json").stdout)["state"] == "interrupted"
    with Ledger.open(search) as ledger:
        ledger.hold()
        found = json.loads(munas("status", search, "--json").stdout)
        assert (found["state"], found["pid"]) == ("running", os.getpid())
        assert f"running (process {os.getpid()})" in munas("status", search).stderr
        refused = munas("resume", search)
        assert refused.returncode == 2
        assert f"is being run by process {os.getpid()}" in refused.stderr
    with Ledger.open(search) as ledger:
        assert [event.kind for event in ledger.events()] == ["started"], "nothing was begun"


def test_resume_of_a_study_names_its_command(study: Path) -> None:
    done = munas("resume", study)
    assert done.returncode == 2
    assert f"{study} is the ledger of a study" in done.stderr
    assert f"munas study correlation quickstart --ledger {study}" in done.stderr


def test_export_of_a_study_writes_its_measurements(study: Path, tmp_path: Path) -> None:
    done = munas("export", study, "--format", "json", "--out", "-")
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    assert [(row["macs"], row["latency_us"]) for row in rows] == [(1000, 1), (1000, 1)]
    assert [row["error"] for row in rows] == [None, "convert: no"]
    assert munas("export", study, "--out", "-", "--table", "candidates").returncode == 2


@pytest.mark.parametrize("name", ["export", "report"])
def test_other_ledgers_are_never_overwritten(name: str, search: Path, study: Path) -> None:
    before = study.read_bytes()
    done = munas(name, search, "--out", study)
    assert done.returncode == 2 and f"{study} is a ledger" in done.stderr
    assert study.read_bytes() == before


def test_convert_refuses_what_excludes_each_other(tmp_path: Path) -> None:
    a = tmp_path / "a.json"
    a.write_text(munas("sample", "--input", "8x8x1", "--classes", "4").stdout)
    of_ledger = ("--ledger", tmp_path / "x", "--candidate", "1")
    for arguments, told in (
        ((a, *of_ledger, "--out", tmp_path / "m"), "a.json exclude each other"),
        (("--seed", "0", *of_ledger, "--out", tmp_path / "m"), "--seed exclude each other"),
        ((a, "--out", a), "a.json is what this command reads"),
        ((a, "--out", "-", "--json"), "cannot both go to standard output"),
        ((a, "--out", tmp_path), "is a folder"),
    ):
        done = munas("convert", *arguments)
        assert done.returncode == 2 and done.stdout == ""
        assert told in done.stderr.replace("\n", " ")
    assert list(tmp_path.iterdir()) == [a] and json.loads(a.read_text())


def test_convert_to_standard_output(tmp_path: Path) -> None:
    architecture = munas("sample", "--input", "8x8x1", "--classes", "4", "--seed", "1").stdout
    command = [sys.executable, "-m", "munas", "convert", "--out"]
    done = [
        subprocess.run(
            [*command, out], input=architecture.encode(), capture_output=True, env=ENVIRONMENT,
            cwd=tmp_path, timeout=120, check=True,
        )
        for out in ("-", "m.tflite")
    ]  # fmt: skip
    assert done[0].stdout == (tmp_path / "m.tflite").read_bytes()
    assert done[0].stdout[4:8] == b"TFL3" and b"standard output" in done[0].stderr
