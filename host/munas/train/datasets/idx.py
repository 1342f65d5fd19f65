"""Reads IDX files, the format of MNIST and Fashion-MNIST, plain or gzipped.

A file is 0, 0, type (8 for unsigned bytes), rank, then one big-endian 32-bit length a dimension,
then the bytes (source: the format's description on the MNIST page, yann.lecun.com/exdb/mnist).
"""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt

from munas.errors import DataError

UNSIGNED_BYTES = 8
_WHAT = {1: "labels", 3: "images"}
_GZIP_MAGIC = b"\x1f\x8b"


def read_idx(path: Path, rank: int) -> npt.NDArray[np.uint8]:
    """The array of an IDX file of unsigned bytes with `rank` dimensions (1 labels, 3 images).

    Raises DataError that names the file: unreadable, broken gzip, not IDX, labels where images are
    expected or the reverse, shorter or longer than its header says.
    """
    content = _content(path)
    if len(content) < 4 or content[:2] != b"\0\0":
        raise _broken(path, "is not an IDX file: it does not begin with two zero bytes")
    kind, found = content[2], content[3]
    if kind != UNSIGNED_BYTES:
        raise _broken(path, f"holds IDX data of type {kind}, not unsigned bytes")
    if found != rank:
        holds = _WHAT.get(found, f"an array of {found} dimensions")
        raise _broken(path, f"holds {holds}, not {_WHAT.get(rank, f'{rank} dimensions')}")
    start = 4 + 4 * rank
    if len(content) < start:
        raise _broken(path, "is truncated: it ends within its header")
    shape = tuple(int(n) for n in np.frombuffer(content, ">u4", rank, offset=4))
    expected = math.prod(shape)
    if len(content) - start != expected:
        state = "is truncated" if len(content) - start < expected else "is too long"
        raise _broken(
            path,
            f"{state}: its header promises {expected:,} bytes of data, {len(content) - start:,} "
            "are there",
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def _content(path: Path) -> bytes:
    try:
        content = path.read_bytes()
        # The first bytes decide, not the name: browsers unpack downloads and keep the name.
        return gzip.decompress(content) if content.startswith(_GZIP_MAGIC) else content
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise _broken(path, f"is truncated or damaged: {error}") from None
    except OSError as error:
        raise _broken(path, f"cannot be read: {error.strerror}") from None


def _broken(path: Path, what: str) -> DataError:
    return DataError(f"{path} {what}.", "Fetch the file again, and give it its original name.")
