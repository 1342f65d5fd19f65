"""Board types: what a board file says.

A board file is one PlatformIO environment, in PlatformIO's own format, plus `custom_munas_*` keys.
This module reads the keys; it must not know how a board is built, flashed or spoken to.
"""

from __future__ import annotations

import configparser
import json
from collections.abc import Mapping
from dataclasses import dataclass
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


@dataclass(frozen=True)
class BoardFiles:
    """What board files hold: boards by name, and what is wrong with others.

    A fault goes by the board's name, or by the file's (without `.ini`) where no board can be read.
    """

    boards: dict[str, BoardType]
    faults: dict[str, BadInputError]


def read_boards(folders: list[Path], project: Path) -> BoardFiles:
    """All boards of the `.ini` files in `folders`; a later folder's board replaces an earlier one.

    `project` is the platformio.ini whose sections the boards extend; raises BadInputError where it
    cannot be read. The faults of board files name the file and the key.
    """
    origins: dict[str, Path] = {}
    faults: dict[str, BadInputError] = {}
    sections = _sections(project)
    for path in (path for folder in folders for path in sorted(folder.glob("*.ini"))):
        try:
            found = _sections(path)
        except BadInputError as error:
            faults[path.stem] = error
            continue
        sections |= found
        origins |= {name: path for name in found if name.startswith("env:")}
    boards: dict[str, BoardType] = {}
    for section, path in origins.items():
        name = section.removeprefix("env:")
        try:
            boards[name] = _board(section, path, sections)
        except BadInputError as error:
            faults[name] = error
    for board in list(boards.values()):
        fault = _twin_fault(board, boards, faults)
        if fault is not None:
            del boards[board.name]
            faults[board.name] = fault
    return BoardFiles(boards, faults)


def _twin_fault(
    board: BoardType, boards: Mapping[str, BoardType], faults: Mapping[str, BadInputError]
) -> BadInputError | None:
    """What is wrong with the board's twin; a twin that has a fault of its own tells that itself."""
    twin = boards.get(board.twin or "")
    if board.twin is None or board.twin in faults or (twin is not None and twin.emulated):
        return None
    emulated = ", ".join(sorted(each.name for each in boards.values() if each.emulated))
    what = "is no board" if twin is None else "is a physical board"
    return BadInputError(
        f"{board.path}: {PREFIX}twin: {board.twin} {what}; a twin is an emulated one.",
        f"Name one of {emulated}, or leave the key out.",
    )


def _sections(path: Path) -> dict[str, dict[str, str]]:
    """The sections of a file in PlatformIO's format. Raises BadInputError that names it."""
    parser = configparser.ConfigParser(inline_comment_prefixes=("#", ";"), interpolation=None)
    try:
        parser.read_string(path.read_text(encoding="utf-8"), source=str(path))
    except OSError as error:
        raise BadInputError(f"The board file {path} cannot be read: {error.strerror}.") from None
    except (UnicodeDecodeError, configparser.Error) as error:
        raise BadInputError(
            f"The board file {path} cannot be read: {_reason(error)}.",
            "It is PlatformIO's format: [env:NAME], then lines `key = value`; see docs/boards.md.",
        ) from None
    return {name: dict(parser[name]) for name in parser.sections()}


def _reason(error: UnicodeDecodeError | configparser.Error) -> str:
    if isinstance(error, configparser.MissingSectionHeaderError):
        return f"line {error.lineno} stands before any [section]"
    if isinstance(error, configparser.DuplicateSectionError):
        return f"line {error.lineno}: [{error.section}] is there twice"
    if isinstance(error, configparser.DuplicateOptionError):
        return f"line {error.lineno}: {error.option} is there twice in [{error.section}]"
    if isinstance(error, configparser.ParsingError):
        return f"line {error.errors[0][0]} is not of the form `key = value`"
    return "it is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else str(error)


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
