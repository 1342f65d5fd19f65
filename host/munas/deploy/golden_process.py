"""Golden outputs from a process of their own, which a malicious model may bring down alone.

`python -m munas.deploy.golden_process` is that process: it answers models and inputs on its
standard streams and ends when its standard input does.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from munas.errors import ConvertError, InfrastructureError, MunasError
from munas.pipes import read_message, write_message

Int8 = npt.NDArray[np.int8]

# Networks of microcontrollers take milliseconds; a damaged one may ask for hours.
LONGEST_S = 60.0
_START_S = 60.0


class GoldenProcess:
    """Starts the process when it is first needed, and again after it died."""

    def __init__(self, longest_s: float = LONGEST_S) -> None:
        self._longest_s = longest_s
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    def outputs(self, model: bytes, inputs: Sequence[Int8]) -> tuple[bytes, ...]:
        """The output bytes of each input int8 [height, width, channels].

        Raises ConvertError where TensorFlow Lite Micro refuses the model, breaks down on it or
        takes longer than `longest_s`; InfrastructureError where the wheel is not there.
        """
        shape = list(inputs[0].shape)
        blobs = {"model": model} | {f"in{i:03d}": each.tobytes() for i, each in enumerate(inputs)}
        with self._lock:
            header, found = self._ask({"shape": shape}, blobs)
        if "error" in header:
            kind = ConvertError if header["error"]["name"] == "convert" else InfrastructureError
            raise kind(header["error"]["message"], header["error"]["mend"])
        return tuple(found[f"out{i:03d}"] for i in range(len(inputs)))

    def _ask(self, header: dict[str, Any], blobs: dict[str, bytes]) -> tuple[Any, Any]:
        process = self._process
        if process is None or process.poll() is not None:
            process = self._start()
        assert process.stdin is not None
        # Where it died already, the end of its output says so.
        with contextlib.suppress(OSError):
            write_message(process.stdin, header, blobs)
        answer = _read_within(process, self._longest_s)
        if answer is None:
            raise self._died(process)
        return answer

    def _start(self) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-m", "munas.deploy.golden_process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        if _read_within(process, _START_S) is None:
            _end(process)
            raise InfrastructureError(
                "The process that asks TensorFlow Lite Micro for its answers does not start.",
                "See what it says: python -m munas.deploy.golden_process",
            )
        self._process = process
        return process

    def _died(self, process: subprocess.Popen[bytes]) -> ConvertError:
        """The fault of a process that gave no answer."""
        self._process = None
        code = process.poll()
        _end(process)
        if code is None:
            reason = f"does not end within {self._longest_s:g} s"
        else:
            name = signal.Signals(-code).name if code < 0 else f"exit code {code}"
            reason = f"breaks down ({name})"
        return ConvertError(
            f"TensorFlow Lite Micro {reason} on this model, on the host already.",
            "The file is damaged or malicious: convert or copy the model again.",
        )

    def close(self) -> None:
        """End the process; the next question starts another one."""
        with self._lock:
            process, self._process = self._process, None
            if process is not None:
                _end(process)


def _read_within(process: subprocess.Popen[bytes], seconds: float) -> tuple[Any, Any] | None:
    """The next message; null where the process died, or did not answer in time."""
    inbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
    stream = process.stdout
    assert stream is not None
    threading.Thread(target=lambda: inbox.put(read_message(stream)), daemon=True).start()
    try:
        answer: tuple[Any, Any] | None = inbox.get(timeout=seconds)
    except queue.Empty:
        return None
    if answer is None:
        process.wait()
    return answer


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            # What was still to be written has no reader.
            with contextlib.suppress(OSError):
                stream.close()


_shared = GoldenProcess()
atexit.register(_shared.close)


def golden_outputs(model: bytes, inputs: Sequence[Int8]) -> tuple[bytes, ...]:
    """Golden outputs by a process that all of this program shares; see GoldenProcess.outputs."""
    return _shared.outputs(model, inputs)


def main() -> None:
    """Answer until standard input ends."""
    from munas.deploy.golden import GoldenRunner

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    answers = os.fdopen(os.dup(1), "wb")
    requests = os.fdopen(os.dup(0), "rb")
    # What the wheel prints never gets into the pipe.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    write_message(answers, {"ready": True})
    while (message := read_message(requests)) is not None:
        header, blobs = message
        try:
            runner = GoldenRunner(blobs.pop("model"))
            inputs = [blobs[name] for name in sorted(blobs)]
            found = {
                f"out{i:03d}": runner.run(
                    np.frombuffer(data, np.int8).reshape(header["shape"])
                ).tobytes()
                for i, data in enumerate(inputs)
            }
        except MunasError as error:
            write_message(answers, {"error": error.as_dict()})
        except Exception as error:  # what the wheel raises on a model that it cannot run
            said = {"name": "convert", "message": f"TensorFlow Lite Micro: {error}", "mend": ""}
            write_message(answers, {"error": said})
        else:
            write_message(answers, {}, found)


if __name__ == "__main__":
    main()
