"""Reads experiment files: TOML, `key=value` overrides, and faults that name file and field."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from munas.errors import BadInputError
from munas.experiment.schema import Experiment, StudyExperiment
from munas.experiment.suite import Suite
from munas.resources import named_files
from munas.wording import told

F = TypeVar("F", bound=BaseModel)
_PAGES = {"experiment": "docs/experiments.md", "suite": "docs/regression.md"}


def find_experiment(name: str) -> Path:
    """The file behind a path or the name of an experiment that comes with the package.

    Raises BadInputError that lists the names there are.
    """
    return _find(name, "experiment", "experiments")


def find_suite(name: str) -> Path:
    """The file behind a path or the name of a suite that comes with the package.

    Raises BadInputError that lists the names there are.
    """
    return _find(name, "suite", "experiments/suites")


def _find(name: str, kind: str, folder: str) -> Path:
    path = Path(name)
    known = named_files(folder, ".toml")
    names = ", ".join(known) or "none"
    choices = f"Give the path of a .toml file, or one of the names that come with munas: {names}."
    if path.suffix == ".toml" or path.exists():
        if path.is_file():
            return path
        raise BadInputError(f"There is no {kind} file {path}.", choices)
    if name in known:
        return known[name]
    raise BadInputError(f"There is no {kind} called {name!r}.", choices)


def load_experiment(path: Path, overrides: tuple[str, ...] = ()) -> Experiment:
    """Read and check one experiment.

    `overrides` are `section.key=value` with the value in TOML (a bare word is taken as a string).
    Raises BadInputError that names the file and the field.
    """
    return parse_experiment(_read(path, overrides), str(path))


def load_study(path: Path, overrides: tuple[str, ...] = ()) -> StudyExperiment:
    """Read and check the experiment of a study; as `load_experiment`, but data may be absent."""
    return parse_study(_read(path, overrides), str(path))


def load_suite(path: Path, overrides: tuple[str, ...] = ()) -> Suite:
    """Read and check a suite; as `load_experiment`."""
    table = _read(path, overrides)
    if "models" not in table and ("data" in table or "search" in table):
        raise BadInputError(
            f"{path} is an experiment, not a suite.",
            "A suite lists [[models]], boards and engines: see docs/regression.md.",
        )
    return _checked(Suite, table, str(path), "suite")


def _read(path: Path, overrides: tuple[str, ...]) -> dict[str, Any]:
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        raise BadInputError(f"{path} is not a text file.", "It must be TOML.") from None
    except tomllib.TOMLDecodeError as error:
        raise BadInputError(f"{path} is not valid TOML: {error}.") from None
    except OSError as error:
        raise BadInputError(f"{path} cannot be read: {error.strerror}.") from None
    for override in overrides:
        _override(table, override)
    return table


def parse_experiment(table: dict[str, Any], origin: str) -> Experiment:
    """Check a table that came from `origin` (a file's name, for the message)."""
    return _checked(Experiment, table, origin)


def parse_study(table: dict[str, Any], origin: str) -> StudyExperiment:
    """Check the table of a study's experiment."""
    return _checked(StudyExperiment, table, origin)


def _checked(kind: type[F], table: dict[str, Any], origin: str, noun: str = "experiment") -> F:
    try:
        return kind.model_validate(table)
    except ValidationError as error:
        lines = list(dict.fromkeys(_line(item) for item in _own_faults(error)))
        raise BadInputError(
            f"{origin} is not a valid {noun}:\n" + "\n".join(lines),
            f"Mend the fields named above; {_PAGES[noun]} lists them all.",
        ) from None


def _own_faults(error: ValidationError) -> list[ErrorDetails]:
    """Without what merely follows: a list whose entries are wrong counts as too short."""
    faults = error.errors()
    places = [item["loc"] for item in faults]
    return [
        item
        for item in faults
        if item["type"] != "too_short"
        or not any(
            len(place) > len(item["loc"]) and place[: len(item["loc"])] == item["loc"]
            for place in places
        )
    ]


def _line(item: ErrorDetails) -> str:
    field = _field(item["loc"])
    return f"  {field}: {told(item)}" if field else f"  {told(item)}"


def _field(location: tuple[int | str, ...]) -> str:
    """The field's name; which kind of several a value was tried as is no part of it."""
    return ".".join(str(part) for part in location if "[" not in str(part))


def _override(table: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    parts = [part.strip() for part in key.split(".")]
    if not equals or not all(parts):
        raise BadInputError(
            f"--set {override!r} is not of the form section.key=value.",
            "For example: --set train.epochs=5, or of a suite --set runs=20",
        )
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError as error:
        value = text.strip()
        if value.startswith(("[", "{", '"', "'")):
            raise BadInputError(f"--set {override!r} is not valid TOML: {error}.") from None
    target = table
    for part in parts[:-1]:
        target = target.setdefault(part, {})
        if not isinstance(target, dict):
            raise BadInputError(f"--set {override!r}: {part} is a value, not a section.")
    target[parts[-1]] = value
