"""Trains one candidate in this process: from scratch, or on from weights that it had before.

The accuracy it reports is that of the weights it returns: those of the last epoch, never the best
of several epochs, which would be an optimistic number for weights that nobody keeps. It knows
nothing of int8, of boards, or of the search that asks for the candidate.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from munas.arch import Architecture
from munas.deploy.keras_model import build_model
from munas.deploy.quiet import silence_tensorflow
from munas.errors import BadInputError, MunasError
from munas.experiment.schema import Augment, Train
from munas.train.augment import augmented
from munas.train.datasets.dataset import Dataset
from munas.train.pruning import Masks, PruningPlan
from munas.train.steps import Steps
from munas.train.teacher import Teacher

if TYPE_CHECKING:
    import keras

Weights = list[npt.NDArray[np.float32]]


class DivergedError(MunasError):
    """A candidate's loss became infinite or not a number; it has no accuracy worth the name."""

    name = "diverged"


@dataclass(frozen=True)
class EpochMetrics:
    """One epoch: the mean loss while it ran (penalties included), the accuracy after it."""

    epoch: int
    learning_rate: float
    train_loss: float
    val_accuracy: float
    fit_us: int
    validate_us: int


# Told after each epoch; the training ends there when it returns True.
OnEpoch = Callable[[int, EpochMetrics], bool]


@dataclass(frozen=True)
class TrainTime:
    """Where the time went; `build_us` is for building and tracing the network."""

    build_us: int
    fit_us: int
    validate_us: int


@dataclass(frozen=True, eq=False)
class TrainedModel:
    """A trained float32 network.

    `architecture` is what `model` computes: what was asked for, or what pruning has left of it.
    `val_accuracy` is the last epoch's, of exactly these weights. `dense` are the weights before
    anything was cut away, from which a pruned network is trained on; those of `model` where nothing
    was. `stopped` says that `on_epoch` ended the training before its time; `history` has the epochs
    that were done.
    """

    architecture: Architecture
    model: keras.Model
    val_accuracy: float
    history: tuple[EpochMetrics, ...]
    stopped: bool
    time: TrainTime
    dense: Weights

    @property
    def weights(self) -> Weights:
        """The weights in the order of `build_model`'s: `set_weights` of a fresh one takes them."""
        weights: Weights = self.model.get_weights()
        return weights


@dataclass(frozen=True, eq=False)
class Course:
    """What a training does besides following its labels from scratch to the end.

    It runs from epoch `first` on (that many were done before, and gave `weights`) to epoch `last`
    (null: the settings' full number); over this part the learning rate takes the whole course of
    its schedule, and so does the pruning. `weights` given with `first` = 0 are where it begins.
    """

    first: int = 0
    last: int | None = None
    weights: Weights | None = None
    pruning: PruningPlan | None = None
    teacher: Teacher | None = None


def train(
    architecture: Architecture,
    dataset: Dataset,
    settings: Train,
    *,
    seed: int,
    augment: Augment | None = None,
    on_epoch: OnEpoch | None = None,
    course: Course | None = None,
) -> TrainedModel:
    """Train `architecture` on the data set's training images, for `settings.epochs` epochs unless
    its `course` says otherwise.

    Initial weights, dropout, the order of images and their augmentation follow from `seed` alone,
    whatever was trained before in this process; Python's, NumPy's and TensorFlow's global
    generators are seeded with it, and Keras's session is cleared. In processes that called
    `configure_determinism`, the same arguments give the same weights bit for bit.
    Batch normalisation averages its statistics over about a tenth of an epoch: see
    `statistics_momentum`.

    `on_epoch(epoch, metrics)` returning True ends the training after that epoch; an exception in it
    passes through. Raises DivergedError after the first epoch with a loss that is not finite, and
    BadInputError when the network is made for other images or classes than the data set has.
    """
    _require_fit(architecture, dataset)
    silence_tensorflow()
    import keras

    course = course or Course()
    began_ns = time.perf_counter_ns()
    keras.backend.clear_session()
    keras.utils.set_random_seed((seed + course.first) % 2**32)
    masks = Masks(architecture, course.pruning) if course.pruning else None
    model = build_model(
        architecture, dropout=settings.dropout, after=masks.behind if masks else None
    )
    if course.weights is not None:
        _take_weights(model, architecture, course.weights, masked=masks is not None)
    batches = math.ceil(len(dataset.train) / settings.batch)
    _set_statistics_momentum(model, batches)
    steps = Steps(model, dataset.normalisation, settings.optimizer, masks, course.teacher)
    build_us = _us_since(began_ns)
    last = settings.epochs if course.last is None else course.last
    epochs = _Epochs(
        steps, dataset, settings, augment or Augment(), seed, course, masks, batches, last
    )
    history: list[EpochMetrics] = []
    stopped = False
    for epoch in range(course.first, last):
        history.append(epochs.run(epoch))
        stopped = on_epoch is not None and on_epoch(epoch, history[-1])
        if stopped:
            break
    if not all(np.isfinite(weight).all() for weight in model.get_weights()):
        raise _diverged(history[-1].epoch)
    val_accuracy = history[-1].val_accuracy
    if masks and stopped:
        masks.close()
        val_accuracy = steps.accuracy(dataset.val)
    left, smaller = masks.cut(model) if masks else (architecture, model)
    return TrainedModel(
        architecture=left,
        model=smaller,
        val_accuracy=val_accuracy,
        history=tuple(history),
        stopped=stopped,
        time=TrainTime(
            build_us=build_us,
            fit_us=sum(metrics.fit_us for metrics in history),
            validate_us=sum(metrics.validate_us for metrics in history),
        ),
        dense=_give_weights(model, architecture, masked=masks is not None),
    )


