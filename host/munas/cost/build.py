"""Builds the operator graph of an architecture in one of two modes.

- `deployed` is the graph of the .tflite that munas emits: joins are padded by PAD operators and
  added by chains of binary ADDs, biases are int32, MACs are those of convolutions and dense layers.
- `paper` is the graph that the authors' resource model counts: one addition of any number of terms,
  which may accumulate in place; one byte a weight and a bias; poolings and additions have MACs.
"""

from __future__ import annotations

from math import prod
from typing import Literal

from munas.arch import Architecture, Network, Node, assemble
from munas.cost.graph import Graph, Operator, Tensor

Mode = Literal["deployed", "paper"]

BIAS_BYTES = {"deployed": 4, "paper": 1}
KINDS = {
    "conv": "CONV_2D",
    "dwconv": "DEPTHWISE_CONV_2D",
    "dense": "FULLY_CONNECTED",
    "maxpool": "MAX_POOL_2D",
    "avgpool": "AVERAGE_POOL_2D",
    "pad": "PAD",
    "add": "ADD",
    "flatten": "RESHAPE",
}


def build_graph(architecture: Architecture, mode: Mode = "deployed") -> Graph:
    """The operator graph of `architecture`, operators in the order of assembly."""
    return _Builder(assemble(architecture, mode), mode).graph()


class _Builder:
    def __init__(self, network: Network, mode: Mode) -> None:
        self.network = network
        self.mode = mode
        self.tensors: list[Tensor] = []
        self.operators: list[Operator] = []
        self.of_node: list[int] = []

    def graph(self) -> Graph:
        for index, node in enumerate(self.network.nodes):
            self.of_node.append(self._node(node, index))
        return Graph(tuple(self.tensors), tuple(self.operators), (0,), (self.of_node[-1],))

    def _tensor(self, node: Node) -> int:
        flat = node.kind in ("flatten", "dense")
        shape = node.shape[2:] if flat else node.shape
        self.tensors.append(Tensor(shape, prod(shape)))
        return len(self.tensors) - 1

    def _node(self, node: Node, index: int) -> int:
        inputs = [self.of_node[i] for i in node.inputs]
        if node.kind == "input":
            return self._tensor(node)
        if self.mode == "paper" and node.kind == "flatten":
            return inputs[0]
        if self.mode == "deployed" and node.kind == "add":
            total = inputs[0]
            for term, other in enumerate(inputs[1:]):
                total = self._operator(node, f"add_{index}_{term}", (total, other))
            return total
        return self._operator(node, f"{node.kind}_{index}", tuple(inputs))

    def _operator(self, node: Node, name: str, inputs: tuple[int, ...]) -> int:
        macs, weights = self._costs(node)
        output = self._tensor(node)
        accumulates = self.mode == "paper" and node.kind == "add"
        kind = KINDS[node.kind]
        self.operators.append(
            Operator(
                name,
                kind,
                inputs,
                (output,),
                macs,
                weights,
                accumulates,
                window=node.size,
                stride=node.stride,
            )
        )
        return output

    def _costs(self, node: Node) -> tuple[int, int]:
        """(MACs, bytes of weights and biases) of one node."""
        source = self.network.nodes[node.inputs[0]].shape
        positions, channels = node.shape[0] * node.shape[1], node.shape[2]
        window = prod(node.size)
        bias = channels * BIAS_BYTES[self.mode]
        match node.kind:
            case "conv":
                weights = channels * window * source[2]
                return positions * weights, weights + bias
            case "dwconv":
                return positions * channels * window, channels * window + bias
            case "dense":
                weights = channels * prod(source)
                return weights, weights + bias
            case "maxpool" | "avgpool" if self.mode == "paper":
                return positions * channels * window, 0
            case "add" if self.mode == "paper":
                return (len(node.inputs) - 1) * positions * channels, 0
        return 0, 0
