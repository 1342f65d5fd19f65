"""What is made of picks under two guides: broken bounds, latency at equal accuracy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from munas.errors import BadInputError
from munas.experiment import parse_experiment
from munas.study.guidance import macs_for, runs
from munas.study.guidance_page import write
from munas.study.picks import at_equal_accuracy, broken, summary, verdict

LATENCY_US, ARENA_BYTES = 1000, 500


def row(guide: str, number: int, accuracy: float, latency_us: int | None, **more: Any) -> Any:
    usual = {
        "guide": guide,
        "seed": 0,
        "candidate_id": number,
        "architecture_sha256": f"{number:064d}",
        "val_accuracy_int8": accuracy,
        "test_accuracy_int8": accuracy,
        "on_front": True,
        "macs": 100 * number,
        "peak_memory_bytes": 400,
        "flash_bytes": 9000,
        "latency_us": latency_us,
        "arena_used_bytes": 450,
        "source": "emulated",
        "board": "b",
        "engine": "aot",
        "failed": None,
    }
    return usual | more


ROWS = [
    row("macs", 1, 0.80, 900),
    row("macs", 2, 0.90, 1500),
    row("macs", 3, 0.85, 990, arena_used_bytes=501),
    row("macs", 4, 0.95, None, failed="does not fit", arena_used_bytes=None),
    row("macs", 5, 0.99, 2000, on_front=False),
    row("measured", 1, 0.80, 450),
    row("measured", 2, 0.92, 500),
    row("measured", 3, 0.70, 100),
]


def test_every_broken_bound_of_a_front_pick_is_counted_once() -> None:
    counted = broken(ROWS, LATENCY_US, ARENA_BYTES)
    assert (counted.picks, counted.latency, counted.arena, counted.either) == (4, 2, 2, 3)
    share = counted.share()
    assert share is not None
    assert share.value == 0.75


def test_a_value_at_its_bound_keeps_it() -> None:
    exact = [row("macs", 1, 0.8, LATENCY_US, arena_used_bytes=ARENA_BYTES)]
    assert broken(exact, LATENCY_US, ARENA_BYTES).either == 0


def test_at_equal_accuracy_macs_pick_blindly_and_measuring_does_not() -> None:
    found = {each.accuracy: each for each in at_equal_accuracy(ROWS)}
    assert sorted(found) == [0.70, 0.80, 0.85, 0.90, 0.92]  # nobody who measures reaches 0.99
    assert (found[0.80].macs_us, found[0.80].measured_us) == (900, 450)
    # The fewest MACs at 0.85 or above are those of candidate 2, not of the faster candidate 3.
    assert (found[0.85].macs_us, found[0.85].measured_us) == (1500, 500)


def test_seeds_are_compared_within_themselves() -> None:
    other = [row("macs", 1, 0.9, 700, seed=1)]
    assert at_equal_accuracy([row("measured", 1, 0.9, 100), *other]) == []


def test_the_summary_and_its_sentence_say_the_same() -> None:
    found = summary(ROWS, LATENCY_US, ARENA_BYTES, 9000)
    assert found["best_accuracy_within_bounds"] == {"macs": {"0": 0.80}, "measured": {"0": 0.92}}
    assert found["front_picks_by_macs"]["break_either"] == 3
    assert found["latency_ratio"]["all"]["value"] > 2
    text = verdict(found)
    assert "3 of 4 picks" in text
    assert f"{found['latency_ratio']['all']['value']:.2f} times" in text


def test_nothing_in_common_is_said() -> None:
    found = summary([row("macs", 1, 0.9, 100)], LATENCY_US, ARENA_BYTES, 9000)
    assert found["latency_ratio"]["all"] is None
    assert "not compared" in verdict(found)


def test_the_files_hold_the_rows_and_the_summary(tmp_path: Path) -> None:
    found = summary(ROWS, LATENCY_US, ARENA_BYTES, 9000)
    page = write(tmp_path, ROWS, found, "Title <b>", "munas study guidance …")
    assert "Title &lt;b&gt;" in page.read_text()
    assert json.loads((tmp_path / "summary.json").read_text())["verdict"] == verdict(found)
    lines = (tmp_path / "picks.csv").read_text().splitlines()
    assert len(lines) == 1 + len(ROWS)


def experiment(**bounds: Any) -> Any:
    return parse_experiment({"name": "g", "data": {"name": "digits"}, "bounds": bounds}, "test")


def test_the_guides_differ_in_their_bounds_and_source_alone(tmp_path: Path) -> None:
    given = experiment(latency_us=1000, arena_used_bytes=500, error=0.5)
    by_macs, measured, *others = runs(given, [0, 7], 40_000, tmp_path)
    assert by_macs.experiment.bounds.given() == {
        "error": 0.5, "macs": 40_000, "peak_memory_bytes": 500,
    }  # fmt: skip
    assert measured.experiment.bounds == given.bounds
    assert (by_macs.experiment.latency.source, measured.experiment.latency.source) == (
        "mac", "measured",
    )  # fmt: skip
    assert [run.experiment.search.seed for run in others] == [7, 7]
    assert len({run.ledger for run in (by_macs, measured, *others)}) == 4
    assert by_macs.experiment.train == measured.experiment.train


@pytest.mark.parametrize("bounds", [{"latency_us": 1000}, {"arena_used_bytes": 500}])
def test_bounds_that_could_not_be_broken_are_asked_for(tmp_path: Path, bounds: Any) -> None:
    with pytest.raises(BadInputError, match="must bound latency_us and arena_used_bytes"):
        runs(experiment(**bounds), [0], 1, tmp_path)


def test_the_boards_constants_turn_the_latency_bound_into_macs() -> None:
    given = experiment(latency_us=10_000, arena_used_bytes=500)
    assert macs_for(given) == (1_200_000 - 40_000) // 6
    with pytest.raises(BadInputError, match="no network takes less"):
        macs_for(experiment(latency_us=100, arena_used_bytes=500))
