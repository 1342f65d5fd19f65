"""A child's weights to begin with, from its parent's: what a morphism keeps, the child keeps.

Node by node the parent's weights are laid into the child's. Channels that the child has more begin
with weights of their own, but what reads them begins at zero, so the function stays (Net2Net, Chen
et al. 2016); a wider kernel is the old one within zeros; a batch normalisation that is added begins
as the identity, one that is dropped is folded into its convolution. Where a morphism changes the
function (a stride, a pooling, another type of layer), the weights beside it are kept all the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from munas.arch import Architecture, Network, Node, assemble
from munas.deploy.keras_model import build_model
from munas.deploy.quiet import silence_tensorflow

Array = npt.NDArray[np.float32]
Layers = dict[str, list[Array]]

# Keras's: what it adds to a variance before its root is taken.
BN_EPSILON = 1e-3


def inherited(
    child: Architecture,
    parent: Architecture,
    weights: list[Array],
    morphism: str | None,
    *,
    seed: int,
) -> list[Array]:
    """Weights for `build_model(child)`, from those of `build_model(parent)`.

    `morphism` names the step from parent to child; what is new is initialised from `seed`.
    """
    silence_tensorflow()
    import keras

    keras.backend.clear_session()
    keras.utils.set_random_seed(seed % 2**32)
    model, old = build_model(child), build_model(parent)
    old.set_weights(weights)
    theirs = {layer.name: layer.get_weights() for layer in old.layers}
    mine, before = assemble(child), assemble(parent)
    origin = _origins(mine, before, _Step.of(morphism))
    for layer in model.layers:
        fresh = layer.get_weights()
        index = origin.get(_index(layer.name)) if fresh else None
        if index is not None:
            here = _index(layer.name)
            layer.set_weights(_laid(layer.name, fresh, mine, here, before, index, theirs))
    result: list[Array] = model.get_weights()
    return result


@dataclass(frozen=True)
class _Step:
    """A morphism's name, taken apart: what it does, and where."""

    verb: str = ""
    block: int = -1
    layer: int = -1

    @classmethod
    def of(cls, name: str | None) -> _Step:
        verb, _, where = (name or "").partition(" ")
        block, _, layer = where.partition(".")
        return cls(verb, int(block or -1), int(layer or -1))

    def place_before(self, block: int, layer: int) -> tuple[int, int] | None:
        """Where the layer at a place of the child was in the parent; null if it is new."""
        here = block == self.block
        if self.verb in ("remove-block", "remove-only-layer"):
            return block + (block >= self.block), layer
        if self.verb == "remove-layer" and here:
            return block, layer + (layer >= self.layer)
        if self.verb == "insert-layer" and here:
            return None if layer == self.layer else (block, layer - (layer > self.layer))
        if self.verb.startswith("to-") and here and layer == self.layer:
            return None
        return block, layer

    def dense_before(self, number: int) -> int:
        """Which hidden dense layer of the parent a child's was."""
        return number + (self.verb == "remove-dense" and number >= self.block)


def _origins(mine: Network, before: Network, step: _Step) -> dict[int, int]:
    """For nodes of the child with weights, the parent's node that they come from."""
    places: dict[Any, int] = {}
    for index, node in enumerate(before.nodes):
        if node.place is not None and node.kind in ("conv", "dwconv"):
            places.setdefault((node.place, node.kind), index)
    origins: dict[int, int] = {}
    for index, node in enumerate(mine.nodes):
        if node.place is not None and node.kind in ("conv", "dwconv"):
            place = step.place_before(*node.place)
            if place is not None and (place, node.kind) in places:
                origins[index] = places[place, node.kind]
    ours, theirs = _dense(mine), _dense(before)
    for number, index in enumerate(ours[:-1]):
        was = step.dense_before(number)
        if was < len(theirs) - 1:
            origins[index] = theirs[was]
    origins[ours[-1]] = theirs[-1]
    return origins


def _dense(network: Network) -> list[int]:
    return [index for index, node in enumerate(network.nodes) if node.kind == "dense"]


def _index(name: str) -> int:
    return int(name.split("_")[1]) if "_" in name else 0


