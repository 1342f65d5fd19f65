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

from munas.cost import Graph, Operator
from munas.deploy.model_file import constant, kind_of, read_graph, shape_of
from munas.errors import ConvertError

_BIASED = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")


def canonicalise(model: Any, expected: Graph) -> None:
    """Rewrite `model` (ModelT, in place) into canonical form.

    `expected` is the deployed graph of the architecture in the order in which its operators are to
    be written. Raises ConvertError where the converter emitted another network.
    """
    _drop_reshapes(model)
    _flatten_before_dense(model)
    _add_missing_biases(model)
    _match(model, expected)
    _rebuild(model)


def _schema() -> Any:
    from ai_edge_litert import schema_py_generated

    return schema_py_generated


def _drop_reshapes(model: Any) -> None:
    """Drop all RESHAPEs: the converter reshapes around additions as it likes.

    An addition's result then has the shape of its operands again.
    """
    graph = model.subgraphs[0]
    source_of: dict[int, int] = {}
    kept = []
    for operator in graph.operators:
        operator.inputs = [source_of.get(int(i), int(i)) for i in operator.inputs]
        if kind_of(model, operator) == "RESHAPE":
            source_of[int(operator.outputs[0])] = operator.inputs[0]
            continue
        if kind_of(model, operator) == "ADD":
            shape = graph.tensors[operator.inputs[0]].shape
            graph.tensors[operator.outputs[0]].shape = shape
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


def _match(model: Any, expected: Graph) -> None:
    """Put operators and operands into the order of `expected` and name their results after it.

    Operators are found by what they read, starting from the input; layer names decide between
    parallel operators that look alike.
    """
    graph = model.subgraphs[0]
    left = list(graph.operators)
    mine: dict[int, int] = {expected.inputs[0]: int(graph.inputs[0])}
    by_place: dict[int, Any] = {}
    assembly = sorted(range(len(expected.operators)), key=lambda i: expected.operators[i].outputs)
    for place in assembly:
        wanted = expected.operators[place]
        operands = [mine[tensor] for tensor in wanted.inputs]
        shape = expected.tensors[wanted.outputs[0]].shape
        operator = _find(model, left, wanted, operands, shape)
        left = [other for other in left if other is not operator]
        rest = [int(i) for i in operator.inputs][len(operands) :]
        operator.inputs = [*operands, *rest]
        mine[wanted.outputs[0]] = int(operator.outputs[0])
        by_place[place] = operator
    if left:
        raise _differs(f"it has {len(left)} operators more")
    for place, operator in by_place.items():
        name = expected.operators[place].name
        graph.tensors[operator.outputs[0]].name = name.encode()
    graph.operators = [by_place[place] for place in range(len(assembly))]
    for have, wanted in zip(read_graph(model).operators, expected.operators, strict=True):
        if (have.macs, have.weight_bytes) != (wanted.macs, wanted.weight_bytes):
            raise _differs(f"{have.kind} {have.name} has other weights")


def _find(
    model: Any, left: list[Any], wanted: Operator, operands: list[int], shape: tuple[int, ...]
) -> Any:
    """The operator of the converter's that is `wanted`, which reads `operands`."""
    tensors = model.subgraphs[0].tensors
    found = []
    for operator in left:
        given = [int(i) for i in operator.inputs[: len(operands)]]
        result = shape_of(tensors[operator.outputs[0]])
        same_shape = (result[1:] if len(result) > 1 else result) == shape
        if kind_of(model, operator) == wanted.kind and sorted(given) == sorted(operands):
            found += [operator] if same_shape else []
    if not found:
        raise _differs(f"it has no {wanted.kind} that is {wanted.name}")
    if len(found) == 1:
        return found[0]
    layer = re.compile(rf"\b{wanted.name}(?:_|/|$)")
    named = [o for o in found if layer.search(_name(tensors[o.outputs[0]]))]
    return (named or found)[0]


def _name(tensor: Any) -> str:
    return (tensor.name or b"").decode("utf-8", "replace")


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
