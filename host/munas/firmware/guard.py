"""Runs a command that ends with the process which asked for it, with all that the command starts.

`python -I guard.py FD COMMAND…`, at the head of a process group of its own: when the pipe FD ends,
because the asking process closed it or died in whatever way, the whole group is killed. Run as a
file, so that it needs nothing but the standard library.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading


def main() -> None:
    pipe, command = int(sys.argv[1]), sys.argv[2:]
    threading.Thread(target=_watch, args=(pipe,), daemon=True).start()
    code = subprocess.call(command, stdin=subprocess.DEVNULL)
    sys.exit(code if code >= 0 else 128 - code)


def _watch(pipe: int) -> None:
    while os.read(pipe, 1):
        pass
    os.killpg(os.getpgrp(), signal.SIGKILL)


if __name__ == "__main__":
    main()
