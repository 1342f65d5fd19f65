"""How much a board differs from itself: A/A runs, kept for the unit as its noise floor.

Must not know what is compared with it later.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from munas import stats
from munas.errors import BadInputError, ImplausibleError
from munas.latency.predict.files import user_data_root
from munas.regress.record import Record, Taken
from munas.store.rows import utc_now

FORMAT = "munas-noise"


@dataclass(frozen=True)
class Noise:
    """The noise floor of one unit with one engine, in percent of a model's cycles.

    `noise_floor_percent` is an upper bound (95 % confidence) of the difference that 95 % of pairs
    of runs of the very same thing do not exceed; null where the runs are too few (`runs_needed`).
    A change of `minimum_detectable_percent` is found in at least 95 % of cases. Both are 0 where
    every run gave the same cycles: there a single cycle shows.
    """

    board: str
    unit: str
    engine: str
    source: str
    n: int
    observed_percent: float
    noise_floor_percent: float | None
    minimum_detectable_percent: float | None
    runs_needed: int
    deterministic: bool
    taken_at: str


def noise_of(record: Record) -> Noise:
    """Of one model's runs of one firmware. Raises ImplausibleError where a board that should repeat
    to the cycle does not."""
    runs = record.medians
    if record.deterministic:
        if len(set(runs)) > 1:
            raise ImplausibleError(
                f"{record.case.board} should repeat to the cycle, and gave "
                f"{min(runs):,.0f} to {max(runs):,.0f} cycles in {len(runs)} runs.",
                "This is a fault of the emulator or of the firmware: report it with the firmware.",
            )
        floor: float | None = 0.0
        observed, detectable, needed = 0.0, floor, len(runs)
    else:
        found = stats.noise_floor([runs])
        observed, floor, needed = found.observed, found.floor, found.runs_needed
        detectable = found.minimum_detectable
    return Noise(
        board=record.case.board,
        unit=record.unit,
        engine=record.case.engine,
        source=record.source,
        n=len(runs),
        observed_percent=100 * observed,
        noise_floor_percent=None if floor is None else 100 * floor,
        minimum_detectable_percent=None if detectable is None else 100 * detectable,
        runs_needed=needed,
        deterministic=record.deterministic,
        taken_at=utc_now(),
    )


def only_record(taken: Taken) -> Record:
    """The one record; raises the fault of the one failure as ImplausibleError."""
    if taken.failures:
        error = taken.failures[0].error
        raise ImplausibleError(error["message"], error.get("mend", ""))
    return next(iter(taken.records.values()))


def noise_file(board: str, unit: str, engine: str) -> Path:
    """Where the unit's noise is kept; may not exist."""
    name = re.sub(r"[^A-Za-z0-9_.-]", "_", f"{board}-{unit}-{engine}")
    return user_data_root() / "noise" / f"{name}.json"


def keep_noise(noise: Noise) -> Path:
    """Put it in force; whole or not at all. Raises BadInputError where it cannot be written."""
    path = noise_file(noise.board, noise.unit, noise.engine)
    part = path.with_suffix(f".{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(json.dumps({"format": FORMAT, **asdict(noise)}, indent=1) + "\n")
        part.replace(path)
    except OSError as error:
        raise BadInputError(
            f"The noise floor cannot be kept in {path}: {error.strerror}.",
            "Make the folder writable, or name another with MUNAS_DATA.",
        ) from None
    return path


def known_noise(board: str, unit: str, engine: str) -> Noise | None:
    """What `munas noise` found for the unit, if it was asked. Raises BadInputError for a damaged
    file."""
    path = noise_file(board, unit, engine)
    if not path.is_file():
        return None
    try:
        document: Mapping[str, object] = json.loads(path.read_text())
        if document.get("format") != FORMAT:
            raise ValueError
        return Noise(**{key: value for key, value in document.items() if key != "format"})  # type: ignore[arg-type]
    except (OSError, ValueError, TypeError, AttributeError):
        raise BadInputError(
            f"The noise floor in {path} is damaged.",
            f"Delete the file, or measure it anew: munas noise --board {board}",
        ) from None
