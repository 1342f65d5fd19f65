"""Several processes at one ledger, and processes killed while they write."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from munas.store import CandidateRow, Ledger, RunInfo

WRITER = Path(__file__).with_name("writer.py")


def start(*arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(WRITER), *map(str, arguments)], stdout=subprocess.PIPE, text=True
    )


def finish(process: subprocess.Popen[str]) -> list[int]:
    """The numbers that the process printed; fails unless it ended well."""
    out, _ = process.communicate()
    assert process.returncode == 0
    return [int(line) for line in out.split()]


def check_whole(path: Path, in_flight: int) -> None:
    """What must hold at any time: a sound file, no candidate twice, few without a result."""
    raw = sqlite3.connect(path)
    assert raw.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert raw.execute("PRAGMA foreign_key_check").fetchall() == []
    raw.close()
    with Ledger.open(path) as ledger:
        finished = [row.candidate_id for row in ledger.results()]
        assert len(finished) == len(set(finished))
        assert len(ledger.pending()) <= in_flight
        for row in ledger.results():
            assert row.weights_sha256 is not None
            ledger.get_artifact(row.weights_sha256)  # a result never lacks its artifact


@pytest.fixture
def empty(path: Path, run: RunInfo) -> Path:
    Ledger.create(path, run).close()
    return path


def test_concurrent_writers_lose_nothing(empty: Path) -> None:
    ranges = [(first, first + 24) for first in range(1, 101, 25)]
    for process in [start("append", empty, first, last) for first, last in ranges]:
        finish(process)
    check_whole(empty, in_flight=0)
    with Ledger.open(empty) as ledger:
        assert [row.candidate_id for row in ledger.candidates()] == list(range(1, 101))
        assert [row.candidate_id for row in ledger.results()] == list(range(1, 101))


def test_concurrent_writers_of_the_same_results(empty: Path) -> None:
    with Ledger.open(empty) as ledger:
        for number in range(1, 41):
            ledger.add_candidate(
                CandidateRow(
                    candidate_id=number,
                    architecture={},
                    architecture_sha256=str(number),
                    macs=1,
                    peak_memory_bytes=1,
                    model_size_bytes=1,
                )
            )
    names = ["one", "two", "three"]
    won = {
        name: finish(process)
        for name, process in [(name, start("claim", empty, 40, name)) for name in names]
    }
    assert sorted(number for numbers in won.values() for number in numbers) == list(range(1, 41))
    with Ledger.open(empty) as ledger:
        for row in ledger.results():
            assert row.candidate_id in won[str(row.engine)]


def test_killed_at_every_statement(empty: Path) -> None:
    """Killed before each statement in turn and resumed, the run ends with one result for each."""
    for kill_at in range(2, 26):
        process = start("resume", empty, 1000, kill_at)
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        check_whole(empty, in_flight=1)
    with Ledger.open(empty) as ledger:
        last = len(ledger.candidates()) + 3
    assert last > 10  # the kills lay within writes, not all before them
    finish(start("resume", empty, last, 0))
    check_whole(empty, in_flight=0)
    with Ledger.open(empty) as ledger:
        assert [row.candidate_id for row in ledger.results()] == list(range(1, last + 1))


@pytest.mark.parametrize("seed", range(6))
def test_killed_at_a_random_point_beside_another_writer(empty: Path, seed: int) -> None:
    random = Random(seed)
    healthy = start("append", empty, 10_001, 10_030)
    doomed = start("append", empty, 1, 9999)
    assert doomed.stdout is not None
    told = [int(doomed.stdout.readline()) for _ in range(random.randrange(1, 25))]
    doomed.kill()
    doomed.communicate()
    assert finish(healthy) == list(range(10_001, 10_031))
    check_whole(empty, in_flight=1)
    with Ledger.open(empty) as ledger:
        finished = {row.candidate_id for row in ledger.results()}
    assert finished.issuperset(told)  # what was said to be in the ledger is in it
    assert finished.issuperset(range(10_001, 10_031))


@pytest.mark.parametrize("kill_at", [1, 2, 5, 20, 40])
def test_killed_while_creating(path: Path, run: RunInfo, kill_at: int) -> None:
    process = start("create", path, kill_at)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert not path.exists()
    Ledger.create(path, run).close()
