"""Board types: what a board file says.

A board file is one PlatformIO environment, in PlatformIO's own format, plus `custom_munas_*` keys.
This module reads the keys; it must not know how a board is built, flashed or spoken to.
"""

from __future__ import annotations

import configparser
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from munas.errors import BadInputError
from munas.wording import told

PREFIX = "custom_munas_"
Engine = Literal["tflm", "aot"]


class MacConstants(BaseModel):
    """cycles = cycles[0] + cycles[1] * MACs; `origin` says where the constants come from."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    cycles: tuple[float, float]
    origin: str
    error_percent: float | None = None


class BoardType(BaseModel):
    """One kind of board; `name` is its PlatformIO environment.

    Sizes in bytes, clock in Hz. `ram_bytes` is all the RAM that the firmware can use. `twin` names
    the emulated board that stands for this one. `cycles` are parameters of the emulator's cycle
    model. `openocd` is the script with which OpenOCD finds the board; `probe` says whether the
    serial line is the debug probe's own or an external adapter's.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str
    path: Path
    mcu: str = Field(min_length=4)
    clock_hz: int = Field(gt=0)
    flash_bytes: int = Field(gt=0)
    ram_bytes: int = Field(gt=0)
    kind: Literal["physical", "emulated"] = "physical"
    baud: int = Field(default=921600, gt=0)
    twin: str | None = None
    cycles: dict[str, Any] | None = None
    mac_model: MacConstants | None = None
    openocd: str | None = None
    probe: Literal["stlink", "external"] = "stlink"
    engines: tuple[Engine, ...] = ("tflm", "aot")

    @field_validator("cycles", "mac_model", mode="before")
    @classmethod
    def _from_json(cls, value: object) -> object:
        return json.loads(value) if isinstance(value, str) else value

    @field_validator("engines", mode="before")
    @classmethod
    def _from_list(cls, value: object) -> object:
        return tuple(value.replace(",", " ").split()) if isinstance(value, str) else value

    @property
    def emulated(self) -> bool:
        return self.kind == "emulated"


def read_boards(folders: list[Path], project: Path) -> dict[str, BoardType]:
    """All boards of the `.ini` files in `folders`; a later folder's board replaces an earlier one.

    `project` is the platformio.ini whose sections the boards extend. Raises BadInputError that
    names the file and the key.
    """
    origins: dict[str, Path] = {}
    sections: dict[str, dict[str, str]] = {
        name: dict(part) for name, part in _parse(project).items() if name != "DEFAULT"
    }
    for folder in folders:
        for path in sorted(folder.glob("*.ini")):
            parsed = _parse(path)
            for name in parsed.sections():
                sections[name] = dict(parsed[name])
                if name.startswith("env:"):
                    origins[name] = path
    return {
        name.removeprefix("env:"): _board(name, path, sections) for name, path in origins.items()
    }


def _parse(path: Path) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(inline_comment_prefixes=("#", ";"), interpolation=None)
    try:
        parser.read_string(path.read_text(encoding="utf-8"), source=str(path))
    except (OSError, UnicodeDecodeError, configparser.Error) as error:
        raise BadInputError(f"The board file {path} cannot be read: {error}.") from None
    return parser


def _keys(section: str, path: Path, sections: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """The munas keys of a section with those that it extends; nearer ones win."""
    keys: dict[str, str] = {}
    seen: set[str] = set()
    pending = [section]
    while pending:
        name = pending.pop(0)
        if name in seen:
            continue
        seen.add(name)
        if name not in sections:
            raise BadInputError(
                f"{path}: [{section}] extends [{name}], which is not there.",
                "Name a section of platformio.ini or of another board file.",
            )
        for key, value in sections[name].items():
            if key.startswith(PREFIX):
                keys.setdefault(key.removeprefix(PREFIX), value)
        pending += sections[name].get("extends", "").replace(",", " ").split()
    return keys


def _board(section: str, path: Path, sections: Mapping[str, Mapping[str, str]]) -> BoardType:
    keys = _keys(section, path, sections)
    try:
        return BoardType(name=section.removeprefix("env:"), path=path, **_checked(keys, path))
    except ValidationError as error:
        first = error.errors()[0]
        key = PREFIX + ".".join(str(part) for part in first["loc"])
        raise BadInputError(
            f"{path}: {key}: {told(first)}.",
            "docs/boards.md lists the keys of a board file.",
        ) from None


def _checked(keys: dict[str, str], path: Path) -> dict[str, Any]:
    known = set(BoardType.model_fields) - {"name", "path"}
    for key, value in keys.items():
        if key not in known:
            raise BadInputError(
                f"{path}: there is no key {PREFIX}{key}.",
                f"There are: {', '.join(PREFIX + name for name in sorted(known))}.",
            )
        if key in ("cycles", "mac_model"):
            try:
                json.loads(value)
            except json.JSONDecodeError as error:
                raise BadInputError(f"{path}: {PREFIX}{key} is not JSON: {error}.") from None
    return dict(keys)
