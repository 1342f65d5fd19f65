"""The command line in processes of its own: shapes, exit codes, clean streams."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ENVIRONMENT = os.environ | {"COLUMNS": "100", "TERM": "dumb"}
TINY = [
    "search", "quickstart", "--latency", "mac", "--seed", "1", "--workers", "1",
    "--set", "data.name=digits", "--set", "data.train_samples=300",
    "--set", "search.population=2", "--set", "search.sample=1", "--set", "search.rounds=3",
    "--set", "train.epochs=1", "--set", "bounds.error=0.95",
]  # fmt: skip


def munas(
    *arguments: str, stdin: str = "", cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "munas", *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        cwd=cwd,
        env=ENVIRONMENT,
        timeout=250,
        check=False,
    )


def sampled(count: int = 1, *more: str) -> str:
    done = munas("sample", "--count", str(count), "--input", "8x8x1", "--classes", "10", *more)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_version_and_help():
    assert re.fullmatch(r"munas \d+\.\d+\.\d+\n", munas("--version").stdout)
    shown = munas("--help")
    assert shown.returncode == 0 and "search" in shown.stdout
    assert munas().returncode == 2, "no command is a usage fault"


def test_sample_is_repeatable_lines_of_json():
    lines = sampled(3, "--seed", "4").splitlines()
    assert [json.loads(line)["space"] for line in lines] == ["cnn"] * 3
    assert sampled(3, "--seed", "4").splitlines() == lines
    assert sampled(3, "--seed", "5").splitlines() != lines
    assert json.loads(sampled(1, "--space", "mlp"))["space"] == "mlp"


def test_morph_gives_children():
    parent = sampled()
    one = munas("morph", "--seed", "3", stdin=parent)
    assert one.returncode == 0 and len(one.stdout.splitlines()) == 1
    everything = munas("morph", "--all", "--seed", "3", stdin=parent).stdout.splitlines()
    assert len(everything) > 10 and all(json.loads(line)["classes"] == 10 for line in everything)


def test_cost_shapes():
    done = munas("cost", "--json", stdin=sampled(2))
    assert done.returncode == 0
    for line in done.stdout.splitlines():
        found = json.loads(line)
        assert set(found) == {
            "peak_memory_bytes",
            "peak_memory_with_input_bytes",
            "model_size_bytes",
            "macs",
            "operators",
        }
        assert set(found["operators"][0]) == {"name", "macs", "weight_bytes", "output_bytes"}
        assert sum(o["macs"] for o in found["operators"]) == found["macs"]
    assert "peak memory" in munas("cost", stdin=sampled()).stdout


def test_convert_writes_the_model_it_describes(tmp_path: Path):
    import hashlib

    out = tmp_path / "m.tflite"
    done = munas("convert", "--out", str(out), "--json", "--seed", "2", stdin=sampled())
    assert done.returncode == 0 and done.stderr == ""
    found = json.loads(done.stdout)
    data = out.read_bytes()
    assert found["sha256"] == hashlib.sha256(data).hexdigest() and found["bytes"] == len(data)
    assert "FULLY_CONNECTED" in found["operators"]
    assert [path.name for path in tmp_path.iterdir()] == ["m.tflite"]


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished search, made by the command line with --json."""
    path = tmp_path_factory.mktemp("cli") / "t.ledger"
    done = munas(*TINY, "--ledger", str(path), "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert set(found) == {
        "ledger",
        "candidates",
        "front",
        "finalists",
        "wall_s",
        "time_by_stage_s",
        "executor",
    }
    assert found["candidates"] == 3 and found["front"]
    assert {"train", "convert", "screen", "overhead"} <= set(found["time_by_stage_s"])
    assert not re.search(r"tensorflow|cuda|WARNING: All log|oneDNN", done.stderr, re.IGNORECASE)
    assert "[3/3]" in done.stderr, "plain lines when not on a terminal"
    return path


def test_status_export_report_of_a_ledger(ledger: Path, tmp_path: Path):
    found = json.loads(munas("status", str(ledger), "--json").stdout)
    assert (found["state"], found["done"]) == ("finished", 3)
    for name in ("csv", "parquet", "json"):
        out = tmp_path / f"t.{name}"
        assert munas("export", str(ledger), "--format", name, "--out", str(out)).returncode == 0
        assert out.stat().st_size > 100
    page = tmp_path / "r.html"
    assert munas("report", str(ledger), "--out", str(page)).returncode == 0
    assert "<html" in page.read_text(encoding="utf-8")
    model = tmp_path / "c.tflite"
    best = found["front"][0]["candidate_id"]
    arguments = ("convert", "--ledger", str(ledger), "--candidate", str(best), "--out", str(model))
    assert munas(*arguments).returncode == 0 and model.read_bytes()[4:8] == b"TFL3"


