"""How good is the search? The same experiment under several algorithms, seeds and one budget.

An *arm* is the experiment with a few sections changed: all arms of a study have the same data,
training, bounds and latency source. This module plans and runs the searches, each with a ledger of
its own; `munas.study.budgets` says what comes out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from munas.errors import BadInputError
from munas.experiment import Experiment, parse_experiment
from munas.pipeline.events import Observer
from munas.pipeline.progress import status
from munas.pipeline.session import Limits, resume, start
from munas.search import require_algorithm
from munas.store import Ledger, ResultRow

Arm = Literal["random", "paper", "ours", "nsga2", "tpe"]
ARMS: tuple[Arm, ...] = get_args(Arm)

# Every candidate trained fully, from scratch and whole.
_FULL: Mapping[str, Mapping[str, Any]] = {
    "fidelity": {"rungs": [], "stop_hopeless": False, "inherit": False},
    "pruning": {"enabled": False},
    "distillation": {"teacher": None},
}
# What an arm changes of the experiment. `paper` searches as the authors do: their sampling, soft
# bounds.
OVERRIDES: Mapping[Arm, Mapping[str, Mapping[str, Any]]] = {
    "random": {"search": {"algorithm": "random"}, **_FULL},
    "paper": {
        "search": {"algorithm": "aging-evolution"},
        "space": {"sampling": "paper"},
        "objective": {"kind": "chebyshev"},
        **_FULL,
    },
    "ours": {},
    "nsga2": {"search": {"algorithm": "nsga2"}, **_FULL},
    "tpe": {"search": {"algorithm": "tpe"}, **_FULL},
}
# Candidates between two looks at what the trainings have cost so far.
STRIDE = 50


@dataclass(frozen=True)
class Run:
    """One search: its arm, its seed, its experiment and its ledger."""

    arm: Arm
    seed: int
    experiment: Experiment
    ledger: Path


def arms_of(text: str) -> list[Arm]:
    """`paper,ours` → the arms, each once. Raises BadInputError for a name that is none."""
    names = list(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    unknown = [name for name in names if name not in ARMS]
    if unknown or not names:
        raise BadInputError(
            f"There is no arm {', '.join(map(repr, unknown))}." if unknown else "No arm is given.",
            f"Give some of {','.join(ARMS)}.",
        )
    return [arm for arm in ARMS if arm in names]


def runs(
    experiment: Experiment, arms: Sequence[Arm], seeds: Sequence[int], folder: Path
) -> list[Run]:
    """Every arm for every seed, the arms of one seed after each other.

    Raises BadInputError unless the experiment bounds the error and a resource, and
    MissingExtraError where an arm's algorithm is not installed.
    """
    bounds = experiment.bounds.given()
    if "error" not in bounds or len(bounds) < 2:
        raise BadInputError(
            f"{experiment.name} must bound the error and a resource.",
            "The hypervolume is that below the bounds: set bounds.error and, say, bounds.macs.",
        )
    planned = []
    for seed in seeds:
        for arm in arms:
            changed = _changed(experiment, arm, seed)
            require_algorithm(changed.search.algorithm)
            ledger = folder / f"{experiment.name}-{arm}-{seed}.ledger"
            planned.append(Run(arm, seed, changed, ledger))
    return planned


def _changed(experiment: Experiment, arm: Arm, seed: int) -> Experiment:
    table = experiment.as_dict()
    # Every candidate's latency, so that all arms rank values of one kind; finalists are no part of
    # the comparison.
    every: dict[str, dict[str, Any]] = {
        "search": {"seed": seed},
        "latency": {"measure": "all"},
        "finalists": {"count": 0},
    }
    for sections in (every, OVERRIDES[arm]):
        for section, keys in sections.items():
            table[section] = {**table[section], **keys}
    return parse_experiment(table, f"the arm {arm} of {experiment.name}")


def require_same(planned: Sequence[Run]) -> None:
    """Raise BadInputError where the folder holds a run of another experiment."""
    for run in planned:
        if not run.ledger.exists():
            continue
        with Ledger.open(run.ledger) as ledger:
            if parse_experiment(dict(ledger.run.experiment), str(run.ledger)) != run.experiment:
                raise BadInputError(
                    f"{run.ledger} is a run of another experiment.",
                    "Give another folder with --out, or the experiment and the settings that the "
                    "folder was begun with.",
                )


def carry_out(run: Run, observer: Observer, command: str, epochs: int | None = None) -> None:
    """Run the search, or go on with it, until its rounds are done or its trainings have had
    `epochs` epochs in all (null: any number).

    Raises MunasErrors; it can then be called again.
    """
    rounds = run.experiment.search.rounds
    stride = rounds if epochs is None else STRIDE
    if not run.ledger.exists():
        start(run.experiment, run.ledger, observer, command, Limits(min(stride, rounds)))
    while True:
        done, spent, finished = _progress(run.ledger)
        enough = done >= rounds or (epochs is not None and spent >= epochs)
        if enough and finished:
            return
        limit = done if enough else min(done + stride, rounds)
        resume(run.ledger, observer, Limits(max(limit, 1)))


def epochs_of(results: Sequence[ResultRow]) -> dict[tuple[int, int], int]:
    """The epochs that each result's training took, by candidate and rung: those beyond the rung
    below, from which it went on."""
    whole = {(row.candidate_id, row.rung): row.epochs or 0 for row in results}
    return {
        (number, rung): max(0, epochs - whole.get((number, rung - 1), 0))
        for (number, rung), epochs in whole.items()
    }


def _progress(path: Path) -> tuple[int, int, bool]:
    """Candidates done, epochs trained, and whether the last call came to its end."""
    found = status(path)
    with Ledger.open(path) as ledger:
        spent = sum(epochs_of(ledger.results()).values())
    return found["done"], spent, found["state"] == "finished"
