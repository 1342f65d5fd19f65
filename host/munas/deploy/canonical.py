"""Brings the converter's output into the one canonical form that both engines take.

TensorFlow's converter drops flattening of single positions, turns an addition of single positions
into a broadcast, leaves shapes open, loses biases that are all zero, and orders operators as it
likes. The canonical form is the graph of `munas.cost` exactly: the same operators with the same
operands, in the order that attains the peak memory, under the same names. What cannot be brought
there is a ConvertError, never a silently different network.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from munas.cost import Graph
from munas.deploy.model_file import constant, kind_of, read_graph, shape_of
from munas.errors import ConvertError

# A Keras layer's name inside a tensor's name: kind, index of the node, term of a chain of ADDs.
_LAYER = re.compile(r"\b(conv|dwconv|maxpool|avgpool|pad|add|flatten|dense)_(\d+)(?:_(\d+))?")
_BIASED = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")


def canonicalise(model: Any, expected: Graph) -> None:
    """Rewrite `model` (ModelT, in place) into canonical form.

    `expected` is the deployed graph of the architecture in the order in which its operators are to
    be written. Raises ConvertError where the converter emitted another network.
    """
    _undo_broadcasts(model)
    _flatten_before_dense(model)
    _add_missing_biases(model)
    _sort_by_assembly(model)
    _match(model, expected)
    _rebuild(model)


def _schema() -> Any:
    from ai_edge_litert import schema_py_generated

    return schema_py_generated


def _undo_broadcasts(model: Any) -> None:
    """Drop RESHAPEs [1,1,1,C] → [C] in front of additions."""
    graph = model.subgraphs[0]
    kept = []
    for operator in graph.operators:
        source, result = int(operator.inputs[0]), int(operator.outputs[0])
        readers = [other for other in graph.operators if result in other.inputs]
        if (
            kind_of(model, operator) == "RESHAPE"
            and len(shape_of(graph.tensors[result])) == 1
            and readers
            and all(kind_of(model, reader) == "ADD" for reader in readers)
        ):
            for reader in readers:
                reader.inputs = [source if i == result else int(i) for i in reader.inputs]
        else:
            kept.append(operator)
    graph.operators = kept


def _flatten_before_dense(model: Any) -> None:
    """Put a RESHAPE in front of a FULLY_CONNECTED whose input is not of rank two."""
    graph = model.subgraphs[0]
    operators = []
    for operator in graph.operators:
        source = int(operator.inputs[0])
        shape = shape_of(graph.tensors[source])
        if kind_of(model, operator) == "FULLY_CONNECTED" and len(shape) != 2:
            flat = _copy_tensor(graph, source, (1, int(np.prod(shape))))
            operators.append(_reshape(model, source, flat))
            operator.inputs = [flat, *(int(i) for i in operator.inputs[1:])]
        operators.append(operator)
    graph.operators = operators


def _copy_tensor(graph: Any, index: int, shape: tuple[int, ...]) -> int:
    """A new activation with the type and quantisation of another; returns its index."""
    schema = _schema()
    source, tensor = graph.tensors[index], schema.TensorT()
    tensor.shape = np.array(shape, np.int32)
    tensor.type, tensor.quantization, tensor.buffer = source.type, source.quantization, 0
    tensor.name = b""
    graph.tensors.append(tensor)
    return len(graph.tensors) - 1


def _constant_tensor(model: Any, values: np.ndarray, quantization: Any = None) -> int:
    """A new int32 constant; returns its index."""
    schema = _schema()
    buffer, tensor = schema.BufferT(), schema.TensorT()
    buffer.data = np.frombuffer(values.astype("<i4").tobytes(), np.uint8)
    model.buffers.append(buffer)
    tensor.shape = np.array(values.shape, np.int32)
    tensor.type, tensor.buffer = schema.TensorType.INT32, len(model.buffers) - 1
    tensor.quantization, tensor.name = quantization, b""
    tensors = model.subgraphs[0].tensors
    tensors.append(tensor)
    return len(tensors) - 1


def _reshape(model: Any, source: int, result: int) -> Any:
    schema = _schema()
    operator = schema.OperatorT()
    operator.opcodeIndex = _operator_code(model, schema.BuiltinOperator.RESHAPE)
    operator.inputs = [source, -1]
    operator.outputs = [result]
    return operator


def _operator_code(model: Any, builtin: int) -> int:
    for index, code in enumerate(model.operatorCodes):
        if max(code.builtinCode, code.deprecatedBuiltinCode) == builtin:
            return index
    code = _schema().OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = builtin
    code.version = 1
    model.operatorCodes.append(code)
    return len(model.operatorCodes) - 1


def _add_missing_biases(model: Any) -> None:
    """Give every weighted operator a bias: one that was all zero got lost in conversion."""
    schema = _schema()
    tensors = model.subgraphs[0].tensors
    for operator in model.subgraphs[0].operators:
        if kind_of(model, operator) not in _BIASED:
            continue
        inputs = [int(i) for i in operator.inputs]
        if len(inputs) == 3 and inputs[2] >= 0:
            continue
        channels = shape_of(tensors[int(operator.outputs[0])])[-1]
        quantization = schema.QuantizationParametersT()
        weights = np.asarray(tensors[inputs[1]].quantization.scale, np.float32)
        source = np.asarray(tensors[inputs[0]].quantization.scale, np.float32)
        quantization.scale = (weights * source[0]).astype(np.float32)
        quantization.zeroPoint = np.zeros(len(weights), np.int64)
        bias = _constant_tensor(model, np.zeros(channels, np.int32), quantization)
        operator.inputs = [*inputs[:2], bias]


def _sort_by_assembly(model: Any) -> None:
    """Order operators as the network was assembled, by the layer names inside tensor names."""
    graph = model.subgraphs[0]
    positions: list[tuple[int, int]] = []
    for place, operator in enumerate(graph.operators):
        name = (graph.tensors[operator.outputs[0]].name or b"").decode("utf-8", "replace")
        found = _LAYER.search(name)
        if found:
            term = int(found[3] or 0) if found[1] == "add" else 0
            positions.append((int(found[2]), term))
        elif not name:  # a flattening put back: right before its dense layer
            positions.append((-1, place))
        else:  # the model's output
            positions.append((len(graph.tensors) + len(graph.operators), 0))
    for place in reversed(range(len(positions))):
        if positions[place][0] == -1:
            following = positions[place + 1][0]
            positions[place] = (following - 1, 0)
    order = sorted(range(len(positions)), key=positions.__getitem__)
    graph.operators = [graph.operators[place] for place in order]


def _match(model: Any, expected: Graph) -> None:
    """Put operators and operands into the order of `expected` and name their results after it."""
    graph = model.subgraphs[0]
    assembly = sorted(range(len(expected.operators)), key=lambda i: expected.operators[i].outputs)
    if len(graph.operators) != len(assembly):
        raise _differs(f"{len(graph.operators)} operators instead of {len(assembly)}")
    mine: dict[int, int] = {expected.inputs[0]: int(graph.inputs[0])}
    by_place: dict[int, Any] = {}
    for operator, place in zip(graph.operators, assembly, strict=True):
        wanted = expected.operators[place]
        kind = kind_of(model, operator)
        inputs = [int(i) for i in operator.inputs]
        operands = [mine[tensor] for tensor in wanted.inputs]
        given = inputs[: len(operands)]
        if kind != wanted.kind or sorted(given) != sorted(operands):
            raise _differs(f"{kind} with operands {given} where {wanted.name} was due")
        operator.inputs = [*operands, *inputs[len(operands) :]]
        mine[wanted.outputs[0]] = int(operator.outputs[0])
        graph.tensors[operator.outputs[0]].name = wanted.name.encode()
        by_place[place] = operator
    graph.operators = [by_place[place] for place in range(len(assembly))]
    emitted = read_graph(model)
    for have, wanted in zip(emitted.operators, expected.operators, strict=True):
        shapes = [emitted.tensors[t].shape for t in have.outputs]
        if (have.macs, have.weight_bytes, shapes) != (
            wanted.macs,
            wanted.weight_bytes,
            [expected.tensors[t].shape for t in wanted.outputs],
        ):
            raise _differs(f"{have.kind} {have.name} has other shapes or weights")


def _differs(what: str) -> ConvertError:
    return ConvertError(
        f"The converter emitted another network than the architecture says: {what}.",
        "This is a fault of munas or of this TensorFlow version; please report the architecture.",
    )


def _rebuild(model: Any) -> None:
    """Keep what the operators use, numbered in order of use; drop all else."""
    schema = _schema()
    graph = model.subgraphs[0]
    buffers, by_content = [schema.BufferT()], {}
    tensors: list[Any] = []
    numbers: dict[int, int] = {}

    def keep(index: int) -> int:
        if index < 0:
            return -1
        if index in numbers:
            return numbers[index]
        tensor = graph.tensors[index]
        data = constant(model, tensor)
        tensor.shapeSignature = None
        if data is None:
            tensor.buffer = 0
        else:
            tensor.name = b""
            if data not in by_content:
                by_content[data] = len(buffers)
                stored = schema.BufferT()
                stored.data = np.frombuffer(data, np.uint8)
                buffers.append(stored)
        numbers[index] = len(tensors)
        tensors.append((tensor, data))
        return numbers[index]

    graph.tensors[graph.inputs[0]].name = b"input"
    inputs = [keep(int(i)) for i in graph.inputs]
    for operator in graph.operators:
        if kind_of(model, operator) == "RESHAPE":
            _state_shape(model, operator)
        operator.inputs = np.array([keep(int(i)) for i in operator.inputs], np.int32)
        operator.outputs = np.array([keep(int(i)) for i in operator.outputs], np.int32)
    outputs = [keep(int(i)) for i in graph.outputs]
    for tensor, data in tensors:
        if data is not None:
            tensor.buffer = by_content[data]
    graph.tensors = [tensor for tensor, _ in tensors]
    graph.inputs, graph.outputs = np.array(inputs, np.int32), np.array(outputs, np.int32)
    graph.name = None
    model.buffers = buffers
    model.metadata = model.signatureDefs = model.metadataBuffer = None
    model.description = b"munas"
    _renumber_codes(model)


def _state_shape(model: Any, operator: Any) -> None:
    """Write a RESHAPE's new shape both as a constant input and as an option."""
    schema = _schema()
    shape = np.array(shape_of(model.subgraphs[0].tensors[operator.outputs[0]]), np.int32)
    operator.inputs = [int(operator.inputs[0]), _constant_tensor(model, shape)]
    options = schema.ReshapeOptionsT()
    options.newShape = shape
    operator.builtinOptions = options
    operator.builtinOptionsType = schema.BuiltinOptions.ReshapeOptions


def _renumber_codes(model: Any) -> None:
    """Operator codes in order of first use."""
    used: dict[int, int] = {}
    codes: list[Any] = []
    for operator in model.subgraphs[0].operators:
        if operator.opcodeIndex not in used:
            used[operator.opcodeIndex] = len(codes)
            codes.append(model.operatorCodes[operator.opcodeIndex])
        operator.opcodeIndex = used[operator.opcodeIndex]
    model.operatorCodes = codes
