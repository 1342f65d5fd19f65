"""Decodes JPEG and PNG files to one size. Which pictures, and of what, is not known here."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from munas.arch import Shape
from munas.deploy.quiet import silence_tensorflow
from munas.errors import DataError
from munas.train.datasets.lazy import Lazy, named_size


def pictures(paths: Sequence[Path], shape: Shape, crop: float = 1.0) -> Lazy:
    """The files as images of `shape`: the middle `crop` of height and width, then resized.

    Bilinear, with the low-pass filter that shrinking needs; the ratio of the sides is not kept.
    """
    recipe = f"pictures {shape} crop {crop}"
    return Lazy(tuple(paths), shape, recipe, named_size, partial(_decode, shape, crop))


def _decode(shape: Shape, crop: float, paths: Sequence[Path]) -> npt.NDArray[np.uint8]:
    silence_tensorflow()
    images = np.empty((len(paths), *shape), np.uint8)

    def one(index: int) -> None:
        images[index] = _decode_one(paths[index], shape, crop)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(one, range(len(paths))))
    return images


def _decode_one(path: Path, shape: Shape, crop: float) -> npt.NDArray[np.uint8]:
    import tensorflow as tf

    height, width, channels = shape
    try:
        image = tf.io.decode_image(path.read_bytes(), channels, expand_animations=False)
    except (OSError, tf.errors.InvalidArgumentError) as error:
        reason = (
            error.strerror if isinstance(error, OSError) else str(error.message).split("[Op")[0]
        )
        raise DataError(
            f"{path} is not a picture that can be read: {reason}.", "Unpack it again."
        ) from None
    if crop < 1:
        image = tf.image.central_crop(image, crop)
    if image.shape != shape:
        image = tf.image.resize(image, (height, width), antialias=True)
    result: npt.NDArray[np.uint8] = np.clip(np.rint(image.numpy()), 0, 255).astype(np.uint8)
    return result
