"""What an architecture is made of, operator by operator, and which cycles fell to which kind.

The kinds are finer than TensorFlow Lite's, because kernels treat them differently. They come from
the operator graph, whose order is that of the emitted model; measured operators are held against it
by name and MACs. Must not know of boards.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any

from munas.arch import Architecture
from munas.cost import Graph, Operator, cost
from munas.study.points import Point

FEW_CHANNELS = 3
"""Convolutions of so few input channels are a kind of their own: CMSIS-NN unrolls over channels."""


class OperatorKind(StrEnum):
    """Kinds of operators; the last four have no MACs."""

    FEW_CHANNELS = "conv ≤3 channels"
    CONV_1X1 = "conv 1×1"
    CONV = "conv k×k"
    DEPTHWISE = "depthwise"
    DENSE = "dense"
    POOL = "pool"
    ADD = "add"
    PAD = "pad"
    RESHAPE = "reshape"


WITH_MACS = tuple(OperatorKind)[:5]
WITHOUT_MACS = tuple(OperatorKind)[5:]

_BY_NAME = {
    "DEPTHWISE_CONV_2D": OperatorKind.DEPTHWISE,
    "FULLY_CONNECTED": OperatorKind.DENSE,
    "MAX_POOL_2D": OperatorKind.POOL,
    "AVERAGE_POOL_2D": OperatorKind.POOL,
    "ADD": OperatorKind.ADD,
    "PAD": OperatorKind.PAD,
    "RESHAPE": OperatorKind.RESHAPE,
}


@dataclass(frozen=True)
class Makeup:
    """What an architecture is made of.

    `operators` are (TensorFlow Lite's name, kind, MACs) in execution order; `shares` are those of
    MACs by kind (of `WITH_MACS`, zero where there is none); `largest_tensor_bytes` is the largest
    activation, the input included.
    """

    operators: tuple[tuple[str, OperatorKind, int], ...]
    shares: Mapping[OperatorKind, float]
    largest_tensor_bytes: int

    @property
    def dominant(self) -> OperatorKind:
        """The kind with the most MACs."""
        return max(WITH_MACS, key=lambda kind: self.shares[kind])


@dataclass(frozen=True)
class OperatorCycles:
    """The measured cycles of one operator; `macs` are zero where it has none."""

    kind: OperatorKind
    cycles: int
    macs: int


def makeup_of(architecture: Mapping[str, Any]) -> Makeup:
    """What the architecture with this JSON form is made of. Raises BadInputError."""
    return _makeup(json.dumps(architecture, sort_keys=True))


@lru_cache(maxsize=8192)
def _makeup(text: str) -> Makeup:
    graph = cost(Architecture.from_json(text)).graph
    operators = tuple((each.kind, _kind(each, graph), each.macs) for each in graph.operators)
    total = graph.macs or 1
    return Makeup(
        operators=operators,
        shares={
            kind: sum(macs for _, of, macs in operators if of is kind) / total for kind in WITH_MACS
        },
        largest_tensor_bytes=max(tensor.bytes for tensor in graph.tensors),
    )


def _kind(operator: Operator, graph: Graph) -> OperatorKind:
    if operator.kind != "CONV_2D":
        return _BY_NAME[operator.kind]
    channels = graph.tensors[operator.inputs[0]].shape[-1]
    if channels <= FEW_CHANNELS:
        return OperatorKind.FEW_CHANNELS
    window = operator.macs // (graph.tensors[operator.outputs[0]].bytes * channels)
    return OperatorKind.CONV_1X1 if window == 1 else OperatorKind.CONV


def cycles_of(point: Point) -> tuple[OperatorCycles, ...] | None:
    """The measured operators with their kinds.

    Null where operators were not measured, or are not those of the architecture's graph.
    """
    expected = makeup_of(point.architecture).operators
    measured = [(str(each["name"]), int(each["macs"])) for each in point.operators]
    if measured != [(name, macs) for name, _, macs in expected]:
        return None
    return tuple(
        OperatorCycles(kind, int(each["cycles"]), macs)
        for each, (_, kind, macs) in zip(point.operators, expected, strict=True)
    )


def flattened(points: Iterable[Point]) -> tuple[list[OperatorCycles], int]:
    """The operators of all points, and how many points have them."""
    known = [found for point in points if (found := cycles_of(point)) is not None]
    return [operator for found in known for operator in found], len(known)
