"""Looks at what is here and what is missing, and knows the command that mends it."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from munas.errors import MunasError

State = Literal["ok", "missing", "optional"]


@dataclass(frozen=True)
class Check:
    """One thing looked at: `optional` is missing but not needed for a search."""

    name: str
    state: State
    found: str
    mend: str = ""

    def as_dict(self) -> dict[str, str]:
        return {"name": self.name, "state": self.state, "found": self.found, "mend": self.mend}


CORE = (
    "tensorflow",
    "numpy",
    "pandas",
    "scikit-learn",
    "ai-edge-litert",
    "platformio",
    "pyserial",
)
EXTRAS = {
    "emulator": (("unicorn", "capstone", "numba"), "the emulated boards"),
    "aot": (("bakenn",), "the ahead-of-time engine"),
    "baselines": (("optuna",), "the search algorithms nsga2 and tpe"),
    "ray": (("ray",), "searches on many machines"),
    "tfds": (("tensorflow_datasets",), "data sets that it has prepared"),
}
TOOLS = (
    ("arm-none-eabi-gcc", "building firmware", "gcc-arm-none-eabi libnewlib-arm-none-eabi"),
    ("openocd", "flashing a physical board", "openocd"),
    ("qemu-system-arm", "checking the emulator against QEMU", "qemu-system-arm"),
)


def examine(board: str | None = None) -> list[Check]:
    """All checks, in the order in which they matter. Takes a second or two; changes nothing.

    With `board`, what that board type needs counts as needed. Raises BadInputError for a name that
    is no board's.
    """
    checks = [_python(), *map(_package, CORE), _golden(), *_extras(), _tflm(), *map(_tool, TOOLS)]
    checks += [*_arm_libraries(), _fashion(), _writable(), *_ports(), *_board_files()]
    return [*checks, *_board(board)] if board else checks


def _python() -> Check:
    return Check("python", "ok", ".".join(map(str, sys.version_info[:3])))


def _package(name: str) -> Check:
    try:
        return Check(name, "ok", importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        return Check(name, "missing", "not installed", "pip install munas")


def _guarded(name: str, look: Callable[[], str], state: State) -> Check:
    try:
        return Check(name, "ok", look())
    except MunasError as error:
        return Check(name, state, error.what, error.mend)
    except Exception as error:
        return Check(name, state, f"it does not load: {error}", "pip install munas")


def _golden() -> Check:
    def look() -> str:
        from munas.deploy.golden import golden_version

        return golden_version()

    return _guarded("tflite-micro (golden outputs)", look, "optional")


def absent_packages(extra: str) -> list[str]:
    """The packages of an extra that are not installed."""
    return [package for package in EXTRAS[extra][0] if importlib.util.find_spec(package) is None]


def _extras() -> list[Check]:
    checks = []
    for extra, (packages, use) in EXTRAS.items():
        absent = absent_packages(extra)
        if absent:
            mend = f"pip install 'munas[{extra}]'"
            found = f"for {use}; not installed: {', '.join(absent)}"
            checks.append(Check(f"extra {extra}", "optional", found, mend))
        else:
            versions = ", ".join(f"{p} {importlib.metadata.version(p)}" for p in packages)
            checks.append(Check(f"extra {extra}", "ok", versions))
    return checks


def _tool(tool: tuple[str, str, str]) -> Check:
    name, use, package = tool
    path = shutil.which(name)
    if path:
        return Check(name, "ok", path)
    mend = f"apt-get install {package} (Debian), or your system's package of it"
    return Check(name, "optional", f"for {use}; not found", mend)


def _tflm() -> Check:
    from munas.latency.engine import describe_engines

    tflm = next(engine for engine in describe_engines() if engine["engine"] == "tflm")
    if tflm["installed"]:
        return Check("engine tflm", "ok", str(tflm["revision"]))
    found = "its sources are not here (got when first used, where the network allows)"
    return Check("engine tflm", "optional", found, str(tflm["get"]))


# What a compiler without its libraries says of a file: the bare name.
_ARM_LIBRARIES = (
    ("libc_nano.a", "newlib for arm", "libnewlib-arm-none-eabi"),
    ("libstdc++_nano.a", "libstdc++ for arm", "libstdc++-arm-none-eabi-newlib"),
)


def _arm_libraries() -> list[Check]:
    """The compiler's libraries, which Debian has in packages of their own; none without it."""
    compiler = shutil.which(TOOLS[0][0])
    if compiler is None:
        return []
    checks = []
    for file, name, package in _ARM_LIBRARIES:
        asked = [compiler, "-mcpu=cortex-m4", "-mthumb", f"-print-file-name={file}"]
        try:
            done = subprocess.run(asked, capture_output=True, text=True, timeout=20, check=False)
            found = done.stdout.strip()
        except (OSError, subprocess.TimeoutExpired):
            found = ""
        if Path(found).is_file():
            checks.append(Check(name, "ok", os.path.realpath(found)))
        else:
            mend = f"apt-get install {package} (Debian), or your system's package of it"
            checks.append(Check(name, "optional", f"for building firmware; no {file}", mend))
    return checks


def _fashion() -> Check:
    from munas.train import REGISTRY

    cached = Path.home() / ".keras" / "datasets" / "fashion-mnist"
    for folder in (*REGISTRY["fashion_mnist"].system_folders, cached):
        if folder.is_dir():
            return Check("data fashion_mnist", "ok", str(folder))
    return Check(
        "data fashion_mnist",
        "optional",
        "not on this machine yet (downloaded when first used; digits stands in where it cannot)",
        "apt-get install dataset-fashion-mnist (Debian), or set data.folder",
    )


def _board(name: str) -> list[Check]:
    """What one board type needs. Raises BadInputError for a name that is not one."""
    from munas.boards.registry import find_board

    board = find_board(name)
    found = f"{board.mcu}, {board.clock_hz // 1_000_000} MHz, {board.kind}"
    checks = [Check(f"board {name}", "ok", found)]
    checks += map(_required, (_tool(TOOLS[0]), *_arm_libraries()))
    if board.emulated:
        wanted = [check for check in _extras() if check.name == "extra emulator"]
        return [*checks, *map(_required, wanted)]
    return [*checks, _required(_tool(TOOLS[1]))]


def _board_files() -> list[Check]:
    from munas.boards.registry import faulty_boards

    return [
        Check(f"board {name}", "optional", fault.what, fault.mend)
        for name, fault in faulty_boards().items()
    ]


def _required(check: Check) -> Check:
    return replace(check, state="missing") if check.state == "optional" else check


def _writable() -> Check:
    here = Path.cwd()
    if os.access(here, os.W_OK):
        free_mib = shutil.disk_usage(here).free // 2**20
        return Check("this folder", "ok", f"{here}, {free_mib:,} MiB free")
    return Check("this folder", "missing", f"{here} is read-only", "work in a folder of your own")


def _ports() -> list[Check]:
    from serial.tools import list_ports

    ports = [p for p in list_ports.comports() if p.vid is not None]
    if not ports:
        return [Check("boards", "optional", "no USB serial port is attached", "attach a board")]
    checks = []
    for port in ports:
        usable = os.access(port.device, os.R_OK | os.W_OK)
        mend = "" if usable else "add yourself to its group: sudo usermod -aG dialout $USER"
        state: State = "ok" if usable else "missing"
        checks.append(Check(f"port {port.device}", state, str(port.description), mend))
    return checks
