"""Workers: recycling, logs, and the messages between processes."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from munas.pipeline.executor import LocalExecutor
from munas.pipeline.tasks import pack_weights, unpack_weights
from munas.pipes import read_message, write_message

MLP = {"space": "mlp", "input": [8, 8, 1], "classes": 10, "dense": [10]}
CONVERT = {"task": "convert", "architecture": MLP, "seed": 0}
DIGITS = {"data": {"name": "digits"}}


@given(
    st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=9), max_size=4),
    st.dictionaries(st.sampled_from(["model", "weights"]), st.binary(max_size=300)),
)
def test_messages_round_trip(header: dict[str, object], blobs: dict[str, bytes]):
    header.pop("_blobs", None)
    stream = io.BytesIO()
    write_message(stream, header, blobs)
    whole = stream.getvalue()
    assert read_message(io.BytesIO(whole)) == (header, blobs)
    for cut in range(0, len(whole), max(1, len(whole) // 20)):
        assert read_message(io.BytesIO(whole[:cut])) is None


def test_weights_round_trip_without_pickle():
    weights = [np.arange(6, dtype=np.float32).reshape(2, 3), np.zeros(0, np.float32)]
    again = unpack_weights(pack_weights(weights))
    assert all(
        np.array_equal(a, b) and a.dtype == b.dtype for a, b in zip(weights, again, strict=True)
    )
    stream = io.BytesIO()
    np.savez(stream, w0000=np.array([{"a": 1}], dtype=object))
    with pytest.raises(ValueError, match="pickle"):
        unpack_weights(stream.getvalue())


@pytest.fixture
def executor(tmp_path: Path):
    made = LocalExecutor(DIGITS, 1, tasks_per_worker=2, log_folder=tmp_path)
    yield made
    made.close()


def test_a_worker_is_replaced_after_its_tasks(executor: LocalExecutor):
    _, blobs = executor.submit(CONVERT).result(timeout=120)
    assert executor._slots[0].process is not None
    assert executor.submit(CONVERT).result(timeout=120)[1] == blobs
    assert executor._slots[0].process is None, "recycled after two tasks"


def test_folders_of_dead_processes_are_swept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    empty, telling, old = (tmp_path / f"munas-workers-{dead.pid}-{name}" for name in "abc")
    alive = tmp_path / f"munas-workers-{os.getpid()}-d"
    for folder in (empty, telling, old, alive):
        folder.mkdir()
        (folder / "worker-0.log").write_text("said" if folder in (telling, old) else "")
    os.utime(old, (0, 0))
    LocalExecutor(DIGITS, 1).close()
    assert set(tmp_path.iterdir()) == {telling, alive}
