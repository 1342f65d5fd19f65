"""Structured pruning while a network trains: dynamic pruning with feedback (Lin et al., ICLR 2020).

Every channel group has a mask behind each of its layers, after batch normalisation and ReLU. What
is masked is exactly zero from there on, so that cutting the channel out of all layers of its group
leaves the same function: no bias and no statistics of it stay behind. A masked channel keeps its
dense weights, through validation and until the end. Masks change every few steps until the last
change, then they stay.

A channel's saliency is the squared first-order effect of its mask on the loss, averaged over steps
(Molchanov et al., CVPR 2019): unlike the norm of a kernel it compares layers of different fan-in,
and groups of one producer with groups of several. It is measured of masked channels too, what
opening them would do: that is the feedback by which a channel that was closed too early comes back.
(Lin et al. also update weights under their masks as if these were open. With whole channels that
lets the weights drift unseen until they come back and break the training.)

Saliencies are taken relative to their group's norm, and one threshold over all groups decides, so
that the sparsity is the network's and not each layer's. But no group loses more than half of what
an even thinning would leave of it: a layer of many channels, none of which matters alone, would
else be cut to one. This module knows no data and no schedule of learning rates.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from munas.arch import Architecture, ChannelGroup, Network, assemble, channel_groups, thinned
from munas.deploy.keras_model import build_model

if TYPE_CHECKING:
    import keras

Keep = npt.NDArray[np.bool_]

# Steps between two changes of the masks (the authors' code of μNAS).
STEPS_BETWEEN_CHANGES = 16
# Of the running mean of saliencies.
MEMORY = 0.95


@dataclass(frozen=True)
class PruningPlan:
    """How far and when: the share `sparsity` of all prunable channels is masked in the end.

    Masks change while the share of the training that is done lies within `start` and `finish`.
    """

    sparsity: float
    start: float
    finish: float

    def sparsity_at(self, progress: float) -> float:
        """The cubic schedule of Zhu and Gupta (2017): fast at first, slow at the end."""
        if progress >= self.finish:
            return self.sparsity
        done = max(0.0, (progress - self.start) / (self.finish - self.start))
        return self.sparsity * (1 - (1 - done) ** 3)


class Masks:
    """The masks of one network in training.

    `behind` belongs into `build_model(after=…)`; a step hands the loss's gradients with respect to
    `variables` to `observe`; `update` moves the masks between steps.
    """

    def __init__(self, architecture: Architecture, plan: PruningPlan) -> None:
        import tensorflow as tf

        self._architecture = architecture
        self._plan = plan
        self._network = assemble(architecture)
        self.groups = channel_groups(self._network)
        self.variables = [tf.Variable(tf.ones(group.width)) for group in self.groups]
        self._saliencies = [
            tf.Variable(tf.zeros(group.width), trainable=False) for group in self.groups
        ]
        self._final = False

    def behind(self, index: int, value: Any) -> Any:
        """The output of node `index` with the masks of its group, if it has any."""
        for group, mask in zip(self.groups, self.variables, strict=True):
            if index in group.producers:
                return _mask_layer(f"mask_{index}", mask, counts=True)(value)
            if index in group.carriers:
                return _mask_layer(f"mask_{index}", mask, counts=False)(value)
        return value

    def observe(self, gradients: Sequence[Any]) -> None:
        """Take one step's gradients of the loss with respect to `variables` into the saliencies."""
        for saliency, gradient in zip(self._saliencies, gradients, strict=True):
            saliency.assign(MEMORY * saliency + (1 - MEMORY) * gradient * gradient)

    def update(self, step: int, steps: int) -> None:
        """Move the masks after `step` of `steps` steps, where it is time to.

        After the last change, which is at the full sparsity, they stay as they are.
        """
        progress = step / steps
        if self._final or progress < self._plan.start:
            return
        last = progress >= self._plan.finish or step == steps
        if last or step % STEPS_BETWEEN_CHANGES == 0:
            self._final = last
            self._choose(self._plan.sparsity if last else self._plan.sparsity_at(progress))

    def close(self) -> None:
        """Close what is to be closed, of a training that ends before its time."""
        if not self._final:
            self._final = True
            self._choose(self._plan.sparsity)

    def _choose(self, sparsity: float) -> None:
        saliencies = [saliency.numpy() for saliency in self._saliencies]
        kept = kept_channels(self.groups, saliencies, sparsity)
        for mask, keep in zip(self.variables, kept, strict=True):
            mask.assign(keep.astype(np.float32))

    def keep(self) -> list[Keep]:
        """Which channels of each group are open now."""
        return [np.asarray(mask.numpy() > 0) for mask in self.variables]

    def cut(self, model: keras.Model) -> tuple[Architecture, keras.Model]:
        """The network without its masked channels: what the masked one computes, to rounding."""
        keep = self.keep()
        architecture = thinned(self._architecture, [int(each.sum()) for each in keep])
        smaller = build_model(architecture)
        for layer in smaller.layers:
            if weights := model.get_layer(layer.name).get_weights():
                layer.set_weights(_cut(weights, layer.name, self._network, self.groups, keep))
        return architecture, smaller


