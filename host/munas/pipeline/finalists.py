"""Finalists: the best of the front, trained anew with several seeds.

One training says little about an architecture: of several that differ by chance the search shows
the luckiest. So the networks that would be deployed are trained from scratch, fully, with seeds of
their own, and what counts is the mean and the spread of their int8 accuracies.
"""

from __future__ import annotations

import logging
import statistics
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, as_completed
from dataclasses import dataclass
from typing import Any

from munas.errors import InfrastructureError
from munas.experiment import Experiment
from munas.pipeline.events import Observer
from munas.pipeline.executor import Executor
from munas.pipeline.faults import BLAMELESS
from munas.pipeline.training import candidate_seed, distillation_of
from munas.store import EventRow, FinalRow, Ledger

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Finalist:
    """A candidate's accuracies over its seeds: int8 on the test images, each tuned one as tuned."""

    candidate_id: int
    test_accuracies: tuple[float, ...]
    val_accuracies: tuple[float, ...]
    tuned: int

    @property
    def mean(self) -> float:
        return statistics.fmean(self.test_accuracies)

    @property
    def deviation(self) -> float | None:
        """Standard deviation over seeds; null of a single one."""
        return statistics.stdev(self.test_accuracies) if len(self.test_accuracies) > 1 else None

    def as_dict(self) -> dict[str, Any]:
        return {
            "candidate_id": self.candidate_id,
            "seeds": len(self.test_accuracies),
            "test_accuracy_int8_mean": self.mean,
            "test_accuracy_int8_sd": self.deviation,
            "test_accuracies_int8": list(self.test_accuracies),
            "val_accuracies_int8": list(self.val_accuracies),
            "tuned": self.tuned,
        }


def finalists_of(rows: Sequence[FinalRow]) -> list[Finalist]:
    """Who was trained anew, the best mean first."""
    by_candidate: dict[int, list[FinalRow]] = {}
    for row in rows:
        if row.seed is not None:
            by_candidate.setdefault(row.candidate_id, []).append(row)
    found = [_finalist(number, runs) for number, runs in by_candidate.items()]
    return sorted(found, key=lambda finalist: (-finalist.mean, finalist.candidate_id))


def _finalist(number: int, runs: Sequence[FinalRow]) -> Finalist:
    tuned = [row for row in runs if row.tuned_test_accuracy_int8 is not None]
    return Finalist(
        number,
        tuple(
            row.test_accuracy_int8
            if row.tuned_test_accuracy_int8 is None
            else row.tuned_test_accuracy_int8
            for row in runs
        ),
        tuple(row.tuned_val_accuracy_int8 or row.val_accuracy_int8 or 0.0 for row in runs),
        len(tuned),
    )


def train_finalists(
    ledger: Ledger,
    experiment: Experiment,
    executor: Executor,
    observer: Observer,
    teacher: Callable[[], Mapping[str, bytes]],
) -> None:
    """Train the first `finalists.count` of the front that are still missing, with every seed.

    The most accurate on the validation images come first; `teacher` gives the blob of its answers.
    One that fails through its own fault is left out, and an event tells of it. Raises
    InfrastructureError, once the others are kept, where one fails for a reason that is not its own.
    """
    settings = experiment.finalists
    if not settings.count:
        return
    done: set[tuple[int, int | None]] = {
        (row.candidate_id, row.seed) for row in ledger.finals()
    } | {
        (event.detail["candidate_id"], event.detail["seed"])
        for event in ledger.events()
        if event.kind == "finalist-failed"
    }
    front = sorted(ledger.front(), key=lambda row: -row["val_accuracy_int8"])[: settings.count]
    numbers = [int(row["candidate_id"]) for row in front]
    todo = [
        (number, seed)
        for number in numbers
        for seed in range(1, settings.seeds + 1)
        if (number, seed) not in done
    ]
    if not todo:
        return
    observer.finalists(len(todo), len(numbers))
    futures: dict[Future[Any], tuple[int, int]] = {}
    for number, seed in todo:
        task = final_task(ledger, experiment, number, seed)
        futures[executor.submit(task, dict(teacher()))] = number, seed
    blameless: InfrastructureError | None = None
    for future in as_completed(futures):
        number, seed = futures[future]
        answer, blobs = future.result()
        if "error" in answer:
            told = f"Finalist {number} could not be trained with seed {seed}: "
            told += answer["error"]["message"]
            if answer["error"]["name"] in BLAMELESS:
                blameless = InfrastructureError(told, answer["error"].get("mend", ""))
                continue
            log.warning("%s", told)
            detail = {"candidate_id": number, "seed": seed, "error": answer["error"]}
            ledger.add_event(EventRow(kind="finalist-failed", detail=detail))
            continue
        for blob in blobs.values():
            ledger.put_artifact(blob)
        ledger.add_final(FinalRow(candidate_id=number, seed=seed, **answer["final"]))
    if blameless is not None:
        raise blameless


def final_task(
    ledger: Ledger, experiment: Experiment, candidate_id: int, seed: int
) -> dict[str, Any]:
    """The task that trains the network that a candidate would be deployed as, from scratch."""
    rows = [row for row in ledger.results(candidate_id) if row.model_sha256]
    pruned: Mapping[str, Any] | None = rows[-1].architecture
    return {
        "task": "final",
        "architecture": dict(pruned or ledger.candidate(candidate_id).architecture),
        "train": experiment.train.model_dump(mode="json"),
        "augment": experiment.data.augment.model_dump(mode="json"),
        "seed": candidate_seed(ledger.run.identity["seed"], candidate_id, anew=seed),
        "distillation": distillation_of(experiment),
        "tune_above": experiment.finalists.tune_above,
        "tune_epochs": experiment.finalists.tune_epochs,
    }
