"""One suite over every kind of executor; see munas.pipeline.executor."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from munas.errors import WorkerError
from munas.pipeline.executor import Executor, LocalExecutor

MLP = {"space": "mlp", "input": [8, 8, 1], "classes": 10, "dense": [10]}
CONVERT = {"task": "convert", "architecture": MLP, "seed": 0}
SETTINGS = {"data": {"name": "digits", "train_samples": 100}}
TRAIN = {
    "task": "train",
    "architecture": MLP,
    "train": {"epochs": 2, "batch": 32},
    "augment": {},
    "seed": 1,
}
PATIENCE_S = 120


@dataclass
class Bench:
    """How executors of a kind are made, and which process trains for one."""

    make: Callable[[], Executor]
    pid: Callable[[Any], int | None]


@pytest.fixture(scope="module", params=["local", "ray"])
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    if request.param == "local":

        def of_thread(executor: Any) -> int | None:
            process = executor._slots[0].process
            return None if process is None else process.pid

        yield Bench(lambda: LocalExecutor(SETTINGS, 1), of_thread)
        return
    if importlib.util.find_spec("ray") is None:
        pytest.skip("needs the extra ray")
    import ray

    from munas.pipeline.ray_cluster import connected
    from munas.pipeline.ray_executor import RayExecutor

    def of_actor(executor: Any) -> int | None:
        actor = executor._slots[0].actor
        return None if actor is None else ray.get(actor.worker_pid.remote())

    with connected(None, 2):
        yield Bench(lambda: RayExecutor(SETTINGS, 1, packed=lambda: b""), of_actor)


@pytest.fixture(scope="module")
def executor(bench: Bench) -> Iterator[Executor]:
    made = bench.make()
    yield made
    made.close()


@pytest.fixture(scope="module")
def trained() -> dict[str, str]:
    """The model that a task trained, which no executor may change."""
    return {}


def test_answers_and_progress_arrive(executor: Executor, trained: dict[str, str]) -> None:
    said: list[dict[str, Any]] = []
    answer, blobs = executor.submit(TRAIN, progress=said.append).result(PATIENCE_S)
    assert "error" not in answer and set(blobs) == {"model", "weights"}
    assert said == [{"epoch": 1, "epochs": 2}, {"epoch": 2, "epochs": 2}]
    assert trained.setdefault("model", answer["model_sha256"]) == answer["model_sha256"]
    again, blobs = executor.submit({"task": "arena"}, {"model": blobs["model"]}).result(PATIENCE_S)
    assert again["host_arena_bytes"] == answer["host_arena_bytes"]


def test_faults_come_back_as_answers_and_the_worker_lives_on(
    executor: Executor, bench: Bench
) -> None:
    before = bench.pid(executor)
    broken = {**MLP, "dense": []}
    answer, _ = executor.submit({**CONVERT, "architecture": broken}).result(PATIENCE_S)
    assert answer["error"]["name"] == "bad-input" and "dense" in answer["error"]["message"]
    answer, _ = executor.submit({"task": "nothing"}).result(PATIENCE_S)
    assert answer["error"]["name"] == "internal"
    assert before is not None and bench.pid(executor) == before


def test_a_worker_that_dies_is_replaced_and_the_task_done(executor: Executor, bench: Bench) -> None:
    _, blobs = executor.submit(CONVERT).result(PATIENCE_S)
    pid = bench.pid(executor)
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)  # or it might have answered before it is killed
    second = executor.submit(CONVERT)
    while not second.running():
        time.sleep(0.01)
    os.kill(pid, signal.SIGKILL)
    answer, again = second.result(PATIENCE_S)
    assert again == blobs and "error" not in answer
    assert bench.pid(executor) not in (None, pid)


def test_a_task_that_kills_every_worker_fails_with_the_log(
    executor: Executor, bench: Bench
) -> None:
    stop = threading.Event()

    def killer() -> None:
        while not stop.wait(0.05):
            pid = bench.pid(executor)
            if pid is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    future = executor.submit(CONVERT)
    thread = threading.Thread(target=killer)
    thread.start()
    try:
        with pytest.raises(WorkerError) as fault:
            future.result(PATIENCE_S)
    finally:
        stop.set()
        thread.join()
    assert "died twice" in fault.value.what and "worker" in fault.value.mend
    assert ".log" in fault.value.mend


def test_closing_twice_ends_everything(bench: Bench) -> None:
    made = bench.make()
    future, waiting = made.submit(CONVERT), made.submit(CONVERT)
    while not future.running():
        time.sleep(0.01)
    time.sleep(0.3)
    pid = bench.pid(made)
    made.close()
    made.close()
    with pytest.raises(WorkerError):
        future.result(timeout=10)
    assert not waiting.running()
    deadline = time.monotonic() + 10
    while pid is not None and _alive(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert pid is None or not _alive(pid)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
