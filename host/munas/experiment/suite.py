"""The suite file: which models a firmware is guarded with, on which boards, within which budgets.

One suite is one TOML file. Unknown keys, wrong types and impossible values are BadInputErrors that
name the file and the field. This module knows the file's shape and ranges, nothing that runs.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from munas.experiment.schema import Positive, Section

Percent = Annotated[float, Field(ge=0, le=100)]
Count = Annotated[int, Field(ge=0)]
Names = Annotated[tuple[str, ...], Field(min_length=1)]


class Budget(Section):
    """Upper limits of one model, whatever the baseline says; each is bounded only where given."""

    cycles: Positive | None = None
    latency_us: Positive | None = None
    arena_used_bytes: Positive | None = None
    flash_bytes: Positive | None = None
    stack_bytes: Positive | None = None

    def given(self) -> dict[str, int]:
        """The limits that are set, by metric."""
        return {name: value for name, value in self.model_dump().items() if value is not None}


class SuiteModel(Section):
    """One model: an own int8 .tflite (`path`, from the suite's folder), or an architecture drawn
    with a seed (random weights), for inputs of `input` (height x width x channels)."""

    name: Annotated[str, Field(min_length=1, max_length=80)]
    path: str | None = None
    architecture_seed: Count | None = None
    input: str | None = None
    classes: Annotated[int, Field(ge=2)] = 10
    space: Literal["cnn", "cnn1d", "mlp"] = "cnn"
    sampling: Literal["paper", "inclusive", "extended"] = "inclusive"
    budget: Budget = Budget()

    @field_validator("name")
    @classmethod
    def _printable(cls, name: str) -> str:
        if not name.isprintable() or name != name.strip():
            raise ValueError("must be printable, without space at its ends")
        return name

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        if (self.path is None) == (self.architecture_seed is None):
            raise ValueError("give either path or architecture_seed")
        if self.architecture_seed is not None and not re.fullmatch(
            r"[1-9]\d*(x[1-9]\d*){2}", self.input or ""
        ):
            raise ValueError('architecture_seed needs input, such as "28x28x1"')
        return self


class Tolerance(Section):
    """How much more is no regression.

    `cycles_percent` is the smallest change of cycles that anybody cares for; where it is not given
    it is the board's noise floor, or what munas takes for a board without one. The others are exact
    unless given.
    """

    cycles_percent: Percent | None = None
    arena_bytes: Count = 0
    flash_bytes: Count = 0
    ram_bytes: Count = 0
    stack_bytes: Count = 0


class Suite(Section):
    """The whole file.

    `environments` are PlatformIO environments whose firmware is built in place of the boards' own.
    `runs` restarts of the firmware are measured on a board whose cycles spread; one on others.
    `alpha` is the false discovery rate over the suite. `alignment_paddings` is how many paddings
    of the code are tried where cycles changed; 0 tries none.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
    boards: Names
    engines: Annotated[tuple[Literal["auto", "tflm", "aot"], ...], Field(min_length=1)] = ("auto",)
    environments: tuple[str, ...] = ()
    models: Annotated[tuple[SuiteModel, ...], Field(min_length=1)]
    tolerance: Tolerance = Tolerance()
    runs: Annotated[int, Field(ge=5, le=1000)] = 10
    alpha: Annotated[float, Field(gt=0, lt=0.5)] = 0.01
    alignment_paddings: Annotated[int, Field(ge=0, le=16)] = 4

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        named: dict[str, list[str]] = {
            "models": [model.name for model in self.models],
            "boards": list(self.boards),
            "engines": [*self.engines],
            "environments": list(self.environments),
        }
        for key, names in named.items():
            twice = [name for name, count in Counter(names).items() if count > 1]
            if twice:
                raise ValueError(f"{key} names {twice[0]!r} twice")
        return self

    def as_dict(self) -> dict[str, Any]:
        """The whole suite as plain values, as a baseline keeps it."""
        return self.model_dump(mode="json")


def model_path(model: SuiteModel, suite: Path) -> Path:
    """Where the model's file lies: paths are relative to the suite's folder."""
    assert model.path is not None
    return (suite.parent / Path(model.path).expanduser()).resolve()
