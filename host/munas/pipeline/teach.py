"""Trains a teacher for distillation: a large network on an experiment's data set.

It is far beyond any bound, so no candidate and in no ledger; a Keras file is all that is left.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from munas.arch import Architecture, Block, CnnArchitecture, Layer, Pooling, Shape, canonical
from munas.experiment import Experiment

OnEpoch = Callable[[int, int, float], None]


@dataclass(frozen=True)
class Taught:
    """The teacher's Keras file, and its float accuracies."""

    data: bytes
    parameters: int
    val_accuracy: float
    test_accuracy: float
    dataset: str
    dataset_sha256: str
    epochs: int


def teacher_architecture(shape: Shape, classes: int) -> Architecture:
    """Six 3x3 convolutions of 48 to 128 filters with batch normalisation, then global averaging."""

    def conv(filters: int, *, prepool: bool = False) -> Block:
        return Block(False, (Layer("conv", True, True, prepool, filters, 3, 1),))

    blocks = (
        conv(48), conv(48), conv(96, prepool=True), conv(96), conv(128, prepool=True), conv(128),
    )  # fmt: skip
    return canonical(CnnArchitecture(shape, classes, (), blocks, Pooling("avg", "global")))


def teach(experiment: Experiment, on_epoch: OnEpoch) -> Taught:
    """Train a teacher by the experiment's [train] on its data, with its augmentation.

    Takes minutes an epoch on large data sets. Raises DataError, and DivergedError where the
    learning rate is too high for it.
    """
    from munas.train import evaluate, load, train

    dataset = load(experiment.data)
    settings = experiment.train

    def told(epoch: int, metrics: Any) -> bool:
        on_epoch(epoch + 1, settings.epochs, metrics.val_accuracy)
        return False

    trained = train(
        teacher_architecture(dataset.input_shape, dataset.classes),
        dataset,
        settings,
        seed=experiment.search.seed,
        augment=experiment.data.augment,
        on_epoch=told,
    )
    return Taught(
        data=_saved(trained.model),
        parameters=int(trained.model.count_params()),
        val_accuracy=trained.val_accuracy,
        test_accuracy=evaluate(trained.model, dataset.test, dataset.normalisation),
        dataset=dataset.name,
        dataset_sha256=dataset.sha256,
        epochs=settings.epochs,
    )


def _saved(model: Any) -> bytes:
    """The .keras file; Keras writes to paths alone."""
    with tempfile.TemporaryDirectory(prefix="munas-teacher-") as folder:
        path = Path(folder) / "teacher.keras"
        model.save(path)
        return path.read_bytes()
