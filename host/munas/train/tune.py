"""Tuning a trained network for int8: a few epochs with quantised weights and activations.

Batch normalisation is folded first, since the int8 model has none. Then the network is trained on
with every kernel and every activation rounded as the converter will round them (kernels per output
channel, dense layers with one scale, activations between the ends of their range over calibration
images), gradients passing the rounding as if it were not there (Jacob et al., CVPR 2018). It knows
TensorFlow's fake quantisation, not the converter, and nothing of boards.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from munas.arch import Architecture, CnnArchitecture, Network, Node, assemble, canonical
from munas.deploy.convert import CALIBRATION_IMAGES
from munas.deploy.keras_model import build_model
from munas.deploy.quiet import silence_tensorflow
from munas.experiment.schema import Augment, Train
from munas.train.augment import augmented
from munas.train.datasets.dataset import Dataset
from munas.train.inherit import Array, inherited
from munas.train.steps import losses

# Of the training's first learning rate: the network is where it should be, but for its rounding.
RATE = 0.1
# What hands values on without computing has its input's scale.
_SAME_SCALE = ("maxpool", "avgpool", "pad", "flatten")


def without_norms(architecture: Architecture) -> Architecture:
    """The architecture that computes the same once batch normalisation is folded away."""
    if not isinstance(architecture, CnnArchitecture):
        return architecture
    blocks = tuple(
        replace(block, layers=tuple(replace(layer, bn=False) for layer in block.layers))
        for block in architecture.blocks
    )
    return canonical(replace(architecture, blocks=blocks))


def tune(
    architecture: Architecture,
    weights: list[Array],
    dataset: Dataset,
    settings: Train,
    *,
    epochs: int,
    seed: int,
    augment: Augment | None = None,
) -> tuple[Architecture, list[Array]]:
    """The network without batch normalisation, tuned for int8, and its weights for `build_model`.

    Everything follows from `seed`, as in `train`.
    """
    silence_tensorflow()
    import keras

    folded = without_norms(architecture)
    start = inherited(folded, architecture, weights, None, seed=seed)
    keras.backend.clear_session()
    keras.utils.set_random_seed(seed % 2**32)
    model = build_model(folded)
    model.set_weights(start)
    network = _Rounded(assemble(folded), model)
    step = _compiled(network, dataset, settings)
    calibration = dataset.normalisation.apply(dataset.train.images[:CALIBRATION_IMAGES])
    for epoch in range(epochs):
        network.calibrate(calibration)
        rng = np.random.default_rng([seed, epoch])
        order = rng.permutation(len(dataset.train))
        for at in range(0, len(order), settings.batch):
            chosen = order[at : at + settings.batch]
            images = augmented(dataset.train.images[chosen], augment or Augment(), rng)
            step(images, dataset.train.labels[chosen])
    return folded, model.get_weights()


class _Rounded:
    """The forward pass of a network with everything rounded to int8."""

    def __init__(self, network: Network, model: Any) -> None:
        import tensorflow as tf

        self.network = network
        self.model = model
        self.variables = [variable.value for variable in model.trainable_variables]
        self._ranges = [
            (tf.Variable(0.0, trainable=False), tf.Variable(1.0, trainable=False))
            for _ in network.nodes
        ]

    def calibrate(self, images: Any) -> None:
        """Take the ends of every activation's range from `images` (normalised)."""
        for value, (low, high) in zip(self._run(images, rounded=False), self._ranges, strict=True):
            least, most = float(np.min(value)), float(np.max(value))
            low.assign(min(0.0, least))
            high.assign(max(most, low.numpy() + 1e-6))

    def logits(self, images: Any) -> Any:
        return self._run(images, rounded=True)[-1]

    def _run(self, images: Any, *, rounded: bool) -> list[Any]:
        import tensorflow as tf

        def fit(index: int, value: Any) -> Any:
            if not rounded or self.network.nodes[index].kind in _SAME_SCALE:
                return value
            low, high = self._ranges[index]
            return tf.quantization.fake_quant_with_min_max_vars(value, low, high)

        values = [fit(0, images)]
        for index, node in enumerate(self.network.nodes[1:], start=1):
            inputs = [values[i] for i in node.inputs]
            values.append(fit(index, self._node(index, node, inputs, rounded)))
        return values

    def _node(self, index: int, node: Node, inputs: Sequence[Any], rounded: bool) -> Any:
        import tensorflow as tf

        x = inputs[0]
        if node.kind == "add":
            return tf.add_n(list(inputs))
        if node.kind not in ("conv", "dwconv", "dense"):
            layer = self.model.get_layer(f"{node.kind}_{index}")
            return layer(x)
        layer = self.model.get_layer(f"{node.kind}_{index}")
        kernel, bias = layer.kernel.value, layer.bias.value
        if rounded:
            kernel = _rounded_kernel(kernel, node)
        if node.kind == "conv":
            x = tf.nn.conv2d(x, kernel, node.stride, "VALID")
        elif node.kind == "dwconv":
            x = tf.nn.depthwise_conv2d(x, kernel, [1, node.stride, node.stride, 1], "VALID")
        else:
            x = tf.matmul(x, kernel)
        x = x + bias
        return tf.nn.relu(x) if node.relu else x


def _rounded_kernel(kernel: Any, node: Node) -> Any:
    """A kernel as the converter rounds it: symmetric, per output channel, dense with one scale."""
    import tensorflow as tf

    if node.kind == "dense":
        end = tf.reduce_max(tf.abs(tf.stop_gradient(kernel))) + 1e-9
        return tf.quantization.fake_quant_with_min_max_vars(kernel, -end, end, narrow_range=True)
    axes = [0, 1, 3] if node.kind == "dwconv" else [0, 1, 2]
    end = tf.reduce_max(tf.abs(tf.stop_gradient(kernel)), axes) + 1e-9
    if node.kind == "conv":
        return tf.quantization.fake_quant_with_min_max_vars_per_channel(
            kernel, -end, end, narrow_range=True
        )
    flat = tf.squeeze(kernel, 3)  # channels last, as the operation wants them
    flat = tf.quantization.fake_quant_with_min_max_vars_per_channel(
        flat, -end, end, narrow_range=True
    )
    return tf.expand_dims(flat, 3)


def _compiled(network: _Rounded, dataset: Dataset, settings: Train) -> Any:
    import keras
    import tensorflow as tf

    rate = settings.optimizer.learning_rate * RATE
    optimizer: Any = (
        keras.optimizers.Adam(rate)
        if settings.optimizer.name == "adamw"
        else keras.optimizers.SGD(rate, momentum=float(settings.optimizer.momentum))
    )
    optimizer.build(network.model.trainable_variables)
    normalisation = dataset.normalisation

    @tf.function(autograph=False, reduce_retracing=True)  # type: ignore[untyped-decorator]
    def step(images: Any, labels: Any) -> None:
        inputs = tf.cast(images, tf.float32) * normalisation.gain + normalisation.offset
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(losses(network.logits(inputs), labels))
        optimizer.apply(tape.gradient(loss, network.variables))

    return step