def kept_channels(
    groups: Sequence[ChannelGroup], saliencies: Sequence[npt.NDArray[Any]], sparsity: float
) -> list[Keep]:
    """Which channels stay when the share `sparsity` of all goes, the least salient first.

    Every group keeps its `least` channels, and half of what an even thinning would leave, so less
    may go than was asked for. Equal saliencies go in the order of groups and channels.
    """
    going = round(sparsity * sum(group.width for group in groups))
    kept = [np.ones(group.width, bool) for group in groups]
    free = []
    for index, (group, saliency) in enumerate(zip(groups, saliencies, strict=True)):
        order = np.argsort(saliency, kind="stable")
        relative = saliency / max(float(np.linalg.norm(saliency)), np.finfo(np.float32).tiny)
        stay = max(group.least, math.ceil(group.width * (1 - sparsity) / 2))
        free += [
            (float(relative[channel]), index, int(channel))
            for channel in order[: group.width - stay]
        ]
    for _, index, channel in sorted(free)[:going]:
        kept[index][channel] = False
    return kept


def _cut(
    weights: list[Any],
    layer: str,
    network: Network,
    groups: Sequence[ChannelGroup],
    keep: Sequence[Keep],
) -> list[Any]:
    """A layer's weights without the channels that go, in or out."""
    index = int(layer.split("_")[1])
    node = network.nodes[index]
    out = _kept_of(index, network, groups, keep)
    if layer.endswith("_bn"):
        return [values[out] for values in weights]
    kernel, bias = weights
    if node.kind == "dwconv":
        return [kernel[:, :, out], bias[out]]
    source = node.inputs[0]
    into = _kept_of(source, network, groups, keep)
    if network.nodes[source].kind == "flatten":
        height, width, _ = network.nodes[network.nodes[source].inputs[0]].shape
        into = np.tile(
            _kept_of(network.nodes[source].inputs[0], network, groups, keep), height * width
        )
    return [kernel[..., into, :][..., out], bias[out]]


def _kept_of(
    index: int, network: Network, groups: Sequence[ChannelGroup], keep: Sequence[Keep]
) -> Keep:
    for group, each in zip(groups, keep, strict=True):
        if index in group.bearers:
            return each
    return np.ones(network.nodes[index].shape[2], bool)


def _mask_layer(name: str, mask: Any, *, counts: bool) -> Any:
    """A layer that closes channels; where it `counts`, the mask learns what closing would do.

    Behind a carrier it does not: there the effect of the same channels would count twice.
    """
    import keras
    import tensorflow as tf

    class ChannelMask(keras.layers.Layer):  # type: ignore[misc]
        def call(self, value: Any) -> Any:
            opening = tf.convert_to_tensor(mask)
            return value * (opening if counts else tf.stop_gradient(opening))

        def compute_output_shape(self, shape: Any) -> Any:
            return shape

    return ChannelMask(name=name)
