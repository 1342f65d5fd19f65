"""One worker process, whoever owns it: a thread of the search, or an actor on another machine.

It is started when first asked, and replaced after a number of tasks or when it has grown too large,
because TensorFlow leaks memory in long-lived processes. Must not know what a search is.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from munas.errors import WorkerError
from munas.pipeline.tasks import Answer, Progress
from munas.pipes import read_message, write_message

TASKS_PER_WORKER = 20
RSS_LIMIT_BYTES = 3 * 1024**3


class WorkerProcess:
    """`python -m munas.pipeline.worker` with these settings; `log` receives what it prints."""

    def __init__(
        self,
        settings: dict[str, Any],
        log: Path,
        *,
        tasks_per_worker: int = TASKS_PER_WORKER,
        rss_limit_bytes: int = RSS_LIMIT_BYTES,
    ) -> None:
        self.settings = settings
        self.log = log
        self.process: subprocess.Popen[bytes] | None = None
        self._tasks_per_worker = tasks_per_worker
        self._rss_limit_bytes = rss_limit_bytes
        self._done = 0

    def ask(
        self, task: dict[str, Any], blobs: dict[str, bytes], progress: Progress | None
    ) -> Answer:
        """The answer to one task. Raises OSError or WorkerError when the process died of it;
        `kill` then, before the next task."""
        answer = self._converse(task, blobs, progress)
        self._done += 1
        spent = self._done >= self._tasks_per_worker
        if answer[0].pop("rss_bytes", 0) > self._rss_limit_bytes or spent:
            self.kill()
        return answer

    def _converse(
        self, task: dict[str, Any], blobs: dict[str, bytes], progress: Progress | None
    ) -> Answer:
        process = self.process or self._start()
        assert process.stdin is not None and process.stdout is not None
        write_message(process.stdin, task, blobs)
        while True:
            message = read_message(process.stdout)
            if message is None:
                raise WorkerError("it ended without an answer")
            header, results = message
            kind = header.pop("kind")
            if kind == "answer":
                return header, results
            if kind == "progress" and progress:
                progress(header)

    def _start(self) -> subprocess.Popen[bytes]:
        environment = os.environ | {"PYTHONUNBUFFERED": "1"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "munas.pipeline.worker", str(self.log)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
        )
        self._done = 0
        assert self.process.stdin is not None
        write_message(self.process.stdin, self.settings)
        return self.process

    def kill(self) -> int | None:
        """End the process, if there is one; its exit code."""
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


_LOGS = "munas-workers-"
_KEPT_S = 7 * 24 * 3600.0


def own_log_folder() -> Path:
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


def remove_silent_logs(folder: Path) -> None:
    """Remove a folder of logs when nothing was logged."""
    if not any(log.stat().st_size for log in folder.glob("*")):
        shutil.rmtree(folder, ignore_errors=True)
