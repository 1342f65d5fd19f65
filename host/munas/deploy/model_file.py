"""Reads and writes .tflite files as objects, and sees the operator graph in them.

Written files are deterministic: buffers are 16-byte aligned (CMSIS-NN reads words from them), equal
constants share a buffer, and nothing is kept that no engine reads. This module changes no model.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from math import prod
from typing import Any

import numpy as np

from munas.cost import Graph, Operator, Tensor
from munas.errors import ConvertError

BUFFER_ALIGNMENT = 16
IDENTIFIER = b"TFL3"


def _schema() -> Any:
    from ai_edge_litert import schema_py_generated

    return schema_py_generated


@lru_cache(maxsize=1)
def operator_names() -> dict[int, str]:
    """Builtin operator codes to their names."""
    codes = vars(_schema().BuiltinOperator)
    return {code: name for name, code in codes.items() if not name.startswith("_")}


def load_model(data: bytes, origin: str) -> Any:
    """The object form (ModelT) of a .tflite file with exactly one subgraph.

    Raises ConvertError that names `origin` where the bytes are not such a file: wrong identifier,
    truncated, offsets or indices out of range.
    """
    if len(data) < 8 or data[4:8] != IDENTIFIER:
        raise ConvertError(f"{origin} is not a TensorFlow Lite model.", "Give a .tflite file.")
    try:
        model = _schema().ModelT.InitFromPackedBuf(data, 0)
        _check_indices(model)
    except ConvertError:
        raise
    except Exception:  # the reader fails in many ways on damaged offsets
        raise ConvertError(
            f"{origin} is damaged: it cannot be read to its end.",
            "Convert or copy the model again.",
        ) from None
    return model


def _check_indices(model: Any) -> None:
    """Every index in the model points at something; raises ConvertError."""

    def check(condition: bool, what: str) -> None:
        if not condition:
            raise ConvertError(f"The model is damaged: {what}.", "Convert or copy it again.")

    graphs = model.subgraphs or []
    check(len(graphs) == 1, f"it has {len(graphs)} subgraphs, not one")
    graph = graphs[0]
    count, buffers = len(graph.tensors), len(model.buffers)
    for tensor in graph.tensors:
        check(0 <= tensor.buffer < buffers, "a tensor names a buffer that is not there")
        shape = [] if tensor.shape is None else tensor.shape
        check(all(side > 0 for side in shape), "a tensor has an unknown or negative dimension")
    for code in model.operatorCodes:
        builtin = max(code.builtinCode, code.deprecatedBuiltinCode)
        check(builtin in operator_names(), f"it names an operator {builtin} that does not exist")
    for operator in graph.operators:
        code = operator.opcodeIndex
        check(0 <= code < len(model.operatorCodes), "an operator has an unknown code")
        for index in (*operator.inputs, *operator.outputs):
            check(-1 <= index < count, "an operator names a tensor that is not there")
    for index in (*graph.inputs, *graph.outputs):
        check(0 <= index < count, "an input or output is not there")


def kind_of(model: Any, operator: Any) -> str:
    """The name of an operator's kind, such as CONV_2D."""
    code = model.operatorCodes[operator.opcodeIndex]
    return operator_names()[max(code.builtinCode, code.deprecatedBuiltinCode)]


def constant(model: Any, tensor: Any) -> bytes | None:
    """The stored bytes of a constant tensor; null for an activation."""
    data = model.buffers[tensor.buffer].data
    return None if data is None or len(data) == 0 else bytes(bytearray(data))


def shape_of(tensor: Any) -> tuple[int, ...]:
    return () if tensor.shape is None else tuple(int(side) for side in tensor.shape)


@lru_cache(maxsize=1)
def _element_bytes() -> dict[int, int]:
    """Bytes an element, by the schema's tensor type."""
    types = _schema().TensorType
    known = {"FLOAT32": 4, "INT32": 4, "UINT8": 1, "INT64": 8, "BOOL": 1, "INT16": 2, "INT8": 1}
    return {getattr(types, name): size for name, size in known.items()}


