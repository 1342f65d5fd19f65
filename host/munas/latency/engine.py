"""Which engine to measure with: tflm where it is or can be had, else aot, and why."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast, get_args

from munas.boards.registry import user_boards
from munas.boards.types import BoardType
from munas.deploy.engines import aot
from munas.deploy.engines.aot import Kernels
from munas.errors import BadInputError, InfrastructureError, MunasError
from munas.firmware.build import BuildRequest, build
from munas.firmware.engines import install_tflm, tflm_library, try_install_tflm
from munas.firmware.image import FirmwareImage

log = logging.getLogger(__name__)

EngineName = Literal["tflm", "aot"]
RequestedEngine = Literal["auto", "tflm", "aot"]


@dataclass(frozen=True)
class EngineChoice:
    """An engine, what it is built from, and why it was taken (one sentence)."""

    name: EngineName
    kernels: Kernels
    library: Path | None
    reason: str


def choose_engine(board: BoardType, requested: RequestedEngine = "auto") -> EngineChoice:
    """Raises BadInputError for an engine that the board has no room for.

    `auto` installs tflm where upstream can be reached; it never fails for lack of it.
    """
    if requested != "auto" and requested not in board.engines:
        raise BadInputError(
            f"{board.name} has no room for the engine {requested}.",
            f"It runs: {', '.join(board.engines)}.",
        )
    kernels = kernels_of(board)
    if requested == "aot":
        return EngineChoice("aot", kernels, None, "it was asked for")
    if requested == "tflm":
        return EngineChoice("tflm", kernels, tflm_library() or install_tflm(), "it was asked for")
    if "tflm" not in board.engines:
        return EngineChoice("aot", kernels, None, f"tflm does not fit {board.name}")
    library = tflm_library()
    if library is not None:
        return EngineChoice("tflm", kernels, library, "it is installed")
    try:
        return EngineChoice("tflm", kernels, try_install_tflm(), "it was installed just now")
    except MunasError as error:
        log.warning("tflm is not at hand, aot is used: %s", error.what)
    if not aot.available():
        raise InfrastructureError(
            "There is no inference engine: tflm is not installed and the extra `aot` neither.",
            "Install one: munas engine install tflm, or pip install 'munas[aot]'.",
        )
    return EngineChoice("aot", kernels, None, "tflm's sources cannot be reached")


def parse_engine(text: str) -> RequestedEngine:
    """`auto`, `tflm` or `aot`. Raises BadInputError."""
    for name in get_args(RequestedEngine):
        if text == name:
            return cast(RequestedEngine, name)
    raise BadInputError(f"There is no engine {text!r}.", "There are: auto, tflm, aot.")


def empty_firmware(board: BoardType, requested: RequestedEngine) -> FirmwareImage:
    """The board's firmware without a model in it."""
    choice = choose_engine(board, requested)
    return build(
        BuildRequest(
            environment=board.name,
            engine=choice.name,
            kernels=choice.kernels,
            tflm=choice.library,
            boards=user_boards(),
        )
    )


def kernels_of(board: BoardType) -> Kernels:
    """CMSIS-NN's fast kernels want the DSP instructions that a Cortex-M3 lacks."""
    return (
        "portable"
        if board.mcu.upper().startswith(("STM32F1", "STM32L1", "STM32F2"))
        else ("cmsis-nn")
    )


def describe_engines() -> list[dict[str, object]]:
    """The engines, whether each is at hand, at which revision, and how to get it."""
    library = tflm_library()
    tflm = json.loads((library / "munas.json").read_text()) if library else {}
    return [
        {
            "engine": "tflm",
            "installed": library is not None,
            "revision": tflm.get("revision"),
            "kernels": tflm.get("kernels"),
            "get": "munas engine install tflm",
        },
        {
            "engine": "aot",
            "installed": aot.available(),
            "revision": aot.REVISION,
            "kernels": aot.kernel_set("cmsis-nn"),
            "get": "pip install 'munas[aot]'",
        },
    ]
