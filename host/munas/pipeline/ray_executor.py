"""The executor that has tasks run on the nodes of a Ray cluster.

One thread here and one actor there for each worker. An actor is made anew where its node or process
is gone. A lost node costs a task nothing but time: it is run again elsewhere. A worker that dies
counts, as with LocalExecutor. Must not know what a search is, nor how to connect to a cluster.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
import time
from collections.abc import Callable
from typing import Any

from munas.errors import WorkerError
from munas.pipeline.executor import DEATHS, Job, JobQueue, closing
from munas.pipeline.process import RSS_LIMIT_BYTES, TASKS_PER_WORKER
from munas.pipeline.ray_node import Greeting, Outcome, WorkerPlace
from munas.pipeline.tasks import Progress
from munas.pipeline.versions import versions

log = logging.getLogger(__name__)

POLL_S = 1.0
# A cluster without a free processor for this long is given up; one that grows may take minutes.
PATIENCE_S = 600.0
# A node that went is known to be gone after this long.
_NODE_LOSS_S = 40.0
# So many nodes lost under one task: it is the task.
_LOSSES = 10


class RayExecutor(JobQueue):
    """Worker processes on any node, `workers` of them at most; `ray` must be connected.

    `settings` as for LocalExecutor; `packed` gives the data set as `unpack_dataset` takes it, and
    is called once, when the first node turns out not to have it. `place` is what runs on the nodes.
    """

    def __init__(
        self,
        settings: dict[str, Any],
        workers: int,
        *,
        packed: Callable[[], bytes],
        tasks_per_worker: int = TASKS_PER_WORKER,
        rss_limit_bytes: int = RSS_LIMIT_BYTES,
        patience_s: float = PATIENCE_S,
        place: type = WorkerPlace,
    ) -> None:
        import ray

        super().__init__()
        self.workers = workers
        self.patience_s = patience_s
        self._packed, self._data, self._lock = packed, None, threading.Lock()
        self._arguments = settings, tasks_per_worker, rss_limit_bytes
        # Two calls at once: the task, and how far it is.
        self._place = ray.remote(num_cpus=1, max_restarts=0, max_concurrency=2)(place)
        self.served_s = time.monotonic()
        self._slots = [_Slot(self, number) for number in range(workers)]
        for slot in self._slots:
            slot.start()

    def close(self) -> None:
        self.ending.set()
        self._end_workers()
        for slot in self._slots:
            self.jobs.put(None)
            slot.drop()
        for slot in self._slots:
            slot.join(timeout=5)
            slot.drop()  # one that was made meanwhile
        self.refuse_all(closing())

    def _end_workers(self) -> None:
        """End the processes that train before their actors, whose empty logs then go."""
        import ray

        with contextlib.suppress(Exception):
            ending = [slot.actor.close.remote() for slot in self._slots if slot.where]
            ray.wait(ending, num_returns=len(ending), timeout=2 * POLL_S)

    def new_place(self) -> Any:
        return self._place.remote(*self._arguments)

    def data(self) -> Any:
        """The data set in Ray's object store, which brings it to every node once."""
        import ray

        with self._lock:
            if self._data is None:
                self._data = ray.put(self._packed())
            return self._data

    def starved(self) -> bool:
        """Whether there has been no place at all for too long."""
        if any(slot.where for slot in self._slots):
            self.served_s = time.monotonic()
        return time.monotonic() - self.served_s > self.patience_s

    def refuse_all(self, error: WorkerError) -> None:
        """Fail what waits."""
        with contextlib.suppress(queue.Empty):
            while True:
                job = self.jobs.get_nowait()
                if job is not None and job.claim():
                    job.future.set_exception(error)


