"""Runs build tools so that none outlives munas: not a timeout, an interrupt, nor `kill -9`.

Must not know what is built.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from munas.errors import BuildError

_GUARD = Path(__file__).with_name("guard.py")
_running: set[subprocess.Popen[str]] = set()
_stopped = False


def run_to_end(
    arguments: Sequence[str], environment: Mapping[str, str], timeout_s: float
) -> tuple[int, str]:
    """Exit code and all output of a command. On a timeout or an interrupt all of it is killed.

    Raises BuildError after a timeout, or where `stop_all` was called.
    """
    theirs, ours = os.pipe()
    try:
        process = subprocess.Popen(
            [sys.executable, "-I", str(_GUARD), str(theirs), *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
            pass_fds=(theirs,),
        )
        with process:
            _running.add(process)
            try:
                output, _ = process.communicate(timeout=0 if _stopped else timeout_s)
            except BaseException as error:
                _kill(process)
                if isinstance(error, subprocess.TimeoutExpired) and not _stopped:
                    raise BuildError(
                        f"The build was not done after {timeout_s / 60:g} minutes."
                    ) from None
                if not isinstance(error, subprocess.TimeoutExpired):
                    raise
            finally:
                _running.discard(process)
    finally:
        os.close(ours)  # whatever happened: the guard now ends what still runs
        os.close(theirs)
    if _stopped:
        raise BuildError("The build was stopped.")
    return process.returncode, output


def stop_all() -> None:
    """Kill what runs, on whatever thread, and refuse to run more: this process is ending."""
    global _stopped  # noqa: PLW0603 (there is no way back)
    _stopped = True
    for process in tuple(_running):
        _kill(process)


def _kill(process: subprocess.Popen[str]) -> None:
    # Not once it was waited for: its number may be another process' by then.
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
