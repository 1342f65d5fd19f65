"""The experiment file: what is searched, on which data, under which bounds.

One experiment is one TOML file. Unknown keys, wrong types and impossible bounds are BadInputErrors
that name the file and the field. This module knows the file's shape and ranges, nothing that runs.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, Strict, model_validator

Positive = Annotated[int, Field(gt=0)]
Flag = Annotated[bool, Strict()]


class Section(BaseModel):
    """A table of the file: unknown keys are errors, values are not coerced."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Augment(Section):
    """Random changes of training images, each off unless given (source: the paper's data sets)."""

    flip: Flag = False
    shift_pixels: Annotated[int, Field(ge=0, le=16)] = 0
    shift_rows: Annotated[int, Field(ge=0, le=16)] = 0
    rotate_radians: Annotated[float, Field(ge=0, le=3.2)] = 0.0
    rotate_probability: Annotated[float, Field(ge=0, le=1)] = 0.3


class Data(Section):
    """Which data set, how much of it, and where it may be found."""

    name: str
    fallback: str | None = None
    folder: str | None = None
    train_samples: Positive | None = None
    augment: Augment = Augment()


class SpaceSection(Section):
    name: Literal["cnn", "cnn1d", "mlp"] = "cnn"
    sampling: Literal["paper", "inclusive", "extended"] = "inclusive"


class Bounds(Section):
    """Upper limits; a quantity without one is not bounded."""

    error: Annotated[float, Field(gt=0, lt=1)] | None = None
    latency_us: Positive | None = None
    macs: Positive | None = None
    arena_used_bytes: Positive | None = None
    peak_memory_bytes: Positive | None = None
    model_size_bytes: Positive | None = None
    flash_bytes: Positive | None = None

    def given(self) -> dict[str, float]:
        """The bounds that are set, by name, in the file's order of fields."""
        return {name: value for name, value in self.model_dump().items() if value is not None}


class Objective(Section):
    kind: Literal["feasible-first", "chebyshev"] = "feasible-first"


class SearchSection(Section):
    """The search algorithm. `lag` defaults to twice the number of workers."""

    algorithm: Literal["aging-evolution", "random", "nsga2", "tpe"] = "aging-evolution"
    population: Positive = 100
    sample: Positive = 25
    rounds: Positive = 2000
    seed: Annotated[int, Field(ge=0)] = 0
    workers: Positive | None = None
    lag: Positive | None = None

    @model_validator(mode="after")
    def _plausible(self) -> Self:
        if self.sample > self.population:
            raise ValueError(f"sample ({self.sample}) cannot exceed population ({self.population})")
        if self.algorithm == "nsga2" and self.population < 2:
            raise ValueError("nsga2 needs a population of at least 2")
        return self


class Step(Section):
    """From `epoch` on (counted from 0), this learning rate."""

    epoch: Annotated[int, Field(ge=0)]
    learning_rate: Annotated[float, Field(gt=0)]


class Optimizer(Section):
    """SGD or Adam with decoupled weight decay.

    `schedule` steps the learning rate, or lets it fall along half a cosine to zero.
    """

    name: Literal["sgdw", "adamw"] = "sgdw"
    learning_rate: Annotated[float, Field(gt=0)] = 0.01
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    weight_decay: Annotated[float, Field(ge=0)] = 1e-5
    schedule: tuple[Step, ...] | Literal["cosine"] = ()

    @property
    def changes_within_epochs(self) -> bool:
        return self.schedule == "cosine"

    def rate_at(self, epoch: float, epochs: int) -> float:
        """The learning rate at an epoch of `epochs` (counted from 0, with its fraction)."""
        if self.schedule == "cosine":
            return self.learning_rate * 0.5 * (1 + math.cos(math.pi * min(1.0, epoch / epochs)))
        rate = self.learning_rate
        for step in sorted(self.schedule, key=lambda step: step.epoch):
            if epoch >= step.epoch:
                rate = step.learning_rate
        return rate


class Train(Section):
    epochs: Positive = 45
    batch: Positive = 128
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    optimizer: Optimizer = Optimizer()


class Pruning(Section):
    """Structured pruning: how sparse networks may be, and when in the training they become so.

    `sparsity` bounds the share of channels that go, which is a gene of every candidate. Masks
    change while the share of the training that is done lies between `start` and `finish`.
    """

    enabled: Flag = False
    sparsity: tuple[float, float] = (0.05, 0.9)
    start: Annotated[float, Field(ge=0, lt=1)] = 0.07
    finish: Annotated[float, Field(gt=0, lt=1)] = 0.85

    @model_validator(mode="after")
    def _plausible(self) -> Self:
        low, high = self.sparsity
        if high >= 1:
            raise ValueError(f"sparsity up to {high:g} leaves nothing of a network: stay below 1")
        if low < 0 or low > high:
            raise ValueError(
                f"sparsity must be two shares that rise from 0 on, not {low:g} and {high:g}"
            )
        if self.start >= self.finish:
            raise ValueError(f"start ({self.start:g}) must come before finish ({self.finish:g})")
        return self


