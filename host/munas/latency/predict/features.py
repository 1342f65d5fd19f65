"""How often each loop of a kernel runs for an operator: what a latency is predicted from.

The terms follow the loops of CMSIS-NN (`arm_convolve_s8`, `arm_nn_mat_mult_nt_t_s8`,
`arm_depthwise_conv_3x3_s8`, `arm_depthwise_conv_s8_opt`, `arm_nn_vec_mat_mult_t_s8`, poolings):
SIMD bodies take four channels and two rows or two filters at a time, and what is left over runs
through slower loops of its own. They are counts, and suit every kernel that is blocked likewise;
how long one turn takes is fitted. Knows the operator graph alone, neither boards nor measurements.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from munas.cost import Cost, Graph
from munas.cost.graph import Operator
from munas.errors import BadInputError

Terms = Mapping[str, float]


@dataclass(frozen=True)
class Features:
    """One operator: the code path that its kernel takes, and how often each of its loops runs.

    `traits` are what ranges are kept of, to tell when a prediction extrapolates. `work` counts what
    a path without examples is priced by.
    """

    name: str
    path: str
    terms: Terms
    traits: Mapping[str, float]
    work: Terms


def features_of(costs: Cost) -> tuple[Features, ...]:
    """The features of every operator, in execution order.

    Raises BadInputError for a kind of operator that architectures do not have.
    """
    graph = costs.graph
    return tuple(_features(graph, operator) for operator in graph.operators)


def _features(graph: Graph, operator: Operator) -> Features:
    shape = _Shape.of(graph, operator)
    try:
        path, terms = _PATHS[operator.kind](shape)
    except KeyError:
        raise BadInputError(
            f"The latency of {operator.kind} ({operator.name}) cannot be predicted."
        ) from None
    traits = {
        "MACs": operator.macs,
        "positions": shape.positions,
        "channels in": shape.inner,
        "channels out": shape.outer,
        "window": shape.taps,
    }
    work = {
        "one": 1,
        "macs": operator.macs,
        "read_bytes": shape.read_bytes,
        "written_bytes": shape.positions * shape.outer,
    }
    return Features(operator.name, path, terms, traits, work)


@dataclass(frozen=True)
class _Shape:
    """Output rows and columns, channels in and out, and the window of one operator."""

    rows: int
    columns: int
    inner: int
    outer: int
    height: int
    width: int
    strided: bool
    read_bytes: int

    @classmethod
    def of(cls, graph: Graph, operator: Operator) -> _Shape:
        source = graph.tensors[operator.inputs[0]].shape
        target = graph.tensors[operator.outputs[0]].shape
        rows, columns = target[:2] if len(target) == 3 else (1, 1)
        return cls(
            rows=rows,
            columns=columns,
            inner=source[-1],
            outer=target[-1],
            height=operator.window[0],
            width=operator.window[1],
            strided=operator.stride > 1,
            read_bytes=sum(graph.tensors[index].bytes for index in operator.inputs),
        )

    @property
    def positions(self) -> int:
        return self.rows * self.columns

    @property
    def taps(self) -> int:
        return self.height * self.width


def _conv(shape: _Shape) -> tuple[str, Terms]:
    return _pointwise(shape) if shape.taps == 1 else _im2col(shape)


def _im2col(shape: _Shape) -> tuple[str, Terms]:
    """Windows are copied to a buffer, widened to 16 bits, and multiplied two by two."""
    depth = shape.taps * shape.inner
    pairs, odd = divmod(shape.positions, 2)
    filters, last = divmod(shape.outer, 2)
    fours, rest = divmod(depth, 4)
    return "conv", {
        "one": 1,
        "position": shape.positions,
        "copy": shape.positions * shape.taps,
        "copy_byte": shape.positions * depth,
        "widen_rest": shape.positions * rest,
        "body": pairs * filters * fours,
        "body_rest": pairs * filters * rest,
        "quad": pairs * filters,
        "last_body": pairs * last * fours,
        "last_rest": pairs * last * rest,
        "last": pairs * last,
        "odd_body": odd * shape.outer * fours,
        "odd_rest": odd * shape.outer * rest,
        "odd": odd * shape.outer,
    }


def _pointwise(shape: _Shape) -> tuple[str, Terms]:
    """A matrix product; with a stride one of each row of the output."""
    calls = shape.rows if shape.strided else 1
    pairs, odd = divmod(shape.positions // calls, 2)
    filters, last = divmod(shape.outer, 2)
    sixteens, few = divmod(shape.inner, 16)
    fours, rest = divmod(few, 4)
    return "pointwise", {
        "one": 1,
        "call": calls,
        "filters": calls * filters,
        "sum": calls * filters * shape.inner,
        "body": calls * pairs * filters * sixteens,
        "body_four": calls * pairs * filters * fours,
        "body_rest": calls * pairs * filters * rest,
        "quad": calls * pairs * filters,
        "odd_body": calls * odd * filters * (shape.inner // 4),
        "odd_rest": calls * odd * filters * rest,
        "odd": calls * odd * filters,
        "last_body": shape.positions * last * shape.inner,
        "last": shape.positions * last,
    }


def _depthwise(shape: _Shape) -> tuple[str, Terms]:
    fours, rest = divmod(shape.outer, 4)
    if (shape.height, shape.width) == (3, 3):
        return "depthwise-3x3", {
            "one": 1,
            "row": shape.rows,
            "position": shape.positions,
            "four": shape.positions * fours,
            "rest": shape.positions * rest,
        }
    pairs, odd = divmod(shape.taps, 2)
    return "depthwise", {
        "one": 1,
        "position": shape.positions,
        "window_row": shape.positions * shape.height,
        "widen": shape.positions * shape.taps,
        "widen_four": shape.positions * shape.taps * fours,
        "widen_rest": shape.positions * shape.taps * rest,
        "body": shape.positions * fours * pairs,
        "body_odd": shape.positions * fours * odd,
        "four": shape.positions * fours,
        "rest_tap": shape.positions * rest * shape.taps,
        "rest": shape.positions * rest,
    }


def _dense(shape: _Shape) -> tuple[str, Terms]:
    pairs, last = divmod(shape.outer, 2)
    fours, rest = divmod(shape.inner, 4)
    return "dense", {
        "one": 1,
        "pair": pairs,
        "body": pairs * fours,
        "body_rest": pairs * rest,
        "last": last,
        "last_body": last * fours,
        "last_rest": last * rest,
    }


def _add(shape: _Shape) -> tuple[str, Terms]:
    fours, rest = divmod(shape.positions * shape.outer, 4)
    return "add", {"one": 1, "four": fours, "rest": rest}


def _maxpool(shape: _Shape) -> tuple[str, Terms]:
    fours, rest = divmod(shape.outer, 4)
    compared = shape.positions * (shape.taps - 1)
    return "maxpool", {
        "one": 1,
        "position": shape.positions,
        "window_row": shape.positions * shape.height,
        "compare": compared,
        "compare_four": compared * fours,
        "compare_rest": compared * rest,
        "byte": shape.positions * shape.outer,
    }


def _avgpool(shape: _Shape) -> tuple[str, Terms]:
    return "avgpool", {
        "one": 1,
        "position": shape.positions,
        "window_row": shape.positions * shape.height,
        "tap": shape.positions * shape.taps,
        "tap_byte": shape.positions * shape.taps * shape.outer,
        "byte": shape.positions * shape.outer,
    }


def _pad(shape: _Shape) -> tuple[str, Terms]:
    return "pad", {
        "one": 1,
        "row": shape.rows,
        "position": shape.positions,
        "read_byte": shape.read_bytes,
        "byte": shape.positions * shape.outer,
    }


def _reshape(shape: _Shape) -> tuple[str, Terms]:
    return "reshape", {"one": 1, "byte": shape.read_bytes}


_PATHS = {
    "CONV_2D": _conv,
    "DEPTHWISE_CONV_2D": _depthwise,
    "FULLY_CONNECTED": _dense,
    "ADD": _add,
    "MAX_POOL_2D": _maxpool,
    "AVERAGE_POOL_2D": _avgpool,
    "PAD": _pad,
    "RESHAPE": _reshape,
}

WORK = ("one", "macs", "read_bytes", "written_bytes")
"""What every operator can be counted by, whatever code it runs."""


def _loops() -> dict[str, tuple[str, ...]]:
    """The names of every path's loops."""
    any_shape = (_Shape(1, 1, 1, 1, h, w, False, 1) for h, w in ((1, 1), (1, 2), (3, 3)))
    found = (path(shape) for shape in any_shape for path in _PATHS.values())
    return {name: tuple(terms) for name, terms in found}


PATHS = _loops()
"""The loops of every code path, by its name."""
