"""PlatformIO made to work without its own registry.

PlatformIO downloads its build tool before the first build. The same tool is on PyPI as `scons`, so
it is laid down from there, in a core folder of munas' own; with that and the variables below a
build makes no network connection. Must not know what is built.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from pathlib import Path

from munas.errors import BuildError
from munas.firmware.cache import cache_root, locked

_SCONS = "import sys\nfrom SCons.Script import main\nsys.exit(main())\n"


def core_folder(project: Path) -> Path:
    """PlatformIO's core folder for the firmware tree `project`, ready for use without network.

    One per tree, because PlatformIO remembers there where the tree's own platform lies.
    """
    mark = hashlib.sha256(str(project.resolve()).encode()).hexdigest()[:12]
    core = cache_root() / "platformio" / mark
    with locked(core):
        _lay_down_scons(core / "packages" / "tool-scons")
    return core


def _lay_down_scons(package: Path) -> None:
    from platformio.dependencies import get_core_dependencies

    wanted = str(get_core_dependencies()["tool-scons"]).lstrip("~^=")
    manifest = {"name": "tool-scons", "version": wanted, "system": "*"}
    source = {"owner": "platformio", "id": None, "name": "tool-scons"}
    spec = {**source, "requirements": None, "uri": None}
    record = {"type": "tool", "name": "tool-scons", "version": wanted, "spec": spec}
    _check_scons(wanted)
    package.mkdir(parents=True, exist_ok=True)
    _write(package / "package.json", json.dumps(manifest))
    _write(package / ".piopm", json.dumps(record))
    _write(package / ".piokeep", "")
    _write(package / "scons.py", _SCONS)


def _check_scons(wanted: str) -> None:
    """4.41101.0 is PlatformIO's way of writing SCons 4.11.1."""
    from importlib.metadata import version

    installed = version("scons")
    digits = wanted.split(".")[1]
    expected = f"{digits[0]}.{int(digits[1:3])}.{int(digits[3:5])}"
    if installed != expected:
        raise BuildError(
            f"PlatformIO wants SCons {expected}; {installed} is installed.",
            f"Install it with: pip install 'scons=={expected}'",
        )


def _write(path: Path, text: str) -> None:
    if not path.is_file() or path.read_text() != text:
        path.write_text(text)


def surroundings(project: Path) -> dict[str, str]:
    """The environment variables with which PlatformIO runs offline on the tree `project`."""
    return {
        **os.environ,
        "PLATFORMIO_CORE_DIR": str(core_folder(project)),
        "PLATFORMIO_SETTING_ENABLE_TELEMETRY": "no",
        "PLATFORMIO_DISABLE_UPGRADE_CHECK": "true",
        "PLATFORMIO_NO_ANSI": "true",
        # The firmware tree may lie in site-packages, where nothing is ever written.
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def command(*arguments: str) -> list[str]:
    """The command line that runs PlatformIO of this Python environment."""
    return [sys.executable, "-m", "platformio", *arguments]
