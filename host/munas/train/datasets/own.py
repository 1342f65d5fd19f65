"""A person's own data: one NumPy archive, whose shape and classes are the file's.

Floats become the 256 steps that a network's int8 input has anyway, so that splits stay small and
all that follows treats them as images.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from munas.errors import DataError
from munas.train.datasets.dataset import DataUnavailableError, Normalisation
from munas.train.datasets.lazy import tell
from munas.train.datasets.spec import Array, DatasetSpec, Raw

FILE = "own.npz"
# Sets of examples that the archive may have; the last is optional.
PARTS = ("train", "test", "val")
LEVELS = 255


def steps(values: Array, low: Array | float, high: Array | float) -> npt.NDArray[np.uint8]:
    """Floats as uint8: 0 at `low`, 255 at `high`, clipped outside; the last axis is channels."""
    scaled = (np.asarray(values, np.float32) - low) * (LEVELS / (high - low))
    result: npt.NDArray[np.uint8] = np.clip(np.rint(scaled), 0, LEVELS).astype(np.uint8)
    return result


def read_own_folder(folder: Path) -> Raw:
    """`own.npz` of `folder`, as docs/data.md describes it."""
    path = folder / FILE
    if not path.is_file():
        raise DataUnavailableError(f"{folder}: no {FILE} there")
    arrays = _arrays(path)
    inputs = {part: _shaped(path, f"x_{part}", arrays) for part in PARTS if f"x_{part}" in arrays}
    if len({array.shape[1:] for array in inputs.values()}) > 1:
        found = ", ".join(f"x_{part} {array.shape}" for part, array in inputs.items())
        raise _wrong(path, f"has examples of different shapes: {found}")
    if any(array.dtype != np.uint8 for array in inputs.values()):
        low, high = _range(path, arrays, inputs["train"])
        inputs = {part: steps(array, low, high) for part, array in inputs.items()}
    return Raw(
        inputs["train"],
        arrays["y_train"],
        inputs["test"],
        arrays["y_test"],
        str(path),
        inputs.get("val"),
        arrays.get("y_val"),
    )


def _arrays(path: Path) -> dict[str, Array]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except Exception as error:  # zipfile, zlib and numpy each have their own
        raise _wrong(path, f"cannot be read: {error}") from None
    wanted = {"x_train", "y_train", "x_test", "y_test"}
    if arrays.keys() & {"x_val", "y_val"}:
        wanted |= {"x_val", "y_val"}
    if missing := sorted(wanted - arrays.keys()):
        raise _wrong(path, f"has no array {', '.join(missing)}")
    return arrays


def _shaped(path: Path, name: str, arrays: dict[str, Array]) -> Array:
    """[n, height, width, channels]; a series [n, length, channels] is `length` rows of width 1."""
    array = arrays[name]
    if array.ndim not in (3, 4) or 0 in array.shape:
        raise _wrong(path, f"has {name} of shape {array.shape}")
    if array.dtype != np.uint8 and not np.issubdtype(array.dtype, np.floating):
        raise _wrong(path, f"has {name} of type {array.dtype}")
    if array.dtype != np.uint8 and not np.isfinite(array).all():
        raise _wrong(path, f"has values in {name} that are not finite")
    return array[:, :, np.newaxis, :] if array.ndim == 3 else array


def _range(path: Path, arrays: dict[str, Array], train: Array) -> tuple[Array, Array]:
    """What 0 and 255 stand for: float32 [channels] each."""
    if any(array.dtype == np.uint8 for name, array in arrays.items() if name[:2] == "x_"):
        raise _wrong(path, "has examples both of uint8 and of floats")
    axes = tuple(range(train.ndim - 1))
    channels = train.shape[-1]
    ends: list[Any] = []
    for name, found in (("low", np.min), ("high", np.max)):
        end = np.asarray(arrays[name] if name in arrays else found(train, axis=axes), np.float32)
        if end.shape not in ((), (1,), (channels,)):
            raise _wrong(path, f"has {name} of shape {end.shape}, not ({channels},)")
        ends.append(np.broadcast_to(end, channels))
    low, high = ends
    if "high" not in arrays:
        high = np.where(high > low, high, low + 1)  # a channel that never changes
    if not (high > low).all():
        raise _wrong(path, "has a channel whose high is not above its low")
    if not {"low", "high"} <= arrays.keys():
        tell(
            f"{path} does not give both low and high. Taken are low "
            f"{[float(f'{value:.4g}') for value in low]}, "
            f"high {[float(f'{value:.4g}') for value in high]}."
        )
    return low, high


def _wrong(path: Path, what: str) -> DataError:
    return DataError(
        f"{path} {what}.",
        "It must be a NumPy archive of plain arrays: x_train, y_train, x_test, y_test, and "
        "optionally x_val, y_val, low, high. Examples are uint8 or floats, "
        "[n, length, channels] or [n, height, width, channels]; labels count from 0.",
    )


OWN = DatasetSpec(
    name="own",
    title="Own data",
    input_shape=None,
    classes=None,
    normalisation=Normalisation(scale=255.0, mean=(0.5,), std=(0.25,)),
    validation_share=0.2,
    folders=("own",),
    read_folder=read_own_folder,
    mends=(f"save your examples as {FILE}, as docs/data.md shows",),
)
