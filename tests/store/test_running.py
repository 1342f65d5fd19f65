"""One process at a time runs a ledger; the lock dies with its holder."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from munas.errors import LedgerError
from munas.store import EventRow, Ledger, RunInfo
from munas.store.running import runner_of

_HOLDER = """
import sys
from munas.store import Ledger
with Ledger.open(sys.argv[1]) as ledger:
    ledger.hold()
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def closed(path: Path, run: RunInfo) -> Path:
    Ledger.create(path, run).close()
    return path


@contextmanager
def holder(path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that runs the ledger until its standard input ends."""
    with subprocess.Popen(
        [sys.executable, "-c", _HOLDER, str(path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None and process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


def test_a_second_run_is_refused_and_names_the_first(closed: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(closed)
    with holder(closed) as process:
        for name in (closed, link):
            with Ledger.open(name) as ledger:
                with pytest.raises(LedgerError, match=f"run by process {process.pid} ") as fault:
                    ledger.hold()
                assert f"munas status {name}" in fault.value.mend
                ledger.add_event(EventRow(kind="resumed"))  # only a run is exclusive
            assert (who := runner_of(name)) is not None and who.pid == process.pid


def test_the_lock_of_a_killed_run_is_taken(closed: Path) -> None:
    with holder(closed) as process:
        process.kill()
        process.wait()
        assert runner_of(closed) is None
        with Ledger.open(closed) as ledger:
            ledger.hold()
            assert (who := runner_of(closed)) is not None and who.pid == os.getpid()


def test_a_run_that_ends_leaves_nothing_beside_the_ledger(closed: Path) -> None:
    for _ in range(2):
        with Ledger.open(closed) as ledger:
            ledger.hold()
            ledger.hold()
        assert runner_of(closed) is None
        assert [entry.name for entry in closed.parent.iterdir()] == [closed.name]


def test_two_of_one_process_exclude_each_other_too(closed: Path) -> None:
    with Ledger.open(closed) as one, Ledger.open(closed) as other:
        one.hold()
        with pytest.raises(LedgerError, match="being run"):
            other.hold()
