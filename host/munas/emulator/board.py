"""What the emulator needs to know of an emulated board, and how it reads it from a board file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from munas.emulator.chips import Chip, chip_of
from munas.emulator.parameters import STM32F405, STM32L4R5, CycleParameters
from munas.errors import BadInputError

_DEFAULTS = {"STM32L4R5": STM32L4R5, "STM32F405": STM32F405}
UID_BYTES = 12


@dataclass(frozen=True)
class BoardParameters:
    """One emulated board. `uid` are the chip's 12 identity bytes."""

    name: str
    chip: Chip
    cycles: CycleParameters
    uid: bytes = field(default=b"munas-000001")

    @classmethod
    def of_chip(cls, mcu: str, **changes: Any) -> BoardParameters:
        """A board of this MCU with the chip's default cycle parameters."""
        chip = chip_of(mcu)
        return cls(**{"name": mcu, "chip": chip, "cycles": _DEFAULTS[chip.name], **changes})

    @classmethod
    def from_keys(
        cls, name: str, keys: Mapping[str, str], uid: bytes | None = None
    ) -> BoardParameters:
        """From the keys of a board file's environment: `custom_munas_mcu`, `custom_munas_cycles`.

        Raises BadInputError for a chip that is not emulated and for malformed parameters.
        """
        if "custom_munas_mcu" not in keys:
            raise BadInputError(
                f"The board {name} does not say which microcontroller it has.",
                "Add custom_munas_mcu to its file.",
            )
        document = {"name": name, "mcu": keys["custom_munas_mcu"]}
        try:
            cycles = json.loads(keys.get("custom_munas_cycles", "{}"))
        except json.JSONDecodeError as error:
            raise BadInputError(
                f"custom_munas_cycles of the board {name} is not JSON: {error}."
            ) from error
        return cls.from_json({**document, "cycles": cycles, "uid": uid.hex() if uid else None})

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> BoardParameters:
        """From {"name", "mcu", "cycles": {…} or null, "uid": 24 hex digits or null}.

        Raises BadInputError for anything else.
        """
        unknown = sorted(set(document) - {"name", "mcu", "cycles", "uid"})
        if unknown or "mcu" not in document:
            wrong = f"has unknown keys {', '.join(unknown)}" if unknown else "names no mcu"
            raise BadInputError(
                f"The emulated board's description {wrong}.",
                "It has mcu, and perhaps name, cycles and uid.",
            )
        chip = chip_of(str(document["mcu"]))
        cycles = document.get("cycles") or {}
        if not isinstance(cycles, Mapping):
            raise BadInputError(f"The cycle parameters of {chip.name} are not a JSON object.")
        board = cls.of_chip(str(document["mcu"]), cycles=_DEFAULTS[chip.name].overlaid(cycles))
        return cls(
            name=str(document.get("name") or chip.name),
            chip=chip,
            cycles=board.cycles,
            uid=_uid(document.get("uid")) or board.uid,
        )

    def as_json(self) -> dict[str, Any]:
        """The document that `from_json` takes."""
        return {
            "name": self.name,
            "mcu": self.chip.name,
            "cycles": self.cycles.as_json(),
            "uid": self.uid.hex(),
        }


def _uid(text: object) -> bytes | None:
    if text is None:
        return None
    try:
        uid = bytes.fromhex(str(text))
    except ValueError:
        uid = b""
    if len(uid) != UID_BYTES:
        raise BadInputError(f"The UID {text!r} is not {2 * UID_BYTES} hexadecimal digits.")
    return uid
