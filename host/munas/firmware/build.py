"""Builds the firmware for a board with one engine, through PlatformIO.

One build folder and one lock per (firmware tree, environment, engine, engine sources). The tree
itself is never written to. Must not know of devices.
"""

from __future__ import annotations

import configparser
import hashlib
import json
import logging
import re
import shutil
from collections.abc import Sequence
from configparser import ConfigParser
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from munas.deploy.engines.aot import ADAPTER as AOT_ADAPTER
from munas.deploy.engines.aot import REVISION as AOT_REVISION
from munas.deploy.engines.aot import AotModel, Kernels, generate, kernel_set
from munas.errors import BadInputError, BuildError
from munas.firmware.cache import cache_root, locked
from munas.firmware.core import command, surroundings
from munas.firmware.image import FirmwareImage, read_elf
from munas.firmware.process import run_to_end
from munas.firmware.remembered import image_key, recall, remember
from munas.resources import data_root

log = logging.getLogger(__name__)
TIMEOUT_S = 1800


@dataclass(frozen=True)
class BuildRequest:
    """What to build.

    `tflm` is the folder of the TFLM library (engine tflm alone), `models` the (name, .tflite bytes)
    of an aot image. `boards` is a folder with more board files. `project` is another firmware tree
    than munas' own: a folder with a platformio.ini, its board files in `boards` beside it.
    `padding_bytes` moves the code by so much.
    """

    environment: str
    engine: Literal["aot", "tflm"]
    models: Sequence[tuple[str, bytes]] = ()
    kernels: Kernels = "cmsis-nn"
    tflm: Path | None = None
    boards: Path | None = None
    project: Path | None = None
    padding_bytes: int = 0


def build(request: BuildRequest) -> FirmwareImage:
    """Build, or take what is built already.

    Raises BuildError with the compiler's first error, ConvertError where the engine aot does not
    take a model.
    """
    project = _project(request)
    folder = _folder(project, request)
    with locked(folder):
        key = _key(project, request)
        known = recall(folder / "images", key)
        if known is not None:
            return known
        models: list[AotModel] = []
        variables: dict[str, str] = {"MUNAS_ENGINE": request.engine}
        if request.padding_bytes:
            variables["MUNAS_PADDING"] = str(request.padding_bytes)
        if request.engine == "aot":
            models = generate(request.models, folder / "models", request.kernels)
            variables["MUNAS_MODELS"] = str(folder / "models")
        else:
            variables["MUNAS_TFLM"] = str(_library(request))
        run_platformio(request, folder, project, variables)
        built = folder / "build" / request.environment
        image = _image(request, built, folder / "images", models)
        remember(folder / "images", key, image)
        return image


def run_platformio(
    request: BuildRequest, folder: Path, project: Path, variables: dict[str, str], *targets: str
) -> None:
    """`pio run` for the request, with `targets` beyond the image. Raises BuildError."""
    environment = {
        **surroundings(project),
        "PLATFORMIO_BUILD_DIR": str(folder / "build"),
        "PLATFORMIO_WORKSPACE_DIR": str(folder / "workspace"),
        "PLATFORMIO_BUILD_CACHE_DIR": str(folder / "objects"),
        **variables,
    }
    arguments = ["run", "-d", str(project), "-e", request.environment]
    config = configuration(project, folder, request.boards)
    if config is not None:
        arguments += ["-c", str(config)]
    for target in targets:
        arguments += ["-t", target]
    log.info("Building the firmware for %s with %s …", request.environment, request.engine)
    code, output = run_to_end(command(*arguments), environment, TIMEOUT_S)
    if code != 0:
        _write_log(folder / "build.log", output)
        raise build_error(request.environment, output, folder / "build.log")


def _folder(project: Path, request: BuildRequest) -> Path:
    boards = request.boards if _has_boards(request.boards) else None
    identity = [str(project.resolve()), str(request.tflm), request.kernels, str(boards)]
    mark = hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:10]
    return cache_root() / "builds" / f"{request.environment}-{request.engine}-{mark}"


def _key(project: Path, request: BuildRequest) -> str:
    trees = [project, project.parent / "boards"]
    trees += [tree for tree in (request.boards, request.tflm) if tree is not None]
    models = [f"{name} {hashlib.sha256(data).hexdigest()}" for name, data in request.models]
    padding = f"padding {request.padding_bytes}"
    return image_key(trees, [request.kernels, f"{AOT_REVISION} {AOT_ADAPTER}", padding, *models])


