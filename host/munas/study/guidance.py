"""Does it matter what guides a search? The same search, seeds and budget, by MACs and by measuring.

Guided by MACs a search bounds MACs where the other bounds latency, and peak memory where the other
bounds the arena, as μNAS does; what it picks is measured afterwards. This module runs the searches
and measures; `munas.study.picks` says what comes out.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from munas.boards.open import open_board
from munas.boards.registry import find_board
from munas.errors import BadInputError
from munas.experiment import Experiment
from munas.latency.engine import choose_engine
from munas.latency.measure import Measurer
from munas.pipeline.events import Observer
from munas.pipeline.progress import status
from munas.pipeline.revise import measurement_row
from munas.pipeline.session import Limits, resume, start
from munas.pipeline.sources import mac_model_of, measured_choice
from munas.store import Ledger

Guide = Literal["macs", "measured"]
GUIDES: tuple[Guide, ...] = ("macs", "measured")


@dataclass(frozen=True)
class Run:
    """One search: what guides it, its seed, its experiment and its ledger."""

    guide: Guide
    seed: int
    experiment: Experiment
    ledger: Path


def runs(experiment: Experiment, seeds: Sequence[int], macs: int, folder: Path) -> list[Run]:
    """Both guides for every seed, the guides of one seed after each other.

    `macs` takes the place of the latency bound. Raises BadInputError unless the experiment bounds
    latency and the arena.
    """
    bounds = experiment.bounds
    if bounds.latency_us is None or bounds.arena_used_bytes is None:
        raise BadInputError(
            f"{experiment.name} must bound latency_us and arena_used_bytes.",
            "They are what picks by MACs and by peak memory may break.",
        )
    planned = []
    for seed in seeds:
        for guide in GUIDES:
            search = experiment.search.model_copy(update={"seed": seed})
            changed: dict[str, Any] = {"search": search}
            source = "mac" if guide == "macs" else "measured"
            changed["latency"] = experiment.latency.model_copy(update={"source": source})
            if guide == "macs":
                by_macs = {
                    "latency_us": None,
                    "arena_used_bytes": None,
                    "macs": macs,
                    "peak_memory_bytes": bounds.arena_used_bytes,
                }
                changed["bounds"] = bounds.model_copy(update=by_macs)
            ledger = folder / f"{experiment.name}-{guide}-{seed}.ledger"
            planned.append(Run(guide, seed, experiment.model_copy(update=changed), ledger))
    return planned


def macs_for(experiment: Experiment) -> int:
    """The MACs that take as long as the latency bound, by the constants of the board's file.

    Raises BadInputError where the board has none.
    """
    board = find_board(experiment.latency.board)
    model, bound = mac_model_of(board), experiment.bounds.latency_us
    if model is None or bound is None:
        raise BadInputError(
            f"{board.name} has no constants that turn microseconds into MACs.",
            "Say how many MACs stand for the latency bound: --macs N",
        )
    cycles = bound * model.clock_hz / 1_000_000
    macs = int((cycles - model.base_cycles) / model.cycles_per_mac)
    if macs <= 0:
        raise BadInputError(
            f"By the constants of {board.name} no network takes less than {bound:,} µs.",
            "Raise bounds.latency_us.",
        )
    return macs


def carry_out(run: Run, observer: Observer, command: str) -> None:
    """Run the search, or go on with it; then measure what it holds feasible on the board.

    Raises MunasErrors; it can then be called again.
    """
    if not run.ledger.exists():
        start(run.experiment, run.ledger, observer, command, Limits())
    elif status(run.ledger)["state"] != "finished":
        resume(run.ledger, observer, Limits())
    if run.guide == "macs":
        _measure_picks(run)


def _measure_picks(run: Run) -> None:
    """Measure the trained models of every candidate within the run's own bounds, once each."""
    with Ledger.open(run.ledger) as ledger:
        ledger.hold()
        known = {row.candidate_id for row in ledger.measurements()}
        models = {row.candidate_id: row.model_sha256 for row in ledger.results()}
        wanted = [
            row["candidate_id"]
            for row in ledger.table()
            if row["feasible"] and row["candidate_id"] not in known
        ]
        if not wanted:
            return
        choice = measured_choice(run.experiment.latency.board)
        with closing(open_board(choice.board)) as board:
            engine = choose_engine(board.type, run.experiment.latency.engine or "auto")
            named = [(str(n), ledger.get_artifact(str(models[n]))) for n in wanted]
            with Measurer(board, engine, stands_for=choice.stands_for) as measurer:
                for number, found in zip(wanted, measurer.measure_all(named), strict=True):
                    ledger.add_measurement(measurement_row(found.as_dict(), engine.name, number))
