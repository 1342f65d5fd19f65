"""Images that are read only once it is known which of them are needed, and then kept in a cache.

Decoding pictures or making features of sound takes minutes for a whole data set, and every process
of a search needs them. What they show, and how they are read, is not known here.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from munas.arch import Shape
from munas.errors import DataError
from munas.firmware.cache import cache_root

Images = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Lazy:
    """Images uint8 [n, *image_shape] that `lazy[indices]` or `lazy[:]` reads.

    `read` makes the images of some `items`. `identity` is what an item's image follows from (its
    file's name and size), `recipe` everything else that it follows from: both go into the cache's
    key, so nothing else may change an image. Raises what `read` raises.
    """

    items: tuple[Any, ...]
    image_shape: Shape
    recipe: str
    identity: Callable[[Any], str]
    read: Callable[[Sequence[Any]], Images]

    dtype: ClassVar[np.dtype[np.uint8]] = np.dtype(np.uint8)

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.items), *self.image_shape)

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, which: npt.NDArray[np.int64] | slice) -> Images:
        if isinstance(which, slice):
            chosen = self.items[which]
        else:
            chosen = tuple(self.items[index] for index in which)
        key = hashlib.sha256(self.recipe.encode())
        for item in chosen:
            key.update(self.identity(item).encode() + b"\0")
        what = f"{len(chosen):,} images of {self.recipe}"
        return cached(key.hexdigest(), what, lambda: self.read(chosen))


def tell(what: str) -> None:
    """A line on standard error, where Keras's own progress goes too: some of this takes minutes."""
    print(f"munas: {what}", file=sys.stderr, flush=True)


def named_size(path: Path) -> str:
    """A file's folder, name and size: an identity that a moved data set keeps."""
    try:
        size = path.stat().st_size
    except OSError as error:
        raise DataError(
            f"{path} cannot be read: {error.strerror}.", "Unpack the archive that it is of again."
        ) from None
    return f"{path.parent.name}/{path.name}:{size}"


def cached(key: str, what: str, make: Callable[[], Images]) -> Images:
    """What `make` gives, from the cache where it was made before under this key.

    A cache that is damaged is made anew; one that cannot be written only costs time.
    """
    return cached_arrays(key, what, lambda: {"images": make()})["images"]


def cached_arrays(
    key: str, what: str, make: Callable[[], dict[str, npt.NDArray[Any]]]
) -> dict[str, npt.NDArray[Any]]:
    """Several arrays at once; otherwise as `cached`."""
    path = cache_root() / "datasets" / f"{key[:32]}.npz"
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except Exception:  # absent, or damaged in any of the ways of zipfile, zlib and numpy
        pass
    tell(f"Preparing {what}; kept in {path.parent}.")
    arrays = make()
    _keep(path, arrays)
    return arrays


def _keep(path: Path, arrays: dict[str, npt.NDArray[Any]]) -> None:
    draft = path.with_suffix(f".{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with draft.open("wb") as stream:
            np.savez(stream, **arrays)  # type: ignore[arg-type]  # its stub takes the names for options
        draft.replace(path)
    except OSError:
        draft.unlink(missing_ok=True)
