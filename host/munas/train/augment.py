"""Random changes of training images, on whole batches at once.

`flip`, `shift` and `rotate` are plain functions of what is to be done to each image; `augmented`
draws that at random. All take uint8 or float images [n, height, width, channels] and return new
arrays of the same shape and type. Nothing here knows of TensorFlow.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from munas.experiment.schema import Augment

Images = npt.NDArray[Any]

# Images turned in one call: enough to spare Python's overhead, few enough to stay in the cache.
_ROTATED_AT_ONCE = 512


def is_on(augment: Augment) -> bool:
    """Whether anything would be changed at all."""
    rotates = augment.rotate_radians > 0 and augment.rotate_probability > 0
    return augment.flip or augment.shift_pixels > 0 or augment.shift_rows > 0 or rotates


def augmented(images: Images, augment: Augment, rng: np.random.Generator) -> Images:
    """`images` turned, then shifted, then flipped, each image at random on its own.

    Half of the images are flipped; each is shifted by whole pixels, uniform from -shift_pixels to
    +shift_pixels in both directions, and by up to shift_rows up or down; a share of
    rotate_probability is turned by an angle uniform within +-rotate_radians. The same state of
    `rng` gives the same images. With nothing switched
    on, `images` itself is returned, at no cost.
    """
    count = len(images)
    if augment.rotate_radians > 0 and augment.rotate_probability > 0:
        turned = np.flatnonzero(rng.random(count) < augment.rotate_probability)
        angles = rng.uniform(-augment.rotate_radians, augment.rotate_radians, len(turned))
        result = images.copy()
        result[turned] = rotate(images[turned], angles)
        images = result
    if augment.shift_pixels > 0:
        reach = augment.shift_pixels
        images = shift(images, rng.integers(-reach, reach, (count, 2), endpoint=True))
    if augment.shift_rows > 0:
        rows = rng.integers(-augment.shift_rows, augment.shift_rows, count, endpoint=True)
        images = shift(images, np.stack([rows, np.zeros_like(rows)], axis=1))
    if augment.flip:
        images = flip(images, rng.random(count) < 0.5)
    return images


def flip(images: Images, chosen: npt.NDArray[np.bool_]) -> Images:
    """The chosen images mirrored left to right; `chosen` is bool [n]."""
    result = images.copy()
    result[chosen] = images[chosen, :, ::-1]
    return result


def shift(images: Images, pixels: npt.NDArray[np.integer]) -> Images:
    """Each image moved by its (down, right) in `pixels` [n, 2]; the border is mirrored in."""
    reach = int(np.abs(pixels).max(initial=0))
    if reach == 0:
        return images.copy()
    padded = np.pad(images, ((0, 0), (reach, reach), (reach, reach), (0, 0)), mode="symmetric")
    windows = sliding_window_view(padded, images.shape[1:3], axis=(1, 2))
    # A window that starts further up shows the image further down.
    cropped = windows[np.arange(len(images)), reach - pixels[:, 0], reach - pixels[:, 1]]
    return np.ascontiguousarray(np.moveaxis(cropped, 1, -1))


def rotate(images: Images, angles: npt.NDArray[np.floating]) -> Images:
    """Each image turned counter-clockwise about its centre by its angle (radians [n]).

    Bilinear; what comes in from outside is zero.
    """
    result = np.empty_like(images)
    for start in range(0, len(images), _ROTATED_AT_ONCE):
        chunk = slice(start, start + _ROTATED_AT_ONCE)
        result[chunk] = _rotate_chunk(images[chunk], angles[chunk])
    return result


def _rotate_chunk(images: Images, angles: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """All images in one two-dimensional interpolation: one above the other, zeros between them."""
    from scipy.ndimage import map_coordinates

    count, height, width, channels = images.shape
    rows, columns = np.indices((height, width), dtype=np.float64)
    rows -= (height - 1) / 2
    columns -= (width - 1) / 2
    cosine, sine = np.cos(angles)[:, None, None], np.sin(angles)[:, None, None]
    from_row = cosine * rows + sine * columns + (height - 1) / 2
    from_column = cosine * columns - sine * rows + (width - 1) / 2
    # A row of zeros on both sides of each image, and no further: beyond lies its neighbour.
    top = np.arange(count)[:, None, None] * (height + 2) + 1
    from_row = np.clip(from_row, -1, height) + top
    stack = np.pad(images, ((0, 0), (1, 1), (0, 0), (0, 0))).reshape(-1, width, channels)
    turned = np.empty(images.shape)
    for channel in range(channels):
        turned[..., channel] = map_coordinates(
            stack[..., channel],
            [from_row, from_column],
            output=np.float64,
            order=1,
            mode="grid-constant",
        )
    if np.issubdtype(images.dtype, np.integer):
        np.rint(turned, out=turned)
    return turned
