"""What the engines are pinned to, stated once.

Wheel and TensorFlow Lite Micro commit are the same source: the wheel's version is the commit's
time. The third parties are those that the commit's own makefiles download. Change all together,
and `tflite-micro` and `bakenn` in pyproject.toml with them; a test compares.
"""

from __future__ import annotations

from dataclasses import dataclass

TFLITE_MICRO_WHEEL = "0.dev20260203175027"
BAKENN = "1.0.0"
CMSIS_NN_OF_BAKENN = "4.0.0"


@dataclass(frozen=True)
class Source:
    """A repository at one commit; `revision` is 40 hexadecimal digits."""

    name: str
    url: str
    revision: str


TFLM = Source(
    "tflite-micro",
    "https://github.com/tensorflow/tflite-micro.git",
    "88f8587b3fa6e4e027caf5437b1510a86bf31a60",  # 2026-02-03T17:50:27Z
)

THIRD_PARTIES = (
    # v25.9.23, plus TFLM's own tensorflow/lite/micro/tools/make/flatbuffers.patch
    Source(
        "flatbuffers",
        "https://github.com/google/flatbuffers.git",
        "187240970746d00bbd26b0f5873ed54d2477f9f3",
    ),
    Source(
        "gemmlowp",
        "https://github.com/google/gemmlowp.git",
        "719139ce755a0f31cbf1c37f7f98adcc7fc9f425",
    ),
    Source(
        "ruy",
        "https://github.com/google/ruy.git",
        "d37128311b445e758136b8602d1bbd2a755e115d",
    ),
    Source(
        "CMSIS-NN",
        "https://github.com/ARM-software/CMSIS-NN.git",
        "e096196a0c49f065abc03d943c583cd50de424ba",
    ),
)
LIBRARY_SHA256 = "832d547c24656bdd06530acd2740ba432bb08a86c56618c634f46ee7c12c8d71"
"""Digest of the library that these commits give (munas.deploy.engines.tflm.library_digest)."""
