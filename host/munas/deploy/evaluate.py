"""What an int8 model computes on the host: its accuracy, its exact outputs, its arena.

Accuracy is ai-edge-litert's (fast). Golden outputs and the arena are the tflite-micro wheel's; it
computes byte for byte what TensorFlow Lite Micro does on a microcontroller; its arena, however, is
that of x86-64 and only a screen (source `host`).
"""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Quantisation:
    """real = scale * (stored - zero_point)."""

    scale: float
    zero_point: int

    def quantise(self, values: npt.NDArray[np.float32]) -> Int8:
        stored = np.round(values / self.scale) + self.zero_point
        return np.asarray(np.clip(stored, -128, 127), np.int8)


class Int8Runner:
    """Runs an int8 model by ai-edge-litert on one thread, one image at a time (batch 1)."""

    def __init__(self, data: bytes) -> None:
        from ai_edge_litert.interpreter import Interpreter, OpResolverType

        with tempfile.TemporaryDirectory() as folder, redirected(Path(folder) / "log"):
            self._interpreter: Any = Interpreter(
                model_content=data,
                num_threads=1,
                # The default delegate refuses some networks, is slower on small ones, and is
                # further from what TensorFlow Lite Micro computes.
                experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
            )
            self._interpreter.allocate_tensors()
        source = self._interpreter.get_input_details()[0]
        result = self._interpreter.get_output_details()[0]
        if source["dtype"] != np.int8 or result["dtype"] != np.int8:
            raise ConvertError("The model's input or output is not int8.", "Convert it to int8.")
        self._in, self._out = source["index"], result["index"]
        self.input = Quantisation(float(source["quantization"][0]), int(source["quantization"][1]))
        self.output = Quantisation(float(result["quantization"][0]), int(result["quantization"][1]))

    def run(self, images: npt.NDArray[np.float32]) -> Int8:
        """Outputs int8 [n, logits] of float images [n, height, width, channels]."""
        stored = self.input.quantise(images)
        outputs = []
        for image in stored:
            self._interpreter.set_tensor(self._in, image[np.newaxis])
            self._interpreter.invoke()
            outputs.append(self._interpreter.get_tensor(self._out)[0].copy())
        return np.stack(outputs)

    def predict(self, images: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
        """Classes [n]; one logit decides between two classes by its sign."""
        outputs = self.run(images)
        if outputs.shape[1] == 1:
            return np.asarray(outputs[:, 0] > self.output.zero_point, np.int64)
        return np.asarray(np.argmax(outputs, axis=1), np.int64)


def accuracy(data: bytes, images: npt.NDArray[np.float32], labels: npt.NDArray[np.int32]) -> float:
    """Share of images [n, height, width, channels] that the int8 model classifies rightly."""
    return float(np.mean(Int8Runner(data).predict(images) == labels))


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
