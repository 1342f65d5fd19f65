"""What a genome computes: the assembled network, shape by shape.

`assemble` turns an architecture into a list of nodes under one of two rules:

- `deployed` is the network that is really trained, converted and run: pooling rounds down, tensors
  that are joined are zero-padded by an explicit node, and nodes without effect are left out.
- `paper` is the network that the authors' resource model counts: pooling rounds up and joins pad
  for free.

Source: μNAS (arXiv 2010.14246) and the behaviour of the authors' implementation. This module knows
no costs and no framework.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Literal

from munas.arch.genome import (
    GLOBAL,
    Architecture,
    Block,
    CnnArchitecture,
    Layer,
    MlpArchitecture,
    PoolType,
    Shape,
)

Rules = Literal["deployed", "paper"]
Pair = tuple[int, int]
Place = tuple[int, int]  # index of the block, index of the layer


NodeKind = Literal[
    "input", "conv", "dwconv", "maxpool", "avgpool", "pad", "add", "flatten", "dense"
]


@dataclass(frozen=True)
class Node:
    """One operation. `shape` is [height, width, channels] of the output, batch left out.

    `size` is kernel or pool size, or the rows and columns added by a pad; `place` says which gene
    the node comes from, where it comes from one. A flat tensor has shape (1, 1, n).
    """

    kind: NodeKind
    inputs: tuple[int, ...]
    shape: Shape
    size: Pair = (1, 1)
    stride: int = 1
    bn: bool = False
    relu: bool = False
    place: Place | None = None


@dataclass(frozen=True)
class Network:
    """Nodes in the order of assembly; node 0 is the input, the last one gives the logits."""

    nodes: tuple[Node, ...]

    def sha256(self) -> str:
        """Hash of the computed network: equal for genomes that differ only in genes without effect.

        Order of parallel paths counts, because it orders the joins of the emitted model.
        """
        rows = [[n.kind, n.inputs, n.shape, n.size, n.stride, n.bn, n.relu] for n in self.nodes]
        return hashlib.sha256(json.dumps(rows, separators=(",", ":")).encode()).hexdigest()


class _Assembler:
    """Builds the node list; every method returns the index of the node that it added."""

    def __init__(self, input_shape: Shape, rules: Rules) -> None:
        self.rules = rules
        self.nodes = [Node("input", (), input_shape)]

    def add(self, node: Node) -> int:
        self.nodes.append(node)
        return len(self.nodes) - 1

    def shape(self, index: int) -> Shape:
        return self.nodes[index].shape

    def pool(self, source: int, kind: PoolType, size: Pair, place: Place | None) -> int:
        height, width, channels = self.shape(source)
        kh, kw = min(size[0], height), min(size[1], width)
        if self.rules == "deployed" and (kh, kw) == (1, 1):
            return source
        out = tuple(
            side // k if self.rules == "deployed" else -(-side // k)
            for side, k in ((height, kh), (width, kw))
        )
        shape = (out[0], out[1], channels)
        name: NodeKind = "maxpool" if kind == "max" else "avgpool"
        if self.rules == "deployed":
            # Converters emit equal poolings of one tensor once, whatever paths they serve.
            for index, node in enumerate(self.nodes):
                if (node.kind, node.inputs, node.size) == (name, (source,), (kh, kw)):
                    return index
        return self.add(Node(name, (source,), shape, (kh, kw), place=place))

    def layer(self, source: int, layer: Layer, filters: int | None, place: Place) -> int:
        if layer.prepool and self.shape(source)[:2] != (1, 1):
            source = self.pool(source, "max", (2, 2), place)
        height, width, channels = self.shape(source)
        kernel = layer.kernel or 1
        kh, kw = min(kernel, height), min(kernel, width)
        rows, columns = height - kh + 1, width - kw + 1
        stride = layer.stride or 1
        if self.rules == "deployed":
            # Steps that lead past the last position all stay at the first one.
            while stride // 2 >= max(rows, columns):
                stride //= 2
        out = (-(-rows // stride), -(-columns // stride))
        depthwise = layer.type == "dwconv"
        if depthwise or filters is None:
            filters = channels
        return self.add(
            Node(
                "dwconv" if depthwise else "conv",
                (source,),
                (out[0], out[1], filters),
                (kh, kw),
                stride,
                layer.bn,
                layer.relu,
                place,
            )
        )

    def block(self, source: int, block: Block, index: int, join_channels: int | None) -> int:
        """Run a block's layers; a branch ends in `join_channels` channels."""
        last = len(block.layers) - 1
        for position, layer in enumerate(block.layers):
            filters = layer.filters
            if position == last and join_channels is not None:
                filters = join_channels
            source = self.layer(source, layer, filters, (index, position))
        if join_channels is not None and block.layers[last].type == "dwconv":
            height, width, _ = self.shape(source)
            source = self.add(
                Node("conv", (source,), (height, width, join_channels), place=(index, last))
            )
        return source

    def merge(self, paths: list[int]) -> int:
        """Join parallel paths: pool the larger ones down, pad bottom and right, add."""
        if len(paths) == 1:
            return paths[0]
        low = [min(self.shape(path)[axis] for path in paths) for axis in (0, 1)]
        pooled = []
        for path in paths:
            height, width, _ = self.shape(path)
            factor = (round(height / low[0]), round(width / low[1]))
            pooled.append(self.pool(path, "max", factor, None) if max(factor) > 1 else path)
        high = [max(self.shape(path)[axis] for path in pooled) for axis in (0, 1)]
        shape = (high[0], high[1], self.shape(pooled[0])[2])
        terms = [self.pad(path, shape) if self.rules == "deployed" else path for path in pooled]
        return self.add(Node("add", tuple(terms), shape))

    def pad(self, source: int, shape: Shape) -> int:
        height, width, _ = self.shape(source)
        missing = (shape[0] - height, shape[1] - width)
        if missing == (0, 0):
            return source
        return self.add(Node("pad", (source,), shape, missing))

    def head(self, source: int, hidden: tuple[int, ...], logits: int) -> None:
        height, width, channels = self.shape(source)
        source = self.add(Node("flatten", (source,), (1, 1, height * width * channels)))
        for units in hidden:
            source = self.add(Node("dense", (source,), (1, 1, units), relu=True))
        self.add(Node("dense", (source,), (1, 1, logits)))


def assemble(architecture: Architecture, rules: Rules = "deployed") -> Network:
    """The network that `architecture` computes. Never fails on a valid architecture."""
    assembler = _Assembler(architecture.input, rules)
    source = 0
    if isinstance(architecture, CnnArchitecture):
        source = _blocks(assembler, architecture)
        if architecture.pool is not None:
            size = architecture.pool.size
            height, width, _ = assembler.shape(source)
            pair = (height, width) if size == GLOBAL else (int(size), int(size))
            source = assembler.pool(source, architecture.pool.type, pair, None)
    else:
        assert isinstance(architecture, MlpArchitecture)
    assembler.head(source, architecture.dense, architecture.logits)
    return Network(tuple(assembler.nodes))


def _blocks(assembler: _Assembler, architecture: CnnArchitecture) -> int:
    paths = [0]
    serial_input = 0
    for index, block in enumerate(architecture.blocks):
        if block.branch:
            channels = assembler.shape(paths[0])[2]
            paths.append(assembler.block(serial_input, block, index, channels))
        else:
            serial_input = assembler.merge(paths)
            paths = [assembler.block(serial_input, block, index, None)]
    return assembler.merge(paths)
