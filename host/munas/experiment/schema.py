"""The experiment file: what is searched, on which data, under which bounds.

One experiment is one TOML file. Unknown keys, wrong types and impossible bounds are BadInputErrors
that name the file and the field. This module knows the file's shape and ranges, nothing that runs.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Positive = Annotated[int, Field(gt=0)]


class Section(BaseModel):
    """A table of the file: unknown keys are errors, values are not coerced."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Augment(Section):
    """Random changes of training images, each off unless given (source: the paper's data sets)."""

    flip: bool = False
    shift_pixels: Annotated[int, Field(ge=0, le=16)] = 0
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
    name: Literal["cnn", "mlp"] = "cnn"
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

    algorithm: Literal["aging-evolution", "random"] = "aging-evolution"
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
        return self


class Step(Section):
    """From `epoch` on (counted from 0), this learning rate."""

    epoch: Annotated[int, Field(ge=0)]
    learning_rate: Annotated[float, Field(gt=0)]


class Optimizer(Section):
    """SGD or Adam with decoupled weight decay; `schedule` steps the learning rate."""

    name: Literal["sgdw", "adamw"] = "sgdw"
    learning_rate: Annotated[float, Field(gt=0)] = 0.01
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    weight_decay: Annotated[float, Field(ge=0)] = 1e-5
    schedule: tuple[Step, ...] = ()

    def rate_at(self, epoch: int) -> float:
        """The learning rate of an epoch (counted from 0)."""
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
    """Structured pruning; only `enabled = false` is taken until it is there."""

    enabled: Literal[False] = False


OnBoardLoss = Literal["pause", "rescore"]


class LatencySection(Section):
    source: Literal["auto", "measured", "predicted", "mac"] = "auto"
    board: str = "emulated_stm32l4r5"
    engine: Literal["tflm", "aot"] | None = None
    on_board_loss: OnBoardLoss = "pause"


class Experiment(Section):
    """A whole experiment file."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
    data: Data
    space: SpaceSection = SpaceSection()
    bounds: Bounds = Bounds()
    objective: Objective = Objective()
    search: SearchSection = SearchSection()
    train: Train = Train()
    pruning: Pruning = Pruning()
    latency: LatencySection = LatencySection()

    def as_dict(self) -> dict[str, Any]:
        """Plain values, as the ledger keeps them; `Experiment.model_validate` reads them back."""
        return self.model_dump(mode="json")
