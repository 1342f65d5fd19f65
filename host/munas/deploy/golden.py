"""TensorFlow Lite Micro on this host, by the tflite-micro wheel: the bytes a board must answer.

The wheel runs in this process and takes the process with it where a model is malicious: models from
elsewhere go through `golden_outputs`, which asks a process of its own. The wheel's arena is that of
x86-64 and only a screen (source `host`).
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from munas.deploy.quiet import redirected
from munas.errors import ConvertError, InfrastructureError
from munas.units import Memory, MemorySource

Int8 = npt.NDArray[np.int8]

# The wheel allocates its arena at once; an arena far larger than any microcontroller's fits all.
HOST_ARENA_BYTES = 16 * 1024 * 1024


class GoldenRunner:
    """Runs an int8 model by the tflite-micro wheel: the bytes that a microcontroller must give.

    Raises InfrastructureError where the wheel is not there (it exists for Linux on x86-64), and
    ConvertError where it refuses the model.
    """

    def __init__(self, data: bytes) -> None:
        wrapper = _wheel()
        with tempfile.TemporaryDirectory() as folder:
            log = Path(folder) / "log"
            try:
                with redirected(log):
                    recording = wrapper.PythonInterpreterConfig(0)
                    self._interpreter: Any = wrapper.InterpreterWrapper(
                        data, [], HOST_ARENA_BYTES, 0, recording
                    )
                    self._interpreter.PrintAllocations()
            except Exception as error:
                said = log.read_text(errors="replace").strip().splitlines()
                reason = said[-1] if said else str(error)
                raise ConvertError(
                    f"TensorFlow Lite Micro refuses the model: {reason}",
                    "Its operators must be int8 and among those that docs/operators.md lists.",
                ) from None
            report = log.read_text(errors="replace")
        self._allocations = {
            name: int(count)
            for name, count in re.findall(r"Arena allocation (\w+) (\d+) bytes", report)
        }

    def arena(self) -> Memory:
        """Arena used on this host in bytes: a screen, labelled `host`."""
        if "total" not in self._allocations:
            raise InfrastructureError("The tflite-micro wheel did not report its arena.")
        return Memory(self._allocations["total"], MemorySource.HOST)

    def run(self, stored: Int8) -> Int8:
        """Output int8 [logits] of one input int8 [height, width, channels]."""
        self._interpreter.SetInputTensor(np.ascontiguousarray(stored[np.newaxis]), 0)
        self._interpreter.Invoke()
        return np.array(self._interpreter.GetOutputTensor(0), np.int8).reshape(-1)


def golden_version() -> str:
    """The version of the tflite-micro wheel, once it has been loaded.

    Raises InfrastructureError where it cannot be.
    """
    import importlib.metadata

    _wheel()
    return importlib.metadata.version("tflite-micro")


def _wheel() -> Any:
    """The wheel's extension module.

    Its Python front imports all of TensorFlow when that is installed, which costs seconds.
    """
    import importlib.util

    found = importlib.util.find_spec("tflite_micro")
    if found is None or not found.submodule_search_locations:
        raise InfrastructureError(
            "The tflite-micro wheel is not installed (it exists for Linux on x86-64 only).",
            "Golden outputs and the host's arena are not available on this machine.",
        )
    folder = Path(next(iter(found.submodule_search_locations)))
    library = folder / "python" / "tflite_micro" / "_runtime.so"
    spec = importlib.util.spec_from_file_location("_runtime", library)
    if spec is None or spec.loader is None:
        raise InfrastructureError(f"The tflite-micro wheel lacks {library.name}.")
    try:
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    except ImportError as error:
        raise InfrastructureError(
            f"The tflite-micro wheel does not load: {error}.",
            "Install the version that munas pins: pip install --force-reinstall munas",
        ) from None
    return module
