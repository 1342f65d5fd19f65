"""Canonical form: the genome in which every gene that has no effect takes its one agreed value.

Such genes are filters of a branch's tail (overwritten at assembly), kernels wider than the feature
map, strides and pre-pools of a single position, poolings larger than the map. Two genomes with
equal canonical forms compute the same network; the hash of the computed network (`sha256`) sees
further still, since one network can be cut into serial blocks in several ways.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from munas.arch.genome import (
    POOL_SIZES,
    Architecture,
    CnnArchitecture,
    Layer,
    Pooling,
    Shape,
    Windows,
)
from munas.arch.network import Network, Node, Pair, assemble


@lru_cache(maxsize=4096)
def _assembled(architecture: Architecture) -> Network:
    return assemble(architecture)


def sha256(architecture: Architecture) -> str:
    """Hash of what `architecture` computes; equal for genomes that differ only without effect."""
    return _assembled(architecture).sha256()


def canonical(architecture: Architecture) -> Architecture:
    """The canonical form; idempotent, and it computes the same network."""
    if not isinstance(architecture, CnnArchitecture):
        return architecture
    network = _assembled(architecture)
    blocks = tuple(
        replace(
            block,
            layers=tuple(
                _canonical_layer(layer, architecture.windows, network, (index, position))
                for position, layer in enumerate(block.layers)
            ),
        )
        for index, block in enumerate(architecture.blocks)
    )
    pool = _canonical_pool(architecture.pool, network)
    return replace(architecture, blocks=blocks, pool=pool)


def _smallest(sizes: tuple[int, ...], wanted: Pair, sides: Pair) -> int | None:
    """The smallest size that, cut to the sides of the map, is what is wanted."""
    for size in sizes:
        if (min(size, sides[0]), min(size, sides[1])) == wanted:
            return size
    return None


def _canonical_layer(layer: Layer, windows: Windows, network: Network, place: Pair) -> Layer:
    nodes = [node for node in network.nodes if node.place == place]
    convolution = next(node for node in nodes if node.kind in ("conv", "dwconv"))
    prepool = layer.prepool and network.nodes[convolution.inputs[0]].kind == "maxpool"
    if layer.type == "dwconv":
        filters = None
    else:
        filters = convolution.shape[2]
    if layer.type == "conv1x1":
        return replace(layer, filters=filters, prepool=prepool)
    kernel = _smallest(windows.kernels, convolution.size, _sides(network, convolution))
    return replace(
        layer, filters=filters, prepool=prepool, kernel=kernel, stride=convolution.stride
    )


def _sides(network: Network, node: Node) -> Pair:
    shape: Shape = network.nodes[node.inputs[0]].shape
    return shape[0], shape[1]


def _canonical_pool(pool: Pooling | None, network: Network) -> Pooling | None:
    if pool is None:
        return None
    flatten = next(node for node in network.nodes if node.kind == "flatten")
    pooling = network.nodes[flatten.inputs[0]]
    if pooling.kind not in ("maxpool", "avgpool"):
        return None  # a pooling of a single position was left out
    size = _smallest(POOL_SIZES, pooling.size, _sides(network, pooling))
    return pool if size is None else Pooling(pool.type, size)
