"""Options that commands on firmwares share, and how they become a firmware and a suite."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from munas.errors import BadInputError

if TYPE_CHECKING:
    from munas.experiment import Suite
    from munas.regress.plan import Firmware

SuiteName = Annotated[
    str, typer.Argument(help="A suite file, or the name of one that comes with munas.")
]
TreeOption = Annotated[
    Path | None, typer.Option(help="Build this firmware tree (a folder with a platformio.ini).")
]
ElfOption = Annotated[Path | None, typer.Option(help="Use this firmware; build none.")]
PortOption = Annotated[
    str | None, typer.Option(help="URL of a firmware that runs already; flash none.")
]
UnitOption = Annotated[str | None, typer.Option(help="Probe serial, where several fit.")]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", help="key=value of the suite, may be repeated.")
]


def firmware_of(tree: Path | None, elf: Path | None, port: str | None) -> Firmware:
    """The firmware that the options name. Raises BadInputError for more than one."""
    from munas.regress.plan import OWN, Firmware, parse_firmware

    if sum(option is not None for option in (tree, elf, port)) > 1:
        raise BadInputError(
            "--firmware, --elf and --port each name the firmware.", "Give one of them."
        )
    if tree is not None:
        return parse_firmware(str(tree))
    if elf is not None and not elf.is_file():
        raise BadInputError(f"There is no file {elf}.", "Give the firmware.elf of a build.")
    return OWN if elf is None and port is None else Firmware(elf=elf, port=port)


def inputs_of(suite: Suite, origin: Path, *files: Path | None) -> list[Path]:
    """All files that a command reads: no output may take the place of one."""
    from munas.experiment import model_path

    models = [model_path(model, origin) for model in suite.models if model.path is not None]
    return [origin, *models, *(path for path in files if path is not None)]


def suite_of(name: str, overrides: list[str] | None) -> tuple[Suite, Path]:
    """The suite and the file that it came from."""
    from munas.experiment import find_suite, load_suite

    path = find_suite(name)
    return load_suite(path, tuple(overrides or ())), path
