"""A process that writes to a ledger, for tests that run several of them and kill some.

    writer.py create LEDGER KILL_AT       make a ledger
    writer.py append LEDGER FIRST LAST    candidates FIRST..LAST with their results
    writer.py resume LEDGER LAST KILL_AT  what is pending, then new candidates up to LAST
    writer.py claim LEDGER LAST NAME      a result for each candidate 1..LAST, won or lost

KILL_AT is the number of the SQL statement at which the process kills itself with SIGKILL (0:
never). `append` and `resume` print each candidate's number once its result is in; `claim` prints
those that it won.
"""

from __future__ import annotations

import hashlib
import os
import signal
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path

from munas.store import CandidateRow, Ledger, ResultRow, RunInfo, creation


def killer(at: int) -> Callable[[str], None]:
    """A trace callback that kills this process at the `at`-th statement."""
    count = 0

    def trace(_: str) -> None:
        nonlocal count
        count += 1
        if count == at:
            os.kill(os.getpid(), signal.SIGKILL)

    return trace


def candidate(number: int) -> CandidateRow:
    return CandidateRow(
        candidate_id=number,
        architecture={"space": "mlp", "dense": [number]},
        architecture_sha256=f"{number:064x}",
        macs=1000 * number,
        peak_memory_bytes=100,
        model_size_bytes=200,
    )


def finish(ledger: Ledger, number: int, engine: str = "tflm") -> bool:
    data = f"weights of {number}".encode() * 500
    sha256 = hashlib.sha256(data).hexdigest()
    row = ResultRow(candidate_id=number, status="ok", engine=engine, weights_sha256=sha256)
    return ledger.add_result(row, {sha256: data})


def create(path: Path, kill_at: str) -> None:
    plain = creation.connect
    trace = killer(int(kill_at))

    def traced(*args: object, **options: object) -> sqlite3.Connection:
        connection = plain(*args, **options)  # type: ignore[arg-type]
        connection.set_trace_callback(trace)
        return connection

    creation.connect = traced  # type: ignore[attr-defined]
    Ledger.create(path, RunInfo(name="n", experiment={}, identity={}, command="c")).close()


def append(path: Path, first: str, last: str) -> None:
    with Ledger.open(path) as ledger:
        for number in range(int(first), int(last) + 1):
            ledger.add_candidate(candidate(number))
            finish(ledger, number)
            print(number, flush=True)


def resume(path: Path, last: str, kill_at: str) -> None:
    with Ledger.open(path) as ledger:
        ledger._connection.set_trace_callback(killer(int(kill_at)))
        for row in ledger.pending():
            finish(ledger, row.candidate_id)
            print(row.candidate_id, flush=True)
        for number in range(len(ledger.candidates()) + 1, int(last) + 1):
            ledger.add_candidate(candidate(number))
            finish(ledger, number)
            print(number, flush=True)


def claim(path: Path, last: str, name: str) -> None:
    with Ledger.open(path) as ledger:
        for number in range(1, int(last) + 1):
            if finish(ledger, number, engine=name):
                print(number, flush=True)


if __name__ == "__main__":
    modes = {"create": create, "append": append, "resume": resume, "claim": claim}
    modes[sys.argv[1]](Path(sys.argv[2]), *sys.argv[3:])
