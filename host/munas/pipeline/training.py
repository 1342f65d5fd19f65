"""The training of a candidate at a rung, as a task for a worker and as the worker reads it.

Both ends of the task are here, so that what one writes the other understands.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from munas.arch import Architecture
from munas.cost import Cost
from munas.errors import BadInputError, InfrastructureError
from munas.experiment import Experiment
from munas.latency import Reading
from munas.pipeline.evaluation import reading_of
from munas.pipeline.executor import Executor
from munas.pipes import unpack_arrays
from munas.search import Candidate, Search
from munas.store import Ledger

# Seeds of finalists are far from those of candidates, which are near the run's own.
_SEEDS_APART = 7_919

if TYPE_CHECKING:
    from munas.train.teacher import Teacher
    from munas.train.trainer import Course


def training_of(
    ledger: Ledger, experiment: Experiment, search: Search, candidate: Candidate
) -> tuple[dict[str, Any], dict[str, bytes]]:
    """The task that brings a candidate to its rung, and the weights that it begins with."""
    seed, inherits = search.settings.seed, experiment.fidelity.inherit
    if candidate.rung:
        weights = _weights(ledger, candidate.candidate_id, candidate.rung - 1)
        return train_task(experiment, candidate, seed), {"weights": weights}
    if inherits and candidate.parent_id is not None:
        weights = _weights(ledger, candidate.parent_id, candidate.parent_rung or 0)
        if weights:  # a parent that was never trained has none to give
            parent = search.candidate(candidate.parent_id).architecture
            return train_task(experiment, candidate, seed, parent), {"parent": weights}
    return train_task(experiment, candidate, seed), {}


def _weights(ledger: Ledger, candidate_id: int, rung: int) -> bytes:
    """The trained weights of a candidate at a rung; empty where it has none."""
    for row in ledger.results(candidate_id):
        if row.rung == rung and row.weights_sha256:
            return ledger.get_artifact(row.weights_sha256)
    return b""


def reading_below(ledger: Ledger, candidate: Candidate, costs: Cost) -> Reading | None:
    """The reading of a candidate at the rung below; null where pruning may change the network."""
    if candidate.sparsity is not None:
        return None
    place = candidate.candidate_id, candidate.rung - 1
    rows = ledger.current_results()
    row = next(row for row in rows if (row.candidate_id, row.rung) == place)
    return reading_of(row, costs.macs)


def candidate_seed(seed: int, candidate_id: int, anew: int = 0) -> int:
    """The seed of a candidate's training in a run of `seed`; `anew` counts a finalist's from 1."""
    return (seed + anew * _SEEDS_APART) * 1_000_003 + candidate_id


def train_task(
    experiment: Experiment, candidate: Candidate, seed: int, parent: Architecture | None = None
) -> dict[str, Any]:
    """The task that brings a candidate from one rung to the next.

    The blob `weights` goes with it where the candidate was trained before, the blob `parent` where
    it begins with its `parent`'s weights.
    """
    rungs, pruning = experiment.rungs, experiment.pruning
    plan = None
    if candidate.sparsity is not None:
        plan = {
            "sparsity": candidate.sparsity,
            "start": pruning.start,
            "finish": pruning.finish,
        }
    error = experiment.bounds.error
    return {
        "task": "train",
        "architecture": candidate.architecture.as_dict(),
        "train": experiment.train.model_dump(mode="json"),
        "augment": experiment.data.augment.model_dump(mode="json"),
        "seed": candidate_seed(seed, candidate.candidate_id),
        "first": rungs[candidate.rung - 1] if candidate.rung else 0,
        "last": rungs[candidate.rung],
        "pruning": plan,
        "parent": parent and parent.as_dict(),
        "morphism": candidate.morphism,
        "distillation": distillation_of(experiment),
        "wanted_accuracy": 1 - error if experiment.fidelity.stop_hopeless and error else None,
    }


def distillation_of(experiment: Experiment) -> dict[str, float]:
    """How much a teacher's answers, the blob `teacher`, count."""
    return experiment.distillation.model_dump(include={"weight", "temperature"})


def ask_teacher(
    experiment: Experiment, executor: Executor, teacher_sha256: str | None
) -> dict[str, bytes]:
    """The blob of the teacher's answers that goes with trainings; none without a teacher.

    Asked in a worker, whose sums come out the same each time. Raises InfrastructureError, and
    BadInputError where the file is not the one that the run began with.
    """
    if experiment.distillation.teacher is None:
        return {}
    path = Path(experiment.distillation.teacher)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InfrastructureError(
            f"The teacher {path} cannot be read: {error.strerror}.",
            "Restore the file that the search began with, then resume.",
        ) from None
    if hashlib.sha256(data).hexdigest() != teacher_sha256:
        raise BadInputError(
            f"The teacher {path} is not the file that the search began with: some candidates would "
            "have learnt from another one.",
            "Restore that file, or begin a new search.",
        )
    answer, blobs = executor.submit({"task": "teach"}, {"teacher": data}).result()
    if "error" in answer:
        raise InfrastructureError(answer["error"]["message"], answer["error"].get("mend", ""))
    return {"teacher": blobs["logits"]}


def teacher_of(task: dict[str, Any], blobs: dict[str, bytes]) -> Teacher | None:
    """The teacher of a task; null where it has none."""
    from munas.train.teacher import Teacher

    if "teacher" not in blobs:
        return None
    return Teacher(unpack_arrays(blobs["teacher"])["logits"], **task["distillation"])


def course_of(task: dict[str, Any], blobs: dict[str, bytes]) -> Course:
    """The course of the training that a task asks for."""
    from munas.pipeline.tasks import unpack_weights
    from munas.train.inherit import inherited
    from munas.train.pruning import PruningPlan
    from munas.train.trainer import Course

    weights = None
    if "weights" in blobs:
        weights = unpack_weights(blobs["weights"], dense=True)
    elif task.get("parent") is not None:
        weights = inherited(
            Architecture.from_dict(task["architecture"]),
            Architecture.from_dict(task["parent"]),
            unpack_weights(blobs["parent"], dense=True),
            task["morphism"],
            seed=task["seed"],
        )
    plan = task.get("pruning")
    return Course(
        first=task.get("first", 0),
        last=task.get("last"),
        weights=weights,
        pruning=PruningPlan(**plan) if plan else None,
        teacher=teacher_of(task, blobs),
    )


def stop_of(task: dict[str, Any]) -> Callable[[int, Any], bool]:
    """Whether to end a training after an epoch, by its learning curve so far."""
    from munas.train.curve import hopeless

    wanted = task.get("wanted_accuracy")
    accuracies: list[float] = []

    def stop(epoch: int, metrics: Any) -> bool:
        accuracies.append(metrics.val_accuracy)
        left = task["train"]["epochs"] - epoch - 1  # of the full training, whatever this rung is
        return wanted is not None and hopeless(accuracies, left, wanted)

    return stop
