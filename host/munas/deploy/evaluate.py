"""What an int8 model computes on the host: its classes and its accuracy, by ai-edge-litert (fast).

Its exact outputs and its arena are TensorFlow Lite Micro's: see `munas.deploy.golden`.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from munas.deploy.quiet import redirected
from munas.errors import ConvertError

Int8 = npt.NDArray[np.int8]


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