class _Slot(threading.Thread):
    """One actor, wherever it is, and the thread that feeds it."""

    def __init__(self, executor: RayExecutor, number: int) -> None:
        super().__init__(daemon=True, name=f"munas-ray-{number}")
        self.executor = executor
        self.actor: Any = None
        self.where: Greeting | None = None

    def run(self) -> None:
        ending = self.executor.ending
        while not ending.is_set():
            if self.where is None and not self._settle():
                continue
            with contextlib.suppress(queue.Empty):
                job = self.executor.jobs.get(timeout=POLL_S)
                if job is not None and job.claim():
                    self._try(job)
        self.drop()

    def _settle(self) -> bool:
        """Have an actor and know where it is; false when it is to be tried again, or not at all."""
        import ray

        executor = self.executor
        try:
            self.actor = executor.new_place()
            hello = self.actor.hello.remote()
            while not ray.wait([hello], timeout=POLL_S)[0]:
                if executor.ending.is_set():
                    return False
                if executor.starved():
                    executor.refuse_all(_starved(executor.patience_s))
            where: Greeting = ray.get(hello)
        except Exception as error:
            self.drop()
            log.warning("A worker could not be placed in the Ray cluster: %s", error)
            if executor.starved():
                executor.refuse_all(_starved(executor.patience_s))
            executor.ending.wait(POLL_S)
            return False
        if where.versions != versions():
            self.drop()
            log.warning("%s has other versions and is not used: %s", where.host, where.versions)
            executor.ending.wait(10 * POLL_S)
            return False
        self.where = where
        return True

    def _try(self, job: Job) -> None:
        try:
            outcome = self._ask(job)
        except Exception as error:  # whatever Ray raises: the future must get its answer
            self._lost(job, error)
            return
        if outcome.died is None:
            assert outcome.answer is not None and outcome.blobs is not None
            job.future.set_result((outcome.answer, outcome.blobs))
            return
        self._died(job, outcome.died)

    def _ask(self, job: Job) -> Outcome:
        import ray

        while True:
            coming = self.actor.run.remote(job.task, job.blobs)
            while not ray.wait([coming], timeout=POLL_S)[0]:
                if job.progress:
                    _pass_on(ray.get(self.actor.said.remote()), job.progress)
            outcome: Outcome = ray.get(coming)
            if not outcome.wants_data:
                _pass_on(outcome.said, job.progress)
                return outcome
            ray.get(self.actor.keep_data.remote(self.executor.data()))

    def _died(self, job: Job, why: str) -> None:
        job.deaths += 1
        if self.executor.ending.is_set():
            job.future.set_exception(closing())
        elif job.deaths >= DEATHS:
            told, _, place = why.partition("\n")
            job.future.set_exception(
                WorkerError(
                    f"A training worker died twice on the same task {told}",
                    f"{place} Out of memory? Try fewer workers on that machine.".strip(),
                )
            )
        else:
            self.executor.jobs.put(job)

    def _lost(self, job: Job, error: Exception) -> None:
        """The actor is gone: with its node, which is nobody's fault, or by itself."""
        where = self.where
        node_lost = not self.executor.ending.is_set() and _is_gone(where, error)
        self.drop()
        if node_lost:
            job.losses += 1
            log.warning("A node of the Ray cluster was lost: %s", where.host if where else "")
        if node_lost and job.losses < _LOSSES:
            self.executor.jobs.put(job)
        else:
            self._died(job, f"on {where.host if where else 'its node'}: {_first_line(error)}")

    def drop(self) -> None:
        """End the actor, if there is one, and the worker process with it."""
        import ray

        actor, self.actor, self.where = self.actor, None, None
        if actor is not None:
            with contextlib.suppress(Exception):
                ray.kill(actor)


def _starved(patience_s: float) -> WorkerError:
    return WorkerError(
        f"No node of the Ray cluster had a processor free for {patience_s:.0f} s.",
        "See `ray status`: nodes may be gone, or busy with other work.",
    )


def _pass_on(said: Any, progress: Progress | None) -> None:
    for each in said if progress else ():
        assert progress is not None
        progress(each)


def _is_gone(where: Greeting | None, error: Exception) -> bool:
    """Whether a node went, as opposed to a process on it.

    Ray tells of an actor that is dead only once it knows why; of one that it cannot reach it may
    take until the node's heartbeats have been missed.
    """
    import ray
    from ray.exceptions import ActorUnavailableError, ObjectLostError, RayTaskError

    if where is None or isinstance(error, RayTaskError):
        return False
    if isinstance(error, ObjectLostError):
        return True  # a result that was lost on its way
    give_up = time.monotonic() + (
        _NODE_LOSS_S if isinstance(error, ActorUnavailableError) else 10 * POLL_S
    )
    while True:
        alive = {node["NodeID"] for node in ray.nodes() if node["Alive"]}
        if where.node_id not in alive:
            return True
        if time.monotonic() > give_up:
            return False
        time.sleep(POLL_S / 2)


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