def _project(request: BuildRequest) -> Path:
    if request.project is None:
        return data_root() / "firmware"
    if not (request.project / "platformio.ini").is_file():
        raise BadInputError(
            f"{request.project} is not a firmware tree: it has no platformio.ini.",
            "Give the folder that `pio run` works in.",
        )
    return request.project.resolve()


def _library(request: BuildRequest) -> Path:
    if request.tflm is None or not (request.tflm / "library.json").is_file():
        raise BuildError(
            "The engine tflm is not installed.",
            "Install it with: munas engine install tflm; or use the engine aot.",
        )
    return request.tflm


def _has_boards(folder: Path | None) -> bool:
    return folder is not None and any(folder.glob("*.ini"))


def configuration(project: Path, folder: Path, boards: Path | None) -> Path | None:
    """A platformio.ini that reads the person's own board files too; null where there are none."""
    if boards is None or not _has_boards(boards):
        return None
    text = (project / "platformio.ini").read_text()
    # One that cannot be read would fail the build of every board.
    files = "".join(f"\n  {path}" for path in sorted(boards.glob("*.ini")) if _is_readable(path))
    own = f"extra_configs =\n  ../boards/*.ini{files}"
    path = folder / "platformio.ini"
    path.write_text(re.sub(r"^extra_configs = .*$", lambda _: own, text, flags=re.MULTILINE))
    return path


def _is_readable(path: Path) -> bool:
    """Whether PlatformIO's parser takes the file."""
    try:
        ConfigParser(inline_comment_prefixes=("#", ";")).read_string(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, configparser.Error):
        return False
    return True


def build_error(environment: str, output: str, kept: Path) -> BuildError:
    """The fault behind PlatformIO's output: the compiler's first error, if there is one."""
    lines = [line.strip() for line in output.splitlines()]
    patterns = (
        r"(^|[\s:])(fatal )?error: ",
        r"undefined reference|will not fit in region|region .* overflowed|not found: |command not",
        r"^(\*\*\*|Error|.*Error:|.*HTTPClientError|.*UnknownPackage)",
    )
    first = next((line for p in patterns for line in lines if re.search(p, line)), None)
    if re.search(r"arm-none-eabi-\S+: (command )?not found|No such file.*arm-none-eabi", output):
        return BuildError(
            f"The firmware for {environment} did not build: there is no arm-none-eabi-gcc.",
            "Install it: apt install gcc-arm-none-eabi libnewlib-arm-none-eabi "
            "libstdc++-arm-none-eabi-newlib",
        )
    if re.search(r"HTTPClientError|UnknownPackageError|InternetConnectionError", output):
        return BuildError(
            f"PlatformIO could not get what {environment} is built with: {first}",
            "Boards with ST's Arduino core need PlatformIO's registry once. Emulated boards and "
            "nucleo_l4r5zi_bare need only arm-none-eabi-gcc.",
        )
    return BuildError(
        f"The firmware for {environment} did not build: {first or lines[-1] if lines else '?'}",
        f"All of the output is in {kept}.",
    )


def _write_log(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def _image(
    request: BuildRequest, built: Path, images: Path, models: list[AotModel]
) -> FirmwareImage:
    """The image, copied to where the next build does not overwrite it."""
    facts = read_elf(built / "firmware.elf")
    images.mkdir(parents=True, exist_ok=True)
    kept = images / f"{facts.sha256[:16]}-{facts.source_digest[:8]}.elf"
    if not kept.is_file():
        shutil.copy(built / "firmware.elf", kept.with_suffix(".part"))
        kept.with_suffix(".part").replace(kept)
    kept.touch()
    info = (built / "generated" / "munas_build_info.h").read_text()
    revision, kernels = AOT_REVISION, kernel_set(request.kernels)
    if request.engine == "tflm":
        described = json.loads((_library(request) / "munas.json").read_text())
        revision, kernels = described["revision"], described["kernels"]
    return FirmwareImage(
        elf=kept,
        board=request.environment,
        sha256=facts.sha256,
        source_digest=facts.source_digest,
        sections=facts.sections,
        flash_bytes=facts.flash_bytes,
        compiler=facts.compiler,
        flags=_defined(info, "MUNAS_FLAGS"),
        engine=request.engine,
        engine_revision=revision,
        kernels=kernels,
        mcu=facts.mcu,
        models=tuple(models),
    )


def _defined(header: str, name: str) -> str:
    found = re.search(rf'^#define {name} "(.*)"$', header, flags=re.MULTILINE)
    if found is None:
        raise BadInputError(f"The build's header does not define {name}.")
    return found.group(1)
