"""What searches picked under two guides, and how the picks compare once all are measured.

Pure: from rows to results. A pick of the guide `macs` is made without knowing its latency.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from munas.stats import Interval, proportion, speed_up
from munas.store import Ledger
from munas.study.guidance import Run

Row = Mapping[str, Any]

COLUMNS = (
    "guide", "seed", "candidate_id", "architecture_sha256", "val_accuracy_int8",
    "test_accuracy_int8", "on_front", "macs", "peak_memory_bytes", "flash_bytes", "latency_us",
    "arena_used_bytes", "source", "board", "engine", "failed",
)  # fmt: skip


def rows_of(run: Run) -> list[dict[str, Any]]:
    """Every candidate that the run holds feasible, with its measured latency and arena.

    `failed` is what the board said of a model that it could not measure.
    """
    with Ledger.open(run.ledger) as ledger:
        found = {row.candidate_id: row.measurement for row in ledger.measurements()}
        table = [row for row in ledger.table() if row["feasible"]]
    rows = []
    for row in table:
        measured = found[row["candidate_id"]]
        error = measured.get("error")
        rows.append(
            {
                **{name: row.get(name) for name in COLUMNS},
                "guide": run.guide,
                "seed": run.seed,
                "latency_us": measured["latency_us"],
                "arena_used_bytes": measured["arena_used_bytes"],
                "source": measured["source"],
                "board": measured["board"],
                "engine": measured["engine"],
                "failed": error and error["message"],
            }
        )
    return rows


@dataclass(frozen=True)
class Broken:
    """How many of the picks on the fronts by MACs break a bound that they were to keep."""

    picks: int
    latency: int
    arena: int
    either: int

    def share(self) -> Interval | None:
        return proportion(self.either, self.picks) if self.picks else None


def broken(rows: Sequence[Row], latency_us: int, arena_used_bytes: int) -> Broken:
    """Of the front rows guided by MACs; one that the board could not run breaks both bounds."""
    front = [row for row in rows if row["guide"] == "macs" and row["on_front"]]
    late = [row["failed"] is not None or row["latency_us"] > latency_us for row in front]
    large = [
        row["failed"] is not None or row["arena_used_bytes"] > arena_used_bytes for row in front
    ]
    either = sum(a or b for a, b in zip(late, large, strict=True))
    return Broken(len(front), sum(late), sum(large), either)


def beyond(row: Row, name: str, bound: int) -> bool:
    """Whether a row breaks a bound; one that the board could not run breaks every one."""
    return row["failed"] is not None or bool(row[name] > bound)


@dataclass(frozen=True)
class AtEqualAccuracy:
    """Of one seed and one int8 validation accuracy: the latency of what each guide would pick."""

    seed: int
    accuracy: float
    macs_us: int
    measured_us: int


def at_equal_accuracy(rows: Sequence[Row]) -> list[AtEqualAccuracy]:
    """For each accuracy on a front that both guides of a seed reach: by MACs the candidate of the
    fewest MACs that is as accurate, by measuring the one of the least latency."""
    found = []
    usable = [row for row in rows if row["failed"] is None]
    for seed in sorted({row["seed"] for row in usable}):
        of = {
            guide: [row for row in usable if row["seed"] == seed and row["guide"] == guide]
            for guide in ("macs", "measured")
        }
        levels = {
            row["val_accuracy_int8"] for each in of.values() for row in each if row["on_front"]
        }
        for level in sorted(levels):
            able = {
                guide: [row for row in each if row["val_accuracy_int8"] >= level]
                for guide, each in of.items()
            }
            if not all(able.values()):
                continue
            by_macs = min(able["macs"], key=lambda row: (row["macs"], row["candidate_id"]))
            by_time = min(
                able["measured"], key=lambda row: (row["latency_us"], row["candidate_id"])
            )
            found.append(AtEqualAccuracy(seed, level, by_macs["latency_us"], by_time["latency_us"]))
    return found


def _least(rows: Sequence[Row], name: str) -> Row:
    """The row of the least value; the earliest candidate of equal ones."""
    return min(rows, key=lambda row: (row[name], row["candidate_id"]))


def verdict(found: Mapping[str, Any]) -> str:
    """One sentence from a `summary`."""
    picks, ratio = found["front_picks_by_macs"], found["latency_ratio"]["all"]
    seeds = len(found["seeds"])
    told = (
        f"Over {seeds} seed{'s' * (seeds != 1)}, {picks['break_either']} of {picks['picks']} picks "
        f"of the fronts by MACs break a bound when measured ({picks['break_latency']} latency, "
        f"{picks['break_arena']} arena)"
    )
    if ratio is None:
        return told + "; no accuracy was reached by both guides, so latencies were not compared."
    low, high = ratio["ci95"]
    between = "" if low is None else f" (95 % interval {low:.2f} to {high:.2f})"
    return told + (
        f"; at equal int8 accuracy a pick by MACs takes {ratio['value']:.2f} times as long as one "
        f"by measuring{between}."
    )


def summary(
    rows: Sequence[Row], latency_us: int, arena_used_bytes: int, macs: int
) -> dict[str, Any]:
    """The results as plain JSON values.

    `latency_ratio` is what a pick by MACs takes over one by measuring at equal accuracy: above one,
    measuring is worth it. Its interval is over accuracy levels, which are not independent within a
    seed; the ratios by seed stand beside it.
    """
    levels = at_equal_accuracy(rows)
    ratios = {}
    for seed in sorted({level.seed for level in levels}):
        of_seed = [level for level in levels if level.seed == seed]
        ratios[seed] = _ratio(of_seed)
    counted = broken(rows, latency_us, arena_used_bytes)
    share = counted.share()
    return {
        "bounds": {"latency_us": latency_us, "arena_used_bytes": arena_used_bytes, "macs": macs},
        "source": sorted({row["source"] for row in rows}),
        "board": sorted({row["board"] for row in rows}),
        "engine": sorted({row["engine"] for row in rows}),
        "seeds": sorted({row["seed"] for row in rows}),
        "feasible": {
            guide: sum(row["guide"] == guide for row in rows) for guide in ("macs", "measured")
        },
        "best_accuracy_within_bounds": _best(rows, latency_us, arena_used_bytes),
        "front_picks_by_macs": {
            "picks": counted.picks,
            "break_latency": counted.latency,
            "break_arena": counted.arena,
            "break_either": counted.either,
            "share": share and share.as_json(),
        },
        "latency_ratio": {
            "levels": len(levels),
            "all": _ratio(levels),
            "by_seed": {str(seed): ratio for seed, ratio in ratios.items()},
        },
    }


def _ratio(levels: Sequence[AtEqualAccuracy]) -> dict[str, Any] | None:
    """Geometric mean of latency by MACs over latency by measuring, with its interval from 2 on."""
    if not levels:
        return None
    macs, measured = [each.macs_us for each in levels], [each.measured_us for each in levels]
    if len(levels) == 1:
        return {"value": macs[0] / measured[0], "ci95": [None, None]}
    return speed_up(macs, measured).as_json()


def _best(rows: Sequence[Row], latency_us: int, arena_used_bytes: int) -> dict[str, dict[str, Any]]:
    """By guide and seed the best int8 validation accuracy that truly is within the bounds."""
    best: dict[str, dict[str, Any]] = {}
    for row in rows:
        if beyond(row, "latency_us", latency_us) or beyond(
            row, "arena_used_bytes", arena_used_bytes
        ):
            continue
        of_guide = best.setdefault(row["guide"], {})
        seed = str(row["seed"])
        of_guide[seed] = max(of_guide.get(seed, 0.0), row["val_accuracy_int8"])
    return best
