"""Executors: where training and conversion run.

`Executor` is the contract; `LocalExecutor` runs tasks in worker processes on this machine
(`munas.pipeline.ray_executor` has them run on many). A worker that dies is replaced, its task is
run once more, and then fails as a `worker` fault.
"""

from __future__ import annotations

import queue
import subprocess
import threading
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from munas.errors import WorkerError
from munas.pipeline.process import (
    RSS_LIMIT_BYTES,
    TASKS_PER_WORKER,
    WorkerProcess,
    own_log_folder,
    remove_silent_logs,
)
from munas.pipeline.tasks import Answer, Progress

# A task that costs this many workers their life is given up.
DEATHS = 2


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
class Job:
    """A task on its way; `deaths` and `losses` count the workers and nodes that went meanwhile."""

    task: dict[str, Any]
    blobs: dict[str, bytes]
    progress: Progress | None
    future: Future[Answer]
    deaths: int = 0
    losses: int = 0

    def claim(self) -> bool:
        """Whether it is to be run: one that is run again is running already."""
        return self.future.running() or self.future.set_running_or_notify_cancel()


def closing() -> WorkerError:
    """What the futures of a closed executor raise."""
    return WorkerError("The search is being closed.")


class JobQueue:
    """How executors take tasks: `jobs` wait for a worker, until `ending` is set."""

    def __init__(self) -> None:
        self.jobs: queue.Queue[Job | None] = queue.Queue()
        self.ending = threading.Event()

    def submit(
        self,
        task: dict[str, Any],
        blobs: dict[str, bytes] | None = None,
        progress: Progress | None = None,
    ) -> Future[Answer]:
        future: Future[Answer] = Future()
        self.jobs.put(Job(task, blobs or {}, progress, future))
        return future


class LocalExecutor(JobQueue):
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
        tasks_per_worker: int = TASKS_PER_WORKER,
        rss_limit_bytes: int = RSS_LIMIT_BYTES,
        log_folder: Path | None = None,
    ) -> None:
        super().__init__()
        self.workers = workers
        self.settings = settings
        self.tasks_per_worker = tasks_per_worker
        self.rss_limit_bytes = rss_limit_bytes
        self.log_folder = log_folder or own_log_folder()
        self._folder_is_ours = log_folder is None
        self._slots = [_Slot(self, number) for number in range(workers)]
        for slot in self._slots:
            slot.start()

    def close(self) -> None:
        self.ending.set()
        for slot in self._slots:
            self.jobs.put(None)
            slot.worker.kill()
        for slot in self._slots:
            slot.join(timeout=5)
        if self._folder_is_ours:
            remove_silent_logs(self.log_folder)


class _Slot(threading.Thread):
    """One place for a worker process and the thread that feeds it."""

    def __init__(self, executor: LocalExecutor, number: int) -> None:
        super().__init__(daemon=True, name=f"munas-worker-{number}")
        self.executor = executor
        self.worker = WorkerProcess(
            executor.settings,
            executor.log_folder / f"worker-{number}.log",
            tasks_per_worker=executor.tasks_per_worker,
            rss_limit_bytes=executor.rss_limit_bytes,
        )

    @property
    def process(self) -> subprocess.Popen[bytes] | None:
        return self.worker.process

    def run(self) -> None:
        while (job := self.executor.jobs.get()) is not None:
            if not job.claim():
                continue
            while not job.future.done():
                self._try(job)
        self.worker.kill()

    def _try(self, job: Job) -> None:
        try:
            answer = self.worker.ask(job.task, job.blobs, job.progress)
        except (OSError, WorkerError) as error:
            job.deaths += 1
            code = self.worker.kill()
            if self.executor.ending.is_set():
                job.future.set_exception(closing())
            elif job.deaths >= DEATHS:
                job.future.set_exception(
                    WorkerError(
                        f"A training worker died twice on the same task (exit {code}): {error}",
                        f"Its log is {self.worker.log}. Out of memory? Try fewer workers.",
                    )
                )
            return
        job.future.set_result(answer)
