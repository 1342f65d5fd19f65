"""From a Keras model to the int8 .tflite that is shipped.

Full int8 by post-training quantisation: int8 in and out, batch fixed at 1, canonical form,
operators in the order of least peak memory, bytes that repeat. TensorFlow's converter quantises.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from munas.arch import Architecture, canonical
from munas.cost import Graph, cost
from munas.deploy.canonical import canonicalise
from munas.deploy.keras_model import build_model
from munas.deploy.model_file import load_model, read_graph, save_model
from munas.deploy.quiet import redirected, silence_tensorflow
from munas.errors import ConvertError

if TYPE_CHECKING:
    import keras

Images = npt.NDArray[np.float32]

# More images than these no longer move the ranges of activations that the converter sees.
CALIBRATION_IMAGES = 100


@dataclass(frozen=True)
class Int8Model:
    """A converted model: the file's bytes, their SHA-256, and the operator graph in file order."""

    data: bytes
    sha256: str
    graph: Graph


def convert(architecture: Architecture, weights: list[Any], calibration: Images) -> Int8Model:
    """Convert trained `weights` (as `keras.Model.get_weights()` gives them) to int8.

    `calibration` is float32 [n, height, width, channels] as the network is fed in training; the
    ranges of all activations come from it. Raises ConvertError.
    """
    model = _fresh_model(architecture)
    model.set_weights(weights)
    return _canonical(architecture, _quantise(model, calibration[:CALIBRATION_IMAGES]))


def convert_random(architecture: Architecture, seed: int) -> Int8Model:
    """Convert `architecture` with random weights and non-zero biases; same seed, same bytes.

    For measuring and testing: latency and memory do not depend on what the weights are.
    """
    rng = np.random.default_rng(seed)
    model = _fresh_model(canonical(architecture))
    model.set_weights([_random_weight(variable, rng) for variable in model.weights])
    calibration = rng.random((8, *architecture.input), dtype=np.float32)
    return _canonical(canonical(architecture), _quantise(model, calibration))


def _fresh_model(architecture: Architecture) -> keras.Model:
    """The Keras model for one image, with names that do not depend on models built before."""
    silence_tensorflow()
    import keras

    keras.backend.clear_session()
    return build_model(architecture, batch_size=1)


def _random_weight(variable: Any, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """He-scaled kernels, biases away from zero, mild batch-norm statistics."""
    shape, name = tuple(variable.shape), variable.path.rsplit("/", 1)[-1]
    if name == "kernel":
        fan_in = max(int(np.prod(shape[:-1])) if len(shape) != 4 or shape[-1] != 1 else 1, 1)
        if len(shape) == 4 and shape[-1] == 1 and "dwconv" in variable.path:
            fan_in = shape[0] * shape[1]
        values = rng.normal(0, np.sqrt(2 / fan_in), shape)
    elif name in ("gamma", "moving_variance"):
        values = rng.uniform(0.5, 1.5, shape)
    else:
        values = rng.uniform(0.02, 0.1, shape) * rng.choice([-1, 1], shape)
    return values.astype(np.float32)


def _quantise(model: keras.Model, calibration: Images) -> bytes:
    import tensorflow as tf

    def batches() -> Iterator[list[Images]]:
        for image in calibration:
            yield [image[np.newaxis].astype(np.float32)]

    shape = tf.TensorSpec((1, *model.inputs[0].shape[1:]), tf.float32, name="input")
    # `from_keras_model` would write a SavedModel and read it back, which takes most of the time;
    # the file that comes out is the same.
    traced = tf.function(lambda images: model(images, training=False), autograph=False)
    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [traced.get_concrete_function(shape)], model
    )
    converter.experimental_lower_to_saved_model = False
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = batches
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    # One scale for a dense layer's weights: CMSIS-NN's fast kernels want it, and scales for each
    # unit would cost 24 bytes of flash a unit.
    converter._experimental_disable_per_channel_quantization_for_dense_layers = True
    converter.inference_input_type = converter.inference_output_type = tf.int8
    try:
        with redirected(Path(os.devnull)):
            return bytes(converter.convert())
    except Exception as error:
        raise ConvertError(f"TensorFlow could not convert the model: {error}") from error


def _canonical(architecture: Architecture, data: bytes) -> Int8Model:
    expected = cost(architecture).graph
    model = load_model(data, "The converter's output")
    canonicalise(model, expected)
    written = save_model(model)
    return Int8Model(written, hashlib.sha256(written).hexdigest(), read_graph(model))