class Fidelity(Section):
    """Short trainings first: successive halving over `rungs`, then `train.epochs` (epochs in all).

    One in `reduction` of a rung's candidates goes on to the next, and last to the full training;
    without rungs every candidate gets it at once. `stop_hopeless` ends a training whose learning
    curve cannot reach the error bound any more; `inherit` lets a child begin with its parent's
    weights where a morphism keeps the function.
    """

    rungs: tuple[Positive, ...] = ()
    reduction: Annotated[int, Field(ge=2)] = 3
    stop_hopeless: Flag = False
    inherit: Flag = False

    @model_validator(mode="after")
    def _plausible(self) -> Self:
        if any(low >= high for low, high in pairwise(self.rungs)):
            raise ValueError(f"rungs must rise: {', '.join(map(str, self.rungs))}")
        return self


class Distillation(Section):
    """A teacher whose answers are learnt beside the labels; none unless `teacher` is given.

    `teacher` is a Keras file that takes the data set's normalised images. The loss gains `weight` ·
    `temperature`² times the cross-entropy of its softened answers and the network's.
    """

    teacher: str | None = None
    weight: Annotated[float, Field(gt=0)] = 0.3
    temperature: Annotated[float, Field(gt=0)] = 1.0


class Finalists(Section):
    """The best of the front trained anew with `seeds` seeds each; none where `count` is 0.

    Where int8 costs more than `tune_above` of accuracy (a share), a finalist is tuned for `epochs`
    epochs with quantised weights and activations.
    """

    count: Annotated[int, Field(ge=0)] = 0
    seeds: Annotated[int, Field(ge=2)] = 3
    tune_above: Annotated[float, Field(ge=0, lt=1)] = 0.005
    tune_epochs: Annotated[int, Field(ge=0)] = 3


OnBoardLoss = Literal["pause", "rescore"]


class LatencySection(Section):
    source: Literal["auto", "measured", "predicted", "mac"] = "auto"
    board: str = "emulated_stm32l4r5"
    engine: Literal["tflm", "aot"] | None = None
    measure: Literal["all", "undecided"] = "all"
    on_board_loss: OnBoardLoss = "pause"


class StudySection(Section):
    """Which architectures a study measures, and where.

    `stratified` spreads random architectures evenly over the decades of `macs`; `paper` generates
    them as the paper's latency experiment does. `input` and `classes` default to the data set's.
    Each of `boards` (the target board of `latency` unless given) is measured with each of
    `engines` (the best that is at hand unless given).
    """

    count: Positive = 1000
    generation: Literal["stratified", "paper"] = "stratified"
    macs: tuple[Positive, Positive] = (30_000, 4_000_000)
    input: tuple[Positive, Positive, Positive] | None = None
    classes: Annotated[int, Field(ge=2)] | None = None
    seed: Annotated[int, Field(ge=0)] = 0
    boards: tuple[str, ...] = ()
    engines: tuple[Literal["tflm", "aot"], ...] = ()

    @model_validator(mode="after")
    def _plausible(self) -> Self:
        low, high = self.macs
        if low >= high:
            raise ValueError(f"macs must rise: {low} is not below {high}")
        for name, values in (("boards", self.boards), ("engines", self.engines)):
            if len(set(values)) < len(values):
                raise ValueError(f"{name} names one twice: {', '.join(values)}")
        return self


class _File(Section):
    """What every experiment file may hold, besides its data."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
    space: SpaceSection = SpaceSection()
    bounds: Bounds = Bounds()
    objective: Objective = Objective()
    search: SearchSection = SearchSection()
    train: Train = Train()
    pruning: Pruning = Pruning()
    fidelity: Fidelity = Fidelity()
    distillation: Distillation = Distillation()
    finalists: Finalists = Finalists()
    latency: LatencySection = LatencySection()
    study: StudySection = StudySection()

    def as_dict(self) -> dict[str, Any]:
        """Plain values, as the ledger keeps them; `Experiment.model_validate` reads them back."""
        return self.model_dump(mode="json")


class Experiment(_File):
    """A whole experiment file."""

    data: Data

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if len(self.rungs) > 1 and self.latency.measure == "undecided":
            raise ValueError(
                'fidelity.rungs needs latency.measure = "all": who goes on to the next rung '
                "depends on every latency"
            )
        return self

    def capped(self, epochs: int) -> Experiment:
        """With no training longer than `epochs`."""
        train = self.train.model_copy(update={"epochs": min(epochs, self.train.epochs)})
        return self.model_copy(update={"train": train})

    @property
    def rungs(self) -> tuple[int, ...]:
        """The epochs in all of each rung, the full training's last; longer ones fall away."""
        full = self.train.epochs
        return (*(rung for rung in self.fidelity.rungs if rung < full), full)


class StudyExperiment(_File):
    """An experiment file as a study reads it: where nothing is trained, no data are needed."""

    data: Data | None = None

    @model_validator(mode="after")
    def _shaped(self) -> Self:
        if self.data is None and (self.study.input is None or self.study.classes is None):
            raise ValueError("study.input and study.classes are needed where there is no [data]")
        return self
