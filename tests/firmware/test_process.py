"""Build tools die with whoever started them, with all that they started themselves."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from munas.errors import BuildError
from munas.firmware.process import run_to_end

# A tool that starts another one, as PlatformIO starts SCons, and waits for it.
_TOOL = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
open(sys.argv[1], "w").write(str(child.pid))
child.wait()
"""
_ASKS = """
import os, sys, threading
from munas.firmware.process import run_to_end, stop_all
command = [sys.executable, "-c", sys.argv[1], sys.argv[2]]
def ask():
    try:
        run_to_end(command, os.environ, 600)
    except Exception as error:
        print(type(error).__name__, error, flush=True)
thread = threading.Thread(target=ask)
thread.start()
sys.stdin.readline()
stop_all()
thread.join()
ask()
"""


def wait_for(condition: object, seconds: float = 20) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():  # type: ignore[operator]
            return True
        time.sleep(0.02)
    return False


def lives(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def asking(path: Path) -> tuple[subprocess.Popen[str], int]:
    """A process that has the tool run, and the number of what the tool started."""
    process = subprocess.Popen(
        [sys.executable, "-c", _ASKS, _TOOL, str(path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert wait_for(lambda: path.exists() and path.read_text())
    pid = int(path.read_text())
    assert lives(pid)
    return process, pid


def test_kill_9_takes_the_tools_along(tmp_path: Path) -> None:
    process, pid = asking(tmp_path / "pid")
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert wait_for(lambda: not lives(pid)), "what the tool started outlives munas"


def test_stopping_from_another_thread_ends_them_and_starts_no_more(tmp_path: Path) -> None:
    process, pid = asking(tmp_path / "pid")
    said, _ = process.communicate("stop\n", timeout=60)
    assert said.splitlines() == ["BuildError The build was stopped."] * 2
    assert wait_for(lambda: not lives(pid))


def test_a_timeout_ends_them(tmp_path: Path) -> None:
    path = tmp_path / "pid"
    with pytest.raises(BuildError, match="not done after"):
        run_to_end([sys.executable, "-c", _TOOL, str(path)], os.environ, 2)
    assert path.exists() and wait_for(lambda: not lives(int(path.read_text())))


def test_output_and_exit_code_come_back() -> None:
    program = "import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"
    code, output = run_to_end([sys.executable, "-uc", program], os.environ, 60)
    assert (code, output) == (3, "out\nerr\n")
