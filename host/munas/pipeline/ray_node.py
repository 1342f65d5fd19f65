"""What runs on the nodes of a Ray cluster: a worker's place, and a board's.

These are plain classes, which the search makes actors of. Ray never reaches the worker process
itself, so TensorFlow is in one that speaks over pipes and can be replaced, here as on one machine.
"""

from __future__ import annotations

import os
import socket
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from munas.arch import Architecture
from munas.cost import Cost
from munas.errors import MunasError, WorkerError
from munas.firmware.cache import cache_root
from munas.latency import LatencyProvider, Reading
from munas.pipeline.process import WorkerProcess, own_log_folder, remove_silent_logs
from munas.pipeline.versions import versions

# Faults that say that the node does not have the run's data set.
_WITHOUT_DATA = ("data", "infrastructure")
_NEED_DATA = ("train", "test", "final", "teach")


@dataclass(frozen=True)
class Greeting:
    """Where an actor is."""

    node_id: str
    host: str
    pid: int
    versions: dict[str, str]


def greeting() -> Greeting:
    import ray

    node_id = ray.get_runtime_context().get_node_id()
    return Greeting(node_id, socket.gethostname(), os.getpid(), versions())


@dataclass(frozen=True)
class Outcome:
    """What became of a task: the answer, or why the worker `died`, or that it `wants_data`."""

    answer: dict[str, Any] | None = None
    blobs: dict[str, bytes] | None = None
    said: tuple[dict[str, Any], ...] = ()
    died: str | None = None
    wants_data: bool = False


class WorkerPlace:
    """A worker process on this node; `run` one task at a time, `said` beside it."""

    def __init__(self, settings: dict[str, Any], tasks_per_worker: int, rss_limit_bytes: int):
        self._said: deque[dict[str, Any]] = deque()
        self._logs = own_log_folder()
        packed = self._data_file(settings)
        if packed is not None and packed.exists():
            settings = {**settings, "dataset_file": str(packed)}
        self._worker = WorkerProcess(
            settings,
            self._logs / "worker.log",
            tasks_per_worker=tasks_per_worker,
            rss_limit_bytes=rss_limit_bytes,
        )

    def hello(self) -> Greeting:
        return greeting()

    def worker_pid(self) -> int | None:
        """The process that trains, if it runs."""
        process = self._worker.process
        return None if process is None else process.pid

    def run(self, task: dict[str, Any], blobs: dict[str, bytes]) -> Outcome:
        self._said.clear()
        try:
            answer, results = self._worker.ask(task, blobs, self._said.append)
        except (OSError, WorkerError) as error:
            code = self._worker.kill()
            log = f"{self._worker.log} on {socket.gethostname()}"
            return Outcome(died=f"(exit {code}): {error}\nIts log is {log}.")
        if self._lacks_data(task, answer):
            return Outcome(wants_data=True)
        return Outcome(answer, results, tuple(self.said()))

    def said(self) -> list[dict[str, Any]]:
        """What the worker has said of its progress since last asked."""
        said = []
        while self._said:
            said.append(self._said.popleft())
        return said

    def keep_data(self, packed: bytes) -> None:
        """Keep the run's data set on this node, for all workers here, and use it from now on."""
        file = self._data_file(self._worker.settings)
        assert file is not None
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            beside = file.with_suffix(f".{os.getpid()}")
            beside.write_bytes(packed)
            beside.rename(file)
        self._worker.kill()
        self._worker.settings = {**self._worker.settings, "dataset_file": str(file)}

    def close(self) -> None:
        self._worker.kill()
        remove_silent_logs(self._logs)

    def _lacks_data(self, task: dict[str, Any], answer: dict[str, Any]) -> bool:
        """A node that has other data of that name counts as one that has none."""
        settings = self._worker.settings
        return (
            answer.get("error", {}).get("name") in _WITHOUT_DATA
            and task["task"] in _NEED_DATA
            and "dataset_sha256" in settings
            and "dataset_file" not in settings
        )

    @staticmethod
    def _data_file(settings: dict[str, Any]) -> Path | None:
        digest = settings.get("dataset_sha256")
        return None if digest is None else cache_root() / "data" / f"{digest}.npz"


@dataclass(frozen=True)
class Fault:
    """A MunasError on its way: exceptions with arguments of their own do not come through Ray."""

    kind: type[MunasError]
    state: dict[str, Any]

    @classmethod
    def of(cls, error: MunasError) -> Fault:
        return cls(type(error), dict(vars(error)))

    def error(self) -> MunasError:
        made = self.kind.__new__(self.kind)
        MunasError.__init__(made, self.state["what"], self.state["mend"])
        vars(made).update(self.state)
        return made


MakeProvider = Callable[[], tuple[LatencyProvider, str]]


class BoardPlace:
    """A board that is attached to this node; faults come back as Fault."""

    def __init__(self, make: MakeProvider) -> None:
        self._make = make
        self._provider: LatencyProvider | None = None

    def open(self) -> tuple[str | None, str, str] | Fault:
        """The engine that this node measures with, why, and the node's name."""
        try:
            self._provider, reason = self._make()
        except MunasError as error:
            return Fault.of(error)
        return self._provider.engine, reason, socket.gethostname()

    def read(self, architecture: dict[str, Any], costs: Cost, model: bytes | None) -> Any:
        return self._do(lambda on: on.read(Architecture.from_dict(architecture), costs, model))

    def renew(self) -> Any:
        return self._do(lambda on: on.renew())

    def close(self) -> Any:
        return self._do(lambda on: on.close())

    def _do(self, work: Callable[[LatencyProvider], Reading | None]) -> Any:
        if self._provider is None:
            return None
        try:
            return work(self._provider)
        except MunasError as error:
            return Fault.of(error)
