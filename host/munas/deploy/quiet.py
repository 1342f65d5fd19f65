"""Keeps TensorFlow's chatter off the screen.

TensorFlow, its converter and oneDNN write from C++ straight to the file descriptors 1 and 2, past
`sys.stdout` and `sys.stderr`, and do so before any log level is read. What `--json` prints must
stay one clean document, so this module moves the descriptors themselves. It knows nothing of what
is trained or converted under it.
"""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

# What TensorFlow and Keras read when they are imported. A value that is set already stays.
_DEFAULTS = {
    "TF_CPP_MIN_LOG_LEVEL": "3",
    # oneDNN's kernels are faster here and repeat bit for bit on one machine; said aloud so that a
    # change of TensorFlow's own default cannot change what a seed means.
    "TF_ENABLE_ONEDNN_OPTS": "1",
    # Candidates are small and train on the processor: a GPU would give other bits and be searched
    # for, with messages, at every start.
    "CUDA_VISIBLE_DEVICES": "-1",
}


def silence_tensorflow() -> None:
    """Import TensorFlow and Keras without a word, and keep them quiet afterwards.

    Call it before anything else imports them. Environment variables that the person has set are
    left alone, but for KERAS_BACKEND: munas is written for TensorFlow, whatever ~/.keras says.
    Costs TensorFlow's import, some 4 s, the first time. An import that fails raises as it would
    otherwise, after what it wrote has been passed on to standard error.
    """
    for name, value in _DEFAULTS.items():
        os.environ.setdefault(name, value)
    os.environ["KERAS_BACKEND"] = "tensorflow"
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    logging.getLogger("absl").setLevel(logging.ERROR)
    if "keras" in sys.modules and "tensorflow" in sys.modules:
        return
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "import.log"
        try:
            with redirected(log):
                import keras
                import tensorflow as tf
        except ImportError:
            sys.stderr.write(log.read_text(encoding="utf-8", errors="replace"))
            raise
    tf.get_logger().setLevel(logging.ERROR)
    # A ~/.keras/keras.json with channels first would build other networks.
    keras.config.set_image_data_format("channels_last")


@dataclass(frozen=True)
class Screen:
    """The real standard output and standard error, while the descriptors lead elsewhere."""

    out: TextIO
    err: TextIO


@contextlib.contextmanager
def redirected(log: Path) -> Iterator[Screen]:
    """Send file descriptors 1 and 2 to the end of `log` for as long as the block runs.

    Yields the Screen on which the block can still reach the person. Both descriptors are restored
    however the block ends; blocks may be nested. The move concerns the whole process, all its
    threads and the children that it starts meanwhile. Raises OSError when `log` cannot be opened.
    """
    _flush()
    with contextlib.ExitStack() as stack:
        target = stack.enter_context(log.open("ab", buffering=0))
        saved = [os.dup(number) for number in (1, 2)]
        out, err = (
            stack.enter_context(
                os.fdopen(number, "w", buffering=1, encoding="utf-8", errors="replace")
            )
            for number in saved
        )
        stack.callback(_restore, saved)
        os.dup2(target.fileno(), 1)
        os.dup2(target.fileno(), 2)
        yield Screen(out, err)


def _restore(saved: list[int]) -> None:
    _flush()
    for number, copy in zip((1, 2), saved, strict=True):
        os.dup2(copy, number)


def _flush() -> None:
    """Empty Python's buffers and C's, so that each line lands on its side of the move."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, ValueError):  # None or closed, as in a daemon
            stream.flush()
    ctypes.CDLL(None).fflush(None)
