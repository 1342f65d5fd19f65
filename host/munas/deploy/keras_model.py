"""Builds the Keras model of an assembled network.

One builder serves training and conversion, so that what is trained is what is deployed: the layers
follow the nodes of `munas.arch.network` one to one, and joins are chains of binary additions as
TensorFlow Lite has them. This module trains nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from munas.arch import Architecture, MlpArchitecture, Network, Node, assemble

if TYPE_CHECKING:
    import keras

# L2 penalty of the MLP space's dense layers (the authors' code).
MLP_L2 = 0.001


# Applied to what the node of an index gives: what training adds behind a layer.
After = Callable[[int, Any], Any]


@dataclass(frozen=True)
class Regularisation:
    """What training adds to the network and deployment takes away again."""

    dropout: float = 0.0
    dense_l2: float = 0.0


def build_model(
    architecture: Architecture,
    *,
    batch_size: int | None = None,
    dropout: float = 0.0,
    after: After | None = None,
) -> keras.Model:
    """The Keras model of `architecture` under the deployed rules, logits out (no softmax).

    Input is float32 [batch, height, width, channels]; output is float32 [batch, logits].
    `dropout` is applied before each hidden dense layer, in training only. Layer names depend on the
    network alone, so equal networks have equal weights lists and equal converted bytes. `after`
    gets the index and the output of each node and gives what the next ones take instead.
    """
    l2 = MLP_L2 if isinstance(architecture, MlpArchitecture) else 0.0
    return _build(assemble(architecture), batch_size, Regularisation(dropout, l2), after)


def _build(
    network: Network, batch_size: int | None, extra: Regularisation, after: After | None
) -> keras.Model:
    import keras

    source = network.nodes[0]
    values: list[Any] = [keras.Input(source.shape, batch_size=batch_size, name="input")]
    for index, node in enumerate(network.nodes[1:], start=1):
        inputs = [values[i] for i in node.inputs]
        value = _apply(node, index, inputs, extra)
        values.append(after(index, value) if after else value)
    return keras.Model(values[0], values[-1])


def _apply(node: Node, index: int, inputs: list[Any], extra: Regularisation) -> Any:
    import keras
    from keras import layers

    name = f"{node.kind}_{index}"
    x = inputs[0]
    match node.kind:
        case "conv":
            x = layers.Conv2D(node.shape[2], node.size, strides=node.stride, name=name)(x)
            return _norm_relu(x, node, name)
        case "dwconv":
            x = layers.DepthwiseConv2D(node.size, strides=node.stride, name=name)(x)
            return _norm_relu(x, node, name)
        case "maxpool":
            return layers.MaxPooling2D(node.size, name=name)(x)
        case "avgpool":
            return layers.AveragePooling2D(node.size, name=name)(x)
        case "pad":
            return layers.ZeroPadding2D(((0, node.size[0]), (0, node.size[1])), name=name)(x)
        case "add":
            for term, other in enumerate(inputs[1:]):
                x = layers.Add(name=f"{name}_{term}")([x, other])
            return x
        case "flatten":
            return layers.Flatten(name=name)(x)
        case "dense":
            if node.relu and extra.dropout:
                x = layers.Dropout(extra.dropout, name=f"{name}_dropout")(x)
            penalty = keras.regularizers.L2(extra.dense_l2) if extra.dense_l2 else None
            activation = "relu" if node.relu else None
            return layers.Dense(
                node.shape[2], activation=activation, kernel_regularizer=penalty, name=name
            )(x)
    raise AssertionError(f"no Keras layer for a node of kind {node.kind}")


def _norm_relu(x: Any, node: Node, name: str) -> Any:
    from keras import layers

    if node.bn:
        x = layers.BatchNormalization(name=f"{name}_bn")(x)
    return layers.ReLU(name=f"{name}_relu")(x) if node.relu else x
