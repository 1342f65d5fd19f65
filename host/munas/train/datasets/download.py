"""Has Keras fetch a data set, or take it from its own cache.

Nothing else in munas touches the network for data.
"""

from __future__ import annotations

import contextlib
import gzip
import os
import pickle
import socket
import sys
import zlib
from collections.abc import Iterator

from munas.deploy.quiet import silence_tensorflow
from munas.errors import DataError
from munas.train.datasets.dataset import DataUnavailableError
from munas.train.datasets.spec import Raw

# To connect, and between two pieces of what is downloaded.
TIMEOUT_S = 5.0

# What reading a damaged file of Keras's cache raises, as opposed to not getting it.
_DAMAGED = (ValueError, KeyError, EOFError, zlib.error, gzip.BadGzipFile, pickle.UnpicklingError)


def read_keras(stem: str) -> Raw:
    """`keras.datasets.<stem>`, from Keras's cache or, in one attempt, from where Keras fetches it.

    Keras's progress goes to standard error. CIFAR-10 comes as pickles here: that is acceptable only
    because Keras checks the archive's SHA-256, unpacks that very archive each time, and unpickles
    with a restricted unpickler; munas itself unpickles nothing.

    Raises DataUnavailableError when it cannot be had, DataError when the cached copy is damaged.
    """
    silence_tensorflow()
    import keras

    module = getattr(keras.datasets, stem)
    place = f"keras.datasets.{stem}"
    try:
        with _timeout(TIMEOUT_S), contextlib.redirect_stdout(sys.stderr):
            (train_images, train_labels), (test_images, test_labels) = module.load_data()
    except _DAMAGED as error:
        home = os.environ.get("KERAS_HOME", "~/.keras")
        raise DataError(
            f"Keras's cached copy of {stem} is damaged: {error}.",
            f"Delete it below {home}/datasets; it is then downloaded again.",
        ) from None
    except Exception as error:  # Keras wraps what went wrong with the network in plain Exceptions
        raise DataUnavailableError(f"{place}: {error}") from None
    return Raw(train_images, train_labels, test_images, test_labels, origin=place)


@contextlib.contextmanager
def _timeout(seconds: float) -> Iterator[None]:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
