"""What a model must answer, and whether it can be asked at all: checks on the host before a board.

Must not know of boards.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from munas.cost import Graph
from munas.deploy.golden import HOST_ARENA_BYTES
from munas.deploy.golden_process import golden_outputs
from munas.deploy.model_file import constant, kind_of, load_model, read_graph, shape_of
from munas.errors import ConvertError, InfrastructureError

Int8 = npt.NDArray[np.int8]

# What firmware/lib/engine/tflm.cpp registers.
TFLM_OPERATORS = frozenset(
    {
        "CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "ADD", "MUL", "PAD", "MAX_POOL_2D",
        "AVERAGE_POOL_2D", "MEAN", "RESHAPE", "SOFTMAX", "QUANTIZE", "DEQUANTIZE", "CONCATENATION",
        "RELU", "LOGISTIC",
    }
)  # fmt: skip


# How many inputs an operator cannot do without, and whether it has options.
_NEEDS = {
    "CONV_2D": (2, True),
    "DEPTHWISE_CONV_2D": (2, True),
    "FULLY_CONNECTED": (2, True),
    "ADD": (2, True),
    "MUL": (2, True),
    "PAD": (2, False),
    "MAX_POOL_2D": (1, True),
    "AVERAGE_POOL_2D": (1, True),
    "MEAN": (2, True),
    "SOFTMAX": (1, True),
    "CONCATENATION": (1, True),
}
_POSITIVE = (
    "strideW", "strideH", "filterWidth", "filterHeight", "dilationWFactor", "dilationHFactor",
)  # fmt: skip


@dataclass(frozen=True)
class CheckedModel:
    """A model that passed the host's checks; `input_shape` without the batch."""

    name: str
    data: bytes
    sha256: str
    graph: Graph
    kinds: tuple[str, ...]
    input_shape: tuple[int, ...]

    def input(self, index: int) -> Int8:
        """The `index`-th random input, the same in every process."""
        rng = np.random.default_rng([index, *bytes.fromhex(self.sha256[:16])])
        return rng.integers(-128, 128, self.input_shape, np.int8)


@dataclass(frozen=True)
class Oracle:
    """Golden outputs of `inputs`; `outputs` is null, with a note, where no oracle exists."""

    inputs: tuple[Int8, ...]
    outputs: tuple[bytes, ...] | None
    note: str | None = None


# Keras' Flatten and Reshape ask for the shape at run time where the batch is not known.
_UNKNOWN_BATCH = (
    "Convert the model with a batch of 1, so that no shape is asked for at run time: in Keras, "
    "keras.Input(shape, batch_size=1). "
)


def check_model(name: str, data: bytes) -> CheckedModel:
    """Raises ConvertError: not a .tflite file, damaged, float, several inputs, unknown operator."""
    model = load_model(data, name)
    graph = model.subgraphs[0]
    if len(graph.inputs) != 1 or len(graph.outputs) != 1:
        raise ConvertError(
            f"{name} has {len(graph.inputs)} inputs and {len(graph.outputs)} outputs.",
            "Models with one input and one output can be measured.",
        )
    _check_int8(name, graph)
    kinds = tuple(kind_of(model, operator) for operator in graph.operators)
    for kind in kinds:
        if kind not in TFLM_OPERATORS:
            raise ConvertError(
                f"{name} has the operator {kind}, which no engine here runs.",
                _UNKNOWN_BATCH * (kind == "SHAPE")
                + f"There are: {', '.join(sorted(TFLM_OPERATORS))}.",
            )
    _check_sizes(name, graph)
    _check_constants(name, model)
    for kind, operator in zip(kinds, graph.operators, strict=True):
        _check_operator(name, kind, operator)
    try:
        read = read_graph(model)
    except Exception:  # a damaged file has many ways to contradict itself
        raise ConvertError(
            f"{name} is damaged: its operators contradict each other.",
            "Convert or copy the model again.",
        ) from None
    return CheckedModel(
        name=name,
        data=data,
        sha256=hashlib.sha256(data).hexdigest(),
        graph=read,
        kinds=kinds,
        input_shape=shape_of(graph.tensors[graph.inputs[0]])[1:],
    )


def _check_int8(name: str, graph: Any) -> None:
    int8 = 9  # TensorType.INT8 of the schema
    for index in (*graph.inputs, *graph.outputs):
        tensor = graph.tensors[int(index)]
        if int(tensor.type) != int8:
            raise ConvertError(
                f"{name} is not an int8 model: its input or output has another type.",
                "Convert it with full int8 quantisation, input and output included.",
            )
        quantisation = tensor.quantization
        if quantisation is None or quantisation.scale is None or len(quantisation.scale) != 1:
            raise ConvertError(f"{name}: its input or output has no scale.", "Convert it again.")


def _check_operator(name: str, kind: str, operator: Any) -> None:
    """TensorFlow Lite Micro takes these for granted, on the host and on the board."""
    inputs, has_options = _NEEDS.get(kind, (1, False))
    options = operator.builtinOptions
    missing = len(operator.inputs) < inputs or any(int(i) < 0 for i in operator.inputs[:inputs])
    if missing or len(operator.outputs) < 1 or int(operator.outputs[0]) < 0:
        wrong = "lacks an input or output"
    elif has_options and options is None:
        wrong = "lacks its options"
    elif any(getattr(options, side, 1) <= 0 for side in _POSITIVE):
        wrong = "has a stride, filter or dilation that is not positive"
    else:
        return
    raise ConvertError(f"{name} is damaged: a {kind} {wrong}.", "Convert or copy the model again.")


def _check_sizes(name: str, graph: Any) -> None:
    """A tensor that no microcontroller holds is damage; the host would choke on it first."""
    for tensor in graph.tensors:
        elements = prod(shape_of(tensor))
        if elements > HOST_ARENA_BYTES:
            raise ConvertError(
                f"{name} has a tensor of {elements:,} elements, more than any board here holds.",
                "Use a smaller model; if it is small, the file is damaged: copy it again.",
            )


def _check_constants(name: str, model: Any) -> None:
    """A constant that is shorter than its shape would be read beyond its end."""
    sizes = {0: 4, 1: 2, 2: 4, 3: 1, 4: 8, 7: 2, 9: 1}  # by TensorType
    for tensor in model.subgraphs[0].tensors:
        data = constant(model, tensor)
        size = sizes.get(int(tensor.type))
        if data is not None and size is not None and len(data) != size * prod(shape_of(tensor)):
            raise ConvertError(
                f"{name} is damaged: a constant has {len(data)} bytes, its shape wants "
                f"{size * prod(shape_of(tensor))}.",
                "Convert or copy the model again.",
            )


def ask_oracle(model: CheckedModel, count: int = 3) -> Oracle:
    """Golden outputs on `count` random inputs, by the tflite-micro wheel.

    Raises ConvertError where TensorFlow Lite Micro refuses the model or breaks down on it.
    """
    inputs = tuple(model.input(index) for index in range(count))
    try:
        return Oracle(inputs, golden_outputs(model.data, inputs))
    except InfrastructureError as error:
        return Oracle(inputs, None, error.what)