def test_resume_of_a_finished_ledger(ledger: Path):
    done = munas("resume", str(ledger), "--json")
    assert done.returncode == 0 and json.loads(done.stdout)["candidates"] == 3


@pytest.mark.parametrize(
    "number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.long)]
)
def test_interrupt_says_how_to_resume_and_resume_ends_it(tmp_path: Path, number: signal.Signals):
    path = tmp_path / "i.ledger"
    process = subprocess.Popen(
        [sys.executable, "-m", "munas", *TINY, "--ledger", str(path)],
        stderr=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
    )
    deadline = time.monotonic() + 120
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(1)
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert f"munas resume {path}" in said.replace("\n", " ").replace("  ", " ")
    assert "Traceback" not in said
    assert munas("resume", str(path)).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "stdin", "said"),
    [
        (["cost", "nowhere.json"], "", "no file nowhere.json"),
        (["cost"], "{", "not valid JSON"),
        (["cost"], "", "standard input is empty"),
        (["cost"], '{"space": "cnn"}', "missing keys"),
        (["cost", "--mode", "guess"], "{}", "Unknown mode"),
        (["sample", "--input", "8x8", "--classes", "10"], "", "not an input shape"),
        (["sample", "--input", "8x8x1", "--classes", "10", "--space", "rnn"], "", "Unknown space"),
        (["search", "nothing"], "", "no experiment called"),
        (["search", "quickstart", "--set", "bounds.error=7"], "", "bounds.error"),
        (["search", "quickstart", "--set", "data.folder=/nowhere"], "", "/nowhere"),
        (["search", "quickstart", "--board", "nucleo"], "", "no board called"),
        (["status", "nowhere.ledger"], "", "nowhere.ledger"),
        (["resume", "nowhere.ledger"], "", "nowhere.ledger"),
        (["report", "nowhere.ledger"], "", "nowhere.ledger"),
        (["frobnicate"], "", "No such command"),
        (["sample", "--count", "many", "--input", "8x8x1", "--classes", "2"], "", "--count"),
    ],
)
def test_bad_input_is_one_message_and_exit_code_2(
    arguments: list[str], stdin: str, said: str, tmp_path: Path
):
    done = munas(*arguments, stdin=stdin, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert said in done.stderr.replace("\n", " "), done.stderr
    assert "Traceback" not in done.stderr and done.stdout == ""
    assert list(tmp_path.iterdir()) == [], "something half-written remains"


def test_debug_shows_the_traceback():
    done = munas("--debug", "cost", "nowhere.json")
    assert "Traceback" in done.stderr and done.returncode != 0


def test_line_with_the_fault_is_named():
    lines = sampled(2).splitlines()
    broken = json.loads(lines[1])
    broken["dense"] = [5]
    done = munas("cost", stdin=f"{lines[0]}\n{json.dumps(broken)}\n")
    assert "line 2" in done.stderr and "dense[0]" in done.stderr


@pytest.mark.parametrize(
    "arguments", [("sample", "--count", "400", "--input", "8x8x1", "--classes", "10"), ("doctor",)]
)
def test_a_reader_that_goes_away_is_no_fault(arguments: tuple[str, ...]):
    process = subprocess.Popen(
        [sys.executable, "-m", "munas", *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT,
    )  # fmt: skip
    assert process.stdout is not None and process.stderr is not None
    if arguments[0] == "sample":
        assert json.loads(process.stdout.readline())["classes"] == 10
    process.stdout.close()
    assert process.stderr.read() == ""
    process.stderr.close()
    assert process.wait(60) == 0


def test_doctor_looks_at_everything():
    done = munas("doctor", "--json")
    checks = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
    assert checks["tensorflow"]["state"] == "ok"
    assert all(check["mend"] for check in checks.values() if check["state"] != "ok")
    assert munas("doctor", "--board", "nothing").returncode == 2


def test_commands_start_without_tensorflow():
    script = (
        "import sys; sys.argv = ['munas', '--help'];"
        "import munas.cli.main as m;"
        "\ntry: m.main()\nexcept SystemExit: pass\n"
        "heavy = {'tensorflow', 'keras', 'pandas', 'unicorn', 'plotly', 'sklearn'};"
        "sys.exit(bool(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert done.returncode == 0
