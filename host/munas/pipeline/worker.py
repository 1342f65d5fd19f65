"""The worker process: `python -m munas.pipeline.worker`, spoken to over its standard streams.

It imports TensorFlow on one thread, keeps all chatter out of the pipe, answers one task after
another, and ends when its standard input does, so it never outlives the search. Interrupts are the
parent's affair.
"""

from __future__ import annotations

import os
import queue
import resource
import signal
import sys
import threading
import traceback
from pathlib import Path
from typing import Any

from munas.pipes import read_message, write_message


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    answers = os.fdopen(os.dup(1), "wb")
    requests = os.fdopen(os.dup(0), "rb")
    log = Path(sys.argv[1])
    # Whatever any library prints from here on goes to the log, never into the pipe.
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    inbox: queue.Queue[tuple[dict[str, Any], dict[str, bytes]]] = queue.Queue()
    threading.Thread(target=_receive, args=(requests, inbox), daemon=True).start()
    _serve(inbox, answers)


def _receive(requests: Any, inbox: queue.Queue[Any]) -> None:
    """Pass requests on; leave at once when the parent is gone, even in the middle of training."""
    while (message := read_message(requests)) is not None:
        inbox.put(message)
    os._exit(0)


def _serve(inbox: queue.Queue[Any], answers: Any) -> None:
    from munas.deploy.quiet import silence_tensorflow
    from munas.pipeline.tasks import Tasks
    from munas.train import configure_determinism

    settings, _ = inbox.get()
    if settings.get("deterministic", True):
        configure_determinism()
    else:
        silence_tensorflow()
    tasks = Tasks(settings)
    write_message(answers, {"kind": "ready"})
    while True:
        task, blobs = inbox.get()

        def progress(said: dict[str, Any]) -> None:
            write_message(answers, {"kind": "progress", **said})

        try:
            answer, results = tasks.run(task, blobs, progress)
        except Exception as error:
            traceback.print_exc()
            message = f"{type(error).__name__}: {error}"
            answer = {"error": {"name": "internal", "message": message, "mend": ""}}
            results = {}
        rss_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        write_message(answers, {"kind": "answer", "rss_bytes": rss_bytes, **answer}, results)


if __name__ == "__main__":
    main()
