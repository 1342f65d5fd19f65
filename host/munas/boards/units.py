"""Enrolled units: which probe is soldered to which chip.

A unit is one device: the probe's serial number and the chip's UID, kept in `units.json` of the
person's config folder by `munas boards identify`. Must not talk to any device.
"""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from munas.boards.registry import config_root
from munas.errors import BadInputError


@dataclass(frozen=True)
class Unit:
    """One device. `uid` are 24 hexadecimal digits, `serial` the probe's (or the adapter's)."""

    serial: str
    uid: str
    board: str


def units_file() -> Path:
    """Where the units are kept; may not exist."""
    return config_root() / "units.json"


def enrolled() -> dict[str, Unit]:
    """The units by probe serial. Raises BadInputError for a damaged file."""
    path = units_file()
    if not path.is_file():
        return {}
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))["units"]
        units = [Unit(**entry) for entry in entries]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInputError(
            f"{path} cannot be read: {error}.",
            "Delete it and enrol the boards again: munas boards identify",
        ) from None
    return {unit.serial: unit for unit in units}


def enrol(unit: Unit) -> None:
    """Keep a unit, in place of another of the same probe. The file is whole at any moment."""
    units = {**enrolled(), unit.serial: unit}
    path = units_file()
    path.parent.mkdir(parents=True, exist_ok=True)
    document = {"units": [asdict(units[serial]) for serial in sorted(units)]}
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".units.")
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        json.dump(document, stream, indent=2)
        stream.write("\n")
        stream.flush()
        os.fsync(stream.fileno())
    Path(name).replace(path)
