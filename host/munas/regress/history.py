"""The history of a firmware: what every check saw, kept in a ledger, and where it changed.

A ledger whose identity has kind `history` holds an event for each check and a measurement for each
of its cases. Must not know how checks are made.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from munas import stats
from munas.errors import BadInputError, LedgerError
from munas.experiment import Suite
from munas.regress.check import Outcome
from munas.regress.judge import Verdict
from munas.regress.record import Image, Record
from munas.store import EventRow, Ledger, MeasurementRow, RunInfo

KIND = "history"
_CHECKED = "checked"
METRICS = ("cycles", "arena_used_bytes", "stack_bytes", "image_flash_bytes", "image_ram_bytes")
"""What is followed over checks; sizes are exact, so every step of theirs is a change."""


@dataclass(frozen=True)
class Check:
    """One check: its number from 1, the firmware's version, and how it ended."""

    number: int
    commit: str | None
    verdict: str
    at: str
    told: tuple[str, ...] = ()
    """What was not the same, a line each."""

    @property
    def label(self) -> str:
        """What it is called on an axis."""
        if not self.commit:
            return f"#{self.number}"
        return f"#{self.number} {self.commit[:8]}{'*' if self.commit.endswith('-dirty') else ''}"


@dataclass(frozen=True)
class Series:
    """One case over checks: the checks' numbers, and a value of every metric for each."""

    name: str
    group: str
    source: str
    checks: tuple[int, ...]
    values: Mapping[str, tuple[int | None, ...]]


@dataclass(frozen=True)
class Change:
    """A metric of a case has another level from check `number` on."""

    name: str
    metric: str
    number: int
    before: float
    after: float


class History:
    """An open history; close it (or use it as a context manager)."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._ledger.close()

    def add(self, outcome: Outcome, commit: str | None) -> int:
        """Keep what a check saw; its number. Raises LedgerError."""

        def make(number: int) -> tuple[list[MeasurementRow], EventRow]:
            rows = [
                MeasurementRow(
                    measurement={
                        "check": number,
                        "commit": commit,
                        **_kept(record, outcome.taken.images[record.image]),
                    },
                    source=record.source,
                    board=case.board,
                    engine=case.engine,
                )
                for case, record in outcome.taken.records.items()
            ]
            return rows, EventRow(kind=_CHECKED, detail=_detail(outcome, number, commit))

        return self._ledger.add_numbered(_CHECKED, make)

    def checks(self) -> list[Check]:
        """All checks in their order."""
        return [
            Check(
                event.detail["check"],
                event.detail["commit"],
                event.detail["verdict"],
                event.created_at,
                tuple(
                    f"{each['name']}, {each['metric']}: {each['verdict']}. {each['reason']}"
                    for each in event.detail["notable"]
                ),
            )
            for event in self._ledger.events()
            if event.kind == _CHECKED
        ]

    def series(self) -> list[Series]:
        """Every case over the checks that measured it; one of another unit or source is another."""
        rows: dict[tuple[str, str, str], list[Mapping[str, Any]]] = {}
        for row in self._ledger.measurements():
            found = row.measurement
            key = (found["case"], found["source"], found["unit"])
            rows.setdefault(key, []).append(found)
        return [
            Series(
                name=name,
                group=" · ".join((found[0]["environment"], found[0]["engine"], unit)),
                source=source,
                checks=tuple(each["check"] for each in found),
                values={metric: tuple(each[metric] for each in found) for metric in METRICS},
            )
            for (name, source, unit), found in rows.items()
        ]


def open_history(path: Path, suite: Suite) -> History:
    """The history at `path`, made where there is none.

    Raises BadInputError where the ledger is of something else, or of another suite.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        run = RunInfo(
            name=suite.name,
            experiment=suite.as_dict(),
            identity={
                "kind": KIND,
                "versions": {"munas": importlib.metadata.version("munas")},
            },
            command=f"munas check {suite.name} --ledger {path}",
        )
        try:
            return History(Ledger.create(path, run))
        except LedgerError:
            if not path.exists():
                raise
            # Another check has made it meanwhile.
    ledger = Ledger.open(path)
    if ledger.run.identity.get("kind") != KIND or ledger.run.name != suite.name:
        of = ledger.run.identity.get("kind", "search")
        ledger.close()
        raise BadInputError(
            f"{path} is the ledger of the {of} {ledger.run.name}, not of the history of "
            f"{suite.name}.",
            "Give another --ledger; one that does not exist is made.",
        )
    return History(ledger)


def is_history(ledger: Ledger) -> bool:
    """Whether the ledger is a firmware's history."""
    return ledger.run.identity.get("kind") == KIND


def changes(history: Sequence[Series], suite: Suite | None = None) -> list[Change]:
    """Where levels changed, in the order of checks.

    `suite` says which change of cycles counts on a board whose cycles spread.
    """
    found = []
    images = set()
    for series in history:
        for metric in METRICS:
            if metric.startswith("image_"):
                if (series.group, metric) in images:
                    continue  # every case of an image has the image's size
                images.add((series.group, metric))
            pairs = [
                (check, value)
                for check, value in zip(series.checks, series.values[metric], strict=True)
                if value
            ]
            if len(pairs) < 2:
                continue
            least = _least(series, metric, suite)
            exact = metric != "cycles" or series.source == "emulated"
            for point in stats.change_points(
                [each for _, each in pairs], minimum_effect=least, deterministic=exact
            ):
                number = pairs[point.index][0]
                name = f"image · {series.group}" if metric.startswith("image_") else series.name
                found.append(Change(name, metric, number, point.before, point.after))
    return sorted(found, key=lambda change: (change.number, change.name, change.metric))


def _least(series: Series, metric: str, suite: Suite | None) -> float:
    if metric != "cycles" or series.source == "emulated" or suite is None:
        return 0.0
    given = suite.tolerance.cycles_percent
    return 0.0 if given is None else given / 100


def _detail(outcome: Outcome, number: int, commit: str | None) -> dict[str, Any]:
    return {
        "check": number,
        "commit": commit,
        "verdict": outcome.verdict,
        "before": outcome.before,
        "after": outcome.after,
        "notable": [
            finding.as_dict() for finding in outcome.findings if finding.verdict is not Verdict.SAME
        ],
    }


def _kept(record: Record, image: Image) -> dict[str, Any]:
    return {
        "case": str(record.case),
        **asdict(record.case),
        "model_sha256": record.model_sha256,
        "unit": record.unit,
        "source": record.source,
        "clock_hz": record.clock_hz,
        "cycles": record.cycles,
        "latency_us": record.latency_us,
        "arena_used_bytes": record.arena_used_bytes,
        "flash_bytes": record.flash_bytes,
        "stack_bytes": record.stack_bytes,
        "outputs_crc32": record.outputs_crc32,
        "outputs_match": record.outputs_match,
        "firmware_sha256": image.sha256,
        "compiler": image.compiler,
        "engine_revision": image.engine_revision,
        "image_flash_bytes": sum(image.flash.values()) or None,
        "image_ram_bytes": sum(image.ram.values()) or None,
        "error": None,
    }