def _laid(
    name: str,
    fresh: list[Array],
    mine: Network,
    here: int,
    before: Network,
    there: int,
    theirs: Layers,
) -> list[Array]:
    """A layer's weights: the parent's as far as they reach."""
    node, was = mine.nodes[here], before.nodes[there]
    old = f"{was.kind}_{there}"
    if name.endswith("_bn"):
        return _overlaid(fresh, theirs[f"{old}_bn"]) if was.bn else _identity(fresh)
    kernel, bias = theirs[old]
    if was.bn and not node.bn:
        kernel, bias = _folded(kernel, bias, theirs[f"{old}_bn"], depthwise=was.kind == "dwconv")
    return [_kernel(fresh[0], kernel, mine, node, before, was), *_overlaid(fresh[1:], [bias])]


def _kernel(
    fresh: Array, kernel: Array, mine: Network, node: Node, before: Network, was: Node
) -> Array:
    if node.kind == "dense":
        return _dense_kernel(fresh, kernel, mine, node, before, was)
    result = fresh.copy()
    channels, outputs = (min(a, b) for a, b in zip(fresh.shape[2:], kernel.shape[2:], strict=True))
    spatial = [
        _centred(new, old) for new, old in zip(fresh.shape[:2], kernel.shape[:2], strict=True)
    ]
    (rows, old_rows), (columns, old_columns) = spatial
    result[:, :, :channels, :outputs] = 0
    result[:, :, channels:, :outputs] = 0
    result[rows, columns, :channels, :outputs] = kernel[old_rows, old_columns, :channels, :outputs]
    if node.kind == "dwconv":  # channels that are new are the layer's own, not somebody's input
        result[:, :, channels:] = fresh[:, :, channels:]
    return result


def _centred(new: int, old: int) -> tuple[slice, slice]:
    """The middle of the longer of two sides, and all of the shorter one: (in new, in old)."""
    start = abs(new - old) // 2
    if new >= old:
        return slice(start, start + old), slice(0, old)
    return slice(0, new), slice(start, start + new)


def _dense_kernel(
    fresh: Array, kernel: Array, mine: Network, node: Node, before: Network, was: Node
) -> Array:
    """[inputs, units]; behind a flattening the inputs are [height, width, channels]."""
    shape, old_shape = _spread(mine, node), _spread(before, was)
    if shape[:2] != old_shape[:2]:
        return fresh  # other positions: nothing of it means the same
    units = min(fresh.shape[1], kernel.shape[1])
    channels = min(shape[2], old_shape[2])
    result = fresh.reshape(*shape, fresh.shape[1]).copy()
    result[..., :units] = 0
    result[:, :, :channels, :units] = kernel.reshape(*old_shape, kernel.shape[1])[
        :, :, :channels, :units
    ]
    return result.reshape(fresh.shape)


def _spread(network: Network, node: Node) -> tuple[int, int, int]:
    source = network.nodes[node.inputs[0]]
    return network.nodes[source.inputs[0]].shape if source.kind == "flatten" else source.shape


def _overlaid(fresh: list[Array], old: list[Array]) -> list[Array]:
    result = []
    for new, was in zip(fresh, old, strict=True):
        values = new.copy()
        count = min(len(new), len(was))
        values[:count] = was[:count]
        result.append(values)
    return result


def _identity(fresh: list[Array]) -> list[Array]:
    """Batch normalisation that changes nothing: γ, β, mean, variance."""
    gamma, beta, mean, variance = fresh
    return [
        np.ones_like(gamma),
        np.zeros_like(beta),
        np.zeros_like(mean),
        np.full_like(variance, 1 - BN_EPSILON),
    ]


def _folded(
    kernel: Array, bias: Array, norm: list[Array], *, depthwise: bool
) -> tuple[Array, Array]:
    """A convolution that does what it and its batch normalisation did."""
    gamma, beta, mean, variance = norm
    scale = gamma / np.sqrt(variance + BN_EPSILON)
    return kernel * (scale[:, None] if depthwise else scale), (bias - mean) * scale + beta
