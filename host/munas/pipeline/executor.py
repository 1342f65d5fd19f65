"""Executors: where training and conversion run.

`Executor` is the contract; `LocalExecutor` runs tasks in worker processes on this machine. A worker
is replaced after a number of candidates or when it has grown too large, because TensorFlow leaks
memory in long-lived processes; one that dies is replaced, its task is run once more, and then fails
as a `worker` fault.
"""

from __future__ import annotations

import contextlib
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from munas.errors import WorkerError
from munas.pipeline.tasks import Answer
from munas.pipes import read_message, write_message

Progress = Callable[[dict[str, Any]], None]


class Executor(Protocol):
    """Runs tasks; a task's future gives its answer, with `error` in it when the task failed.

    Futures raise WorkerError only when the task could not be run at all. `close` ends everything
    that still runs and may be called twice.
    """

    workers: int

    def submit(
        self,
        task: dict[str, Any],
        blobs: dict[str, bytes] | None = None,
        progress: Progress | None = None,
    ) -> Future[Answer]: ...

    def close(self) -> None: ...


@dataclass
class _Job:
    task: dict[str, Any]
    blobs: dict[str, bytes]
    progress: Progress | None
    future: Future[Answer]
    tries: int = 0


class LocalExecutor:
    """Worker processes on this machine, one thread of this process for each.

    `settings` is the first message to every worker: the data set, its hash, and `deterministic`
    (true unless given: one thread and bits that repeat). `log_folder` receives
    one log a worker; where not given it is made under the system's temporary folder, and removed
    again when nothing was logged.
    """

    def __init__(
        self,
        settings: dict[str, Any],
        workers: int,
        *,
        tasks_per_worker: int = 20,
        rss_limit_bytes: int = 3 * 1024**3,
        log_folder: Path | None = None,
    ) -> None:
        self.workers = workers
        self.settings = settings
        self.tasks_per_worker = tasks_per_worker
        self.rss_limit_bytes = rss_limit_bytes
        self.log_folder = log_folder or _own_log_folder()
        self._folder_is_ours = log_folder is None
        self._jobs: queue.Queue[_Job | None] = queue.Queue()
        self._closing = threading.Event()
        self._slots = [_Slot(self, number) for number in range(workers)]
        for slot in self._slots:
            slot.start()

    def submit(
        self,
        task: dict[str, Any],
        blobs: dict[str, bytes] | None = None,
        progress: Progress | None = None,
    ) -> Future[Answer]:
        future: Future[Answer] = Future()
        self._jobs.put(_Job(task, blobs or {}, progress, future))
        return future

    def close(self) -> None:
        self._closing.set()
        for slot in self._slots:
            self._jobs.put(None)
            slot.kill()
        for slot in self._slots:
            slot.join(timeout=5)
        logs = self.log_folder.glob("*")
        if self._folder_is_ours and not any(log.stat().st_size for log in logs):
            shutil.rmtree(self.log_folder, ignore_errors=True)


_LOGS = "munas-workers-"
_KEPT_S = 7 * 24 * 3600.0


def _own_log_folder() -> Path:
    """A new folder that names this process; those that dead processes left behind are removed.

    Logs that say something are kept for a week: a fault has named them.
    """
    for left in Path(tempfile.gettempdir()).glob(f"{_LOGS}*-*"):
        pid = left.name.removeprefix(_LOGS).split("-")[0]
        if not pid.isdecimal() or Path("/proc", pid).exists():
            continue
        with contextlib.suppress(OSError):  # another one sweeps too, or it is another person's
            logged = any(log.stat().st_size for log in left.iterdir())
            if not logged or time.time() - left.stat().st_mtime > _KEPT_S:
                shutil.rmtree(left, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=f"{_LOGS}{os.getpid()}-"))


class _Slot(threading.Thread):
    """One place for a worker process and the thread that feeds it."""

    def __init__(self, executor: LocalExecutor, number: int) -> None:
        super().__init__(daemon=True, name=f"munas-worker-{number}")
        self.executor = executor
        self.log = executor.log_folder / f"worker-{number}.log"
        self.process: subprocess.Popen[bytes] | None = None
        self.done = 0

    def run(self) -> None:
        while (job := self.executor._jobs.get()) is not None:
            if not job.future.set_running_or_notify_cancel():
                continue
            while not job.future.done():
                self._try(job)
        self.kill()

    def _try(self, job: _Job) -> None:
        job.tries += 1
        try:
            answer = self._ask(job)
        except (OSError, WorkerError) as error:
            code = self.kill()
            if self.executor._closing.is_set():
                job.future.set_exception(WorkerError("The search is being closed."))
            elif job.tries >= 2:
                job.future.set_exception(
                    WorkerError(
                        f"A training worker died twice on the same task (exit {code}): {error}",
                        f"Its log is {self.log}. Out of memory? Try fewer workers.",
                    )
                )
            return
        self.done += 1
        if (
            self.done >= self.executor.tasks_per_worker
            or answer[0].pop("rss_bytes", 0) > self.executor.rss_limit_bytes
        ):
            self.kill()
        job.future.set_result(answer)

    def _ask(self, job: _Job) -> Answer:
        process = self.process or self._start()
        assert process.stdin is not None and process.stdout is not None
        write_message(process.stdin, job.task, job.blobs)
        while True:
            message = read_message(process.stdout)
            if message is None:
                raise WorkerError("it ended without an answer")
            header, blobs = message
            kind = header.pop("kind")
            if kind == "answer":
                return header, blobs
            if kind == "progress" and job.progress:
                job.progress(header)

    def _start(self) -> subprocess.Popen[bytes]:
        environment = os.environ | {"PYTHONUNBUFFERED": "1"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "munas.pipeline.worker", str(self.log)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
        )
        self.done = 0
        assert self.process.stdin is not None
        write_message(self.process.stdin, self.executor.settings)
        return self.process

    def kill(self) -> int | None:
        """End the worker process, if there is one; its exit code."""
        process, self.process = self.process, None
        if process is None:
            return None
        with contextlib.suppress(OSError):
            process.kill()
        code = process.wait()
        for stream in (process.stdin, process.stdout):
            with contextlib.suppress(OSError):
                if stream:
                    stream.close()
        return code
