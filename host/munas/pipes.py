"""How a process and its children talk: JSON headers, raw blobs and arrays over pipes.

A message is the length of its header (4 bytes, big-endian), the header as JSON, and the blobs whose
names and lengths the header lists. Arrays are blobs in NumPy's own format. No pickle, so a worker
can be any process.
"""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Mapping
from typing import IO, Any

_LENGTH = struct.Struct(">I")


def write_message(
    stream: IO[bytes], header: Mapping[str, Any], blobs: Mapping[str, bytes] | None = None
) -> None:
    """Write one message and flush it. Raises OSError (BrokenPipeError) when nobody reads."""
    blobs = blobs or {}
    sizes = {name: len(data) for name, data in blobs.items()}
    encoded = json.dumps({**header, "_blobs": sizes}).encode()
    stream.write(_LENGTH.pack(len(encoded)) + encoded)
    for data in blobs.values():
        stream.write(data)
    stream.flush()


def read_message(stream: IO[bytes]) -> tuple[dict[str, Any], dict[str, bytes]] | None:
    """Read one message; null at the end of the stream, also in the middle of a message."""
    prefix = _exactly(stream, _LENGTH.size)
    if prefix is None:
        return None
    encoded = _exactly(stream, _LENGTH.unpack(prefix)[0])
    if encoded is None:
        return None
    header = json.loads(encoded)
    blobs = {}
    for name, size in header.pop("_blobs").items():
        data = _exactly(stream, size)
        if data is None:
            return None
        blobs[name] = data
    return header, blobs


def pack_arrays(arrays: Mapping[str, Any], *, compressed: bool = True) -> bytes:
    """Named arrays as one .npz file."""
    import numpy as np

    stream = io.BytesIO()
    write = np.savez_compressed if compressed else np.savez
    write(stream, **arrays)
    return stream.getvalue()


def unpack_arrays(data: bytes) -> dict[str, Any]:
    """The inverse of `pack_arrays`; refuses anything that would need unpickling."""
    import numpy as np

    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


def _exactly(stream: IO[bytes], count: int) -> bytes | None:
    parts = []
    while count:
        part = stream.read(count)
        if not part:
            return None
        parts.append(part)
        count -= len(part)
    return b"".join(parts)