def _take_weights(
    model: keras.Model, architecture: Architecture, weights: Weights, *, masked: bool
) -> None:
    """Set weights that are in the order of `build_model`'s, which masks between layers change."""
    if not masked:
        model.set_weights(weights)
        return
    plain = build_model(architecture)
    plain.set_weights(weights)
    for layer in plain.layers:
        model.get_layer(layer.name).set_weights(layer.get_weights())


def _give_weights(model: keras.Model, architecture: Architecture, *, masked: bool) -> Weights:
    """The inverse of `_take_weights`."""
    if masked:
        plain = build_model(architecture)
        for layer in plain.layers:
            layer.set_weights(model.get_layer(layer.name).get_weights())
        model = plain
    weights: Weights = model.get_weights()
    return weights


def statistics_momentum(steps_per_epoch: int) -> float:
    """Batch normalisation's momentum, from 0.9 to Keras's (and the paper's) 0.99.

    With momentum m the moving statistics are an average over some 1 / (1 - m) steps, and they lag
    behind the weights as much. A hundred steps are nothing in the paper's 19,000, but more than an
    epoch of a reduced data set, where networks then validate near chance however well they have
    learnt. So the average is over a tenth of an epoch, and over 10 to 100 steps.
    """
    return 1 - 1 / min(100.0, max(10.0, steps_per_epoch / 10))


def _set_statistics_momentum(model: keras.Model, steps_per_epoch: int) -> None:
    import keras

    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = statistics_momentum(steps_per_epoch)


@dataclass(frozen=True, eq=False)
class _Epochs:
    """What all epochs of one training share; `batches` are those of one epoch."""

    steps: Steps
    dataset: Dataset
    settings: Train
    augment: Augment
    seed: int
    course: Course
    masks: Masks | None
    batches: int
    last: int

    def run(self, epoch: int) -> EpochMetrics:
        began_ns = time.perf_counter_ns()
        rate = self._rate(epoch, 0)
        self.steps.set_learning_rate(rate)
        loss = self._fit(epoch, np.random.default_rng([self.seed, epoch]))
        if not math.isfinite(loss):
            raise _diverged(epoch)
        fit_us = _us_since(began_ns)
        began_ns = time.perf_counter_ns()
        accuracy = self.steps.accuracy(self.dataset.val)
        return EpochMetrics(epoch, rate, loss, accuracy, fit_us, _us_since(began_ns))

    def _rate(self, epoch: int, batch: int) -> float:
        """The learning rate of a batch: this part of the training takes the whole schedule."""
        optimizer, full = self.settings.optimizer, self.settings.epochs
        within = batch / self.batches if optimizer.changes_within_epochs else 0.0
        length = self.last - self.course.first
        return optimizer.rate_at((epoch - self.course.first + within) * full / length, full)

    def _fit(self, epoch: int, rng: np.random.Generator) -> float:
        """One pass over the training images in a new order; the mean loss."""
        split, batch = self.dataset.train, self.settings.batch
        order = rng.permutation(len(split))
        loss_sum: Any = 0.0
        done = (epoch - self.course.first) * self.batches
        for number, start in enumerate(range(0, len(split), batch)):
            chosen = order[start : start + batch]
            if self.settings.optimizer.changes_within_epochs:
                self.steps.set_learning_rate(self._rate(epoch, number))
            images = augmented(split.images[chosen], self.augment, rng)
            loss_sum = loss_sum + self.steps.step(images, split.labels[chosen], chosen)
            if self.masks:
                self.masks.update(done + number + 1, (self.last - self.course.first) * self.batches)
        return float(loss_sum) / len(split)


def _diverged(epoch: int) -> DivergedError:
    return DivergedError(
        f"The training diverged in epoch {epoch}: the loss or a weight is no longer finite.",
        "Lower train.optimizer.learning_rate if this happens to many candidates.",
    )


def _require_fit(architecture: Architecture, dataset: Dataset) -> None:
    made_for = (architecture.input, architecture.classes)
    if made_for != (dataset.input_shape, dataset.classes):
        shape = "x".join(map(str, architecture.input))
        has = "x".join(map(str, dataset.input_shape))
        raise BadInputError(
            f"The architecture is made for {architecture.classes} classes of images {shape}, "
            f"{dataset.name} has {dataset.classes} of {has}.",
            "Sample architectures for this data set.",
        )


def _us_since(began_ns: int) -> int:
    return (time.perf_counter_ns() - began_ns) // 1000
