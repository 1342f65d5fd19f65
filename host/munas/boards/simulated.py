"""A simulated board: Python all the way, with faults on demand. For tests and for trying things.

It computes what the tflite-micro wheel computes; its cycles are made up from MACs. Must not be
taken for a measurement of anything.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import numpy as np

from munas.boards.board import Capabilities
from munas.boards.checks import ask_identity, check_identity
from munas.boards.types import BoardType
from munas.cost import Graph
from munas.deploy.golden import GoldenRunner
from munas.deploy.model_file import load_model, read_graph, shape_of
from munas.errors import FlashError, MunasError, TransportError
from munas.firmware.image import FirmwareImage
from munas.link.client import Identity
from munas.link.messages import ErrorCode, Prepared
from munas.link.simulated import SimulatedDevice, SimulatedTraits
from munas.link.simulated_engine import SimulatedRefusalError
from munas.link.simulated_line import SimulatedLine
from munas.link.transport import Transport

CYCLES_PER_MAC = 6
CYCLES_PER_OPERATOR = 1000


class WheelEngine:
    """An engine of a simulated device that runs .tflite files by the tflite-micro wheel."""

    name = "tflm"

    def __init__(self) -> None:
        self._runner: GoldenRunner | None = None
        self._graph: Graph | None = None
        self._shape: tuple[int, ...] = ()

    def image_models(self) -> tuple[tuple[str, str], ...]:
        """None: models are loaded."""
        return ()

    def prepare(self, model: bytes | int, arena_bytes: int) -> Prepared:
        """See SimulatedEngine; the arena is the host's."""
        if isinstance(model, int):
            raise SimulatedRefusalError(ErrorCode.BAD_SLOT, 0, "only loaded models")
        try:
            parsed = load_model(model, "the model")
            self._runner = GoldenRunner(model)
        except MunasError as error:
            raise SimulatedRefusalError(ErrorCode.BAD_MODEL, 0, error.what) from error
        used = self._runner.arena().memory_bytes
        if used > arena_bytes:
            raise SimulatedRefusalError(ErrorCode.ARENA_TOO_SMALL, used, "arena too small")
        graph = parsed.subgraphs[0]
        self._graph = read_graph(parsed)
        source, result = (graph.tensors[int(i)] for i in (graph.inputs[0], graph.outputs[0]))
        self._shape = shape_of(source)
        sides, outputs = shape_of(source), shape_of(result)
        dims = [side for shape in (sides, outputs) for side in (*shape, *([0] * (4 - len(shape))))]
        return Prepared(
            used, used // 2, used - used // 2, arena_bytes, len(graph.operators),
            int(np.prod(sides)), len(sides), dims[0], dims[1], dims[2], dims[3], 1.0, 0,
            int(np.prod(outputs)), len(outputs), dims[4], dims[5], dims[6], dims[7], 1.0, 0,
        )  # fmt: skip

    def operators(self) -> tuple[str, ...]:
        """See SimulatedEngine."""
        assert self._graph is not None
        return tuple(operator.kind for operator in self._graph.operators)

    def invoke(self, data: bytes) -> tuple[bytes, tuple[int, ...]]:
        """See SimulatedEngine."""
        assert self._runner is not None
        assert self._graph is not None
        stored = np.frombuffer(data, np.int8).reshape(self._shape[1:])
        cycles = tuple(
            CYCLES_PER_OPERATOR + CYCLES_PER_MAC * operator.macs
            for operator in self._graph.operators
        )
        return self._runner.run(stored).tobytes(), cycles


class SimulatedBoard:
    """See Board. `device` takes orders for trouble (`inject`)."""

    def __init__(self, device: SimulatedDevice | None = None) -> None:
        self.type = BoardType(
            name="simulated",
            path=Path(),
            mcu="none",
            clock_hz=120_000_000,
            flash_bytes=2 * 1024 * 1024,
            ram_bytes=640 * 1024,
            kind="emulated",
            engines=("tflm",),
        )
        self.unit = "simulated"
        self.capabilities = Capabilities(
            source="emulated",
            deterministic=True,
            flashes=True,
            note="simulated: made up from MACs, for tests only",
        )
        self.flashed = 0
        """How often an image was put onto it."""
        self.device = device or SimulatedDevice(WheelEngine())
        self._image: FirmwareImage | None = None
        self._line: SimulatedLine | None = None

    def flash(self, image: FirmwareImage) -> None:
        """See Board: the image's name is taken, its code is not."""
        if self._image == image:
            return
        self.flashed += 1
        self._image = image
        self.device.reset_from_outside()

    def open(self) -> Transport:
        """See Board: a new line, at which the device starts anew."""
        if self._image is None:
            raise FlashError("The simulated board has no firmware.", "Flash an image first.")
        self._line = SimulatedLine(self.device)
        # Its clock is a method, where the protocol has a variable that nobody sets.
        return cast(Transport, self._line)

    def reset(self) -> None:
        """See Board."""
        if self._image is None or self._line is None:
            raise TransportError("Nothing is connected to the simulated board.")
        self._line.reset_device()

    def verify(self, identity: Identity) -> None:
        """See Board."""
        check_identity(identity, None, self.type)

    def identity(self) -> Identity:
        """See Board."""
        return ask_identity(self)

    @contextmanager
    def lease(self) -> Iterator[None]:
        """See Board: it is nobody else's."""
        yield

    def close(self) -> None:
        """See Board."""
        self._image = None


def simulated_image(board: str = "simulated") -> FirmwareImage:
    """An image that only the simulated board takes."""
    return FirmwareImage(
        elf=Path("simulated.elf"),
        board=board,
        sha256=hashlib.sha256(b"simulated").hexdigest(),
        source_digest=SimulatedTraits().source_digest,
        sections={},
        flash_bytes=0,
        compiler="none",
        flags="",
        engine="tflm",
        engine_revision="simulated",
        kernels="simulated",
    )
