"""The records that pass between a search and whoever evaluates its candidates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from munas.arch import Architecture

Status = Literal["ok", "infeasible", "failed"]


@dataclass(frozen=True)
class Candidate:
    """An architecture to be evaluated at a rung. `candidate_id` counts new architectures from 1.

    `sparsity` is the share of channels that pruning is to take, null where nothing is pruned.
    `parent_rung` is the highest rung of the parent that was known when the child was asked for.
    """

    candidate_id: int
    architecture: Architecture
    architecture_sha256: str
    parent_id: int | None = None
    morphism: str | None = None
    sparsity: float | None = None
    rung: int = 0
    parent_rung: int | None = None


@dataclass(frozen=True)
class Evaluation:
    """What is known of a candidate.

    `values` holds quantities by the names of the bounds (`error` = 1 - int8 validation accuracy,
    `latency_us`, `macs`, `arena_used_bytes`, ...); one that is not known is left out. `sources`
    names where `latency_us` and `arena_used_bytes` come from. `rung` is the fidelity; evaluations
    of different rungs are never ranked together, of different sources only by `span_us`.

    A `hopeless` one was given up before its rung's end and goes no further.

    `span_us` (low, high) is given of a latency that stands for one that may yet be measured: what
    measuring would give lies within. Null: the value is what it is.
    """

    status: Status
    values: Mapping[str, float] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)
    rung: int = 0
    span_us: tuple[float, float] | None = None
    hopeless: bool = False


@dataclass(frozen=True)
class Result:
    """A candidate with its evaluation."""

    candidate: Candidate
    evaluation: Evaluation