def read_graph(model: Any) -> Graph:
    """The operator graph of a model: activations only, operators in the file's order.

    MACs are those of convolutions, depthwise convolutions and dense layers; weight bytes are those
    of their weights and biases as stored. Shapes leave the batch out.
    """
    graph = model.subgraphs[0]
    numbers: dict[int, int] = {}
    tensors: list[Tensor] = []
    operators: list[Operator] = []

    def number(index: int) -> int:
        if index not in numbers:
            tensor = graph.tensors[index]
            numbers[index] = len(tensors)
            shape = shape_of(tensor)
            size = prod(shape) * _element_bytes().get(tensor.type, 1)
            tensors.append(Tensor(shape[1:] if len(shape) > 1 else shape, size))
        return numbers[index]

    inputs = tuple(number(int(index)) for index in graph.inputs)
    for operator in graph.operators:
        used = [int(i) for i in operator.inputs if i >= 0]
        activations = [i for i in used if constant(model, graph.tensors[i]) is None]
        reads = tuple(number(i) for i in activations)
        writes = tuple(number(int(i)) for i in operator.outputs)
        name = (graph.tensors[operator.outputs[0]].name or b"").decode("utf-8", "replace")
        macs, weight_bytes = _costs(model, operator)
        kind = kind_of(model, operator)
        operators.append(Operator(name, kind, reads, writes, macs, weight_bytes))
    outputs = tuple(number(int(index)) for index in graph.outputs)
    return Graph(tuple(tensors), tuple(operators), inputs, outputs)


def _costs(model: Any, operator: Any) -> tuple[int, int]:
    kind = kind_of(model, operator)
    if kind not in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"):
        return 0, 0
    tensors = model.subgraphs[0].tensors
    stored = [constant(model, tensors[i]) for i in operator.inputs[1:] if i >= 0]
    weight_bytes = sum(len(data) for data in stored if data is not None)
    weights = shape_of(tensors[operator.inputs[1]])
    outputs = prod(shape_of(tensors[operator.outputs[0]]))
    if kind == "FULLY_CONNECTED":
        return outputs * weights[1], weight_bytes
    per_output = prod(weights[1:]) if kind == "CONV_2D" else weights[1] * weights[2]
    return outputs * per_output, weight_bytes


def save_model(model: Any) -> bytes:
    """The file's bytes; the same model gives the same bytes in every process."""
    import flatbuffers

    schema = _schema()
    kept = model.buffers
    model.buffers = [_aligned(schema, buffer.data) for buffer in kept]
    try:
        builder = flatbuffers.Builder(1024)
        builder.Finish(model.Pack(builder), IDENTIFIER)
    finally:
        model.buffers = kept
    return bytes(builder.Output())


def _aligned(schema: Any, data: Any) -> Any:
    """A buffer that packs its bytes at a multiple of 16, as the schema's force_align asks.

    The generated Python packer does not honour force_align.
    """
    content = b"" if data is None else bytes(bytearray(data))

    class Aligned:
        def Pack(self, builder: Any) -> Any:  # noqa: N802 (the packer's own name)
            vector = None
            if content:
                builder.StartVector(1, len(content), BUFFER_ALIGNMENT)
                builder.head -= len(content)
                builder.Bytes[builder.head : builder.head + len(content)] = content
                vector = builder.EndVector()
            schema.BufferStart(builder)
            if vector is not None:
                schema.BufferAddData(builder, vector)
            return schema.BufferEnd(builder)

    return Aligned()


def buffer_offsets(data: bytes) -> Iterator[int]:
    """Where in the file each non-empty buffer starts."""
    model = _schema().Model.GetRootAs(data, 0)
    for index in range(model.BuffersLength()):
        buffer = model.Buffers(index)
        if buffer.DataLength():
            view = np.asarray(buffer.DataAsNumpy())
            base = np.frombuffer(data, np.uint8).__array_interface__["data"][0]
            yield int(view.__array_interface__["data"][0] - base)
