"""`python -m munas.firmware run -e emulated_stm32l4r5`: PlatformIO by hand, without its registry.

Passes its arguments to PlatformIO in the firmware tree, with the core folder and variables that
munas' own builds use. Without network access this is the way to run `pio` by hand.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import NoReturn

from munas.errors import MunasError
from munas.firmware.core import command, surroundings
from munas.resources import data_root


def main() -> NoReturn:
    project = data_root() / "firmware"
    try:
        environment = surroundings(project)
    except MunasError as error:
        print(error, file=sys.stderr)
        sys.exit(int(error.exit_code))
    # Not beside the sources: they may lie in site-packages.
    workspace = Path(environment["PLATFORMIO_CORE_DIR"]) / "workspace"
    environment.setdefault("PLATFORMIO_WORKSPACE_DIR", str(workspace))
    os.chdir(project)
    os.execve(sys.executable, command(*sys.argv[1:]), environment)


if __name__ == "__main__":
    main()
