"""What a simulated device computes: the interface, and an engine that needs no model format.

This module must not know the link's frames.
"""

from __future__ import annotations

import hashlib
from typing import Protocol

from munas.link.messages import ErrorCode, Prepared


class SimulatedRefusalError(Exception):
    """The device refuses a request; it becomes an ERROR reply."""

    def __init__(self, code: ErrorCode, detail: int, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.detail = detail


class SimulatedEngine(Protocol):
    """An engine of a simulated device. Deterministic: equal calls give equal answers."""

    name: str

    def image_models(self) -> tuple[tuple[str, str], ...]:
        """Name and SHA-256 of the models that count as compiled into the image."""

    def prepare(self, model: bytes | int, arena_bytes: int) -> Prepared:
        """Get the bytes of a model, or the image's model of that number, ready.

        Raises SimulatedRefusalError for a model it does not take.
        """

    def operators(self) -> tuple[str, ...]:
        """Names of the prepared model's operators."""

    def invoke(self, data: bytes) -> tuple[bytes, tuple[int, ...]]:
        """Output tensor, and cycles of each operator."""


class DigestEngine:
    """Takes any bytes for a model; outputs and cycles are digests of model and input."""

    name = "digest"
    _OPERATORS = ("CONV_2D", "MAX_POOL_2D", "FULLY_CONNECTED")
    _INPUT_BYTES, _OUTPUT_BYTES, _ARENA_BYTES = 64, 10, 4096

    def __init__(self) -> None:
        self._model = b""

    def image_models(self) -> tuple[tuple[str, str], ...]:
        """None."""
        return ()

    def prepare(self, model: bytes | int, arena_bytes: int) -> Prepared:
        """Refuses models of the image, and arenas below 4 KiB."""
        if isinstance(model, int):
            raise SimulatedRefusalError(ErrorCode.BAD_SLOT, 0, "only loaded models")
        if arena_bytes < self._ARENA_BYTES:
            raise SimulatedRefusalError(
                ErrorCode.ARENA_TOO_SMALL, self._ARENA_BYTES, "arena too small"
            )
        self._model = model
        used = self._ARENA_BYTES - hashlib.sha256(model).digest()[0]
        return Prepared(
            arena_used_bytes=used,
            arena_head_bytes=used - 1024,
            arena_tail_bytes=1024,
            arena_bytes=arena_bytes,
            operators=len(self._OPERATORS),
            input_bytes=self._INPUT_BYTES,
            input_rank=4,
            input_dim0=1,
            input_dim1=8,
            input_dim2=8,
            input_dim3=1,
            input_scale=0.0078125,
            input_zero_point=0,
            output_bytes=self._OUTPUT_BYTES,
            output_rank=2,
            output_dim0=1,
            output_dim1=10,
            output_dim2=0,
            output_dim3=0,
            output_scale=0.0625,
            output_zero_point=-1,
        )

    def operators(self) -> tuple[str, ...]:
        """Always the same three."""
        return self._OPERATORS

    def invoke(self, data: bytes) -> tuple[bytes, tuple[int, ...]]:
        """Output: a digest of model and input. Cycles: some thousands, by model alone."""
        output = hashlib.sha256(self._model + data).digest()[: self._OUTPUT_BYTES]
        seed = hashlib.sha256(self._model).digest()
        return output, tuple(1000 + 100 * seed[i] for i in range(len(self._OPERATORS)))
