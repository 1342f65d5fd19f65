"""What a predictor is fitted on: architectures with the measurement of their every operator.

The operators of a measurement are those of the architecture's graph in the same order; that is
checked, and what does not align is refused. So are measurements that cannot be fitted together,
because they were taken under different conditions. Must not know how anything was measured.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from munas.arch import Architecture, assemble, sha256
from munas.cost import Cost, cost
from munas.errors import BadInputError
from munas.latency.predict.features import Features, features_of
from munas.units import MEASURED

Pair = tuple[Architecture, Mapping[str, Any]]


class UnusableError(BadInputError):
    """A measurement from which nothing can be learnt about an architecture's operators."""


@dataclass(frozen=True)
class Conditions:
    """What all measurements behind a predictor have in common; `source` is never `predicted`."""

    board: str
    engine: str
    source: str
    clock_hz: int
    engine_revision: str | None = None
    kernels: str | None = None
    compiler: str | None = None
    flags: str | None = None
    model_error_percent: float | None = None

    @classmethod
    def of(cls, measurement: Mapping[str, Any]) -> Conditions:
        found: dict[str, Any] = {name: measurement.get(name) for name in cls.__dataclass_fields__}
        return cls(**found)


@dataclass(frozen=True)
class Example:
    """One measured architecture. `network_sha256` is equal for genomes that compute the same."""

    architecture_sha256: str
    network_sha256: str
    macs: int
    features: tuple[Features, ...]
    operator_cycles: tuple[int, ...]
    cycles: int


@dataclass(frozen=True)
class Examples:
    """Examples of one set of conditions, each network once; `repeated` were left out for that."""

    conditions: Conditions
    units: tuple[str, ...]
    items: tuple[Example, ...]
    repeated: int = 0

    def sha256(self) -> str:
        """What identifies the data: the same networks with the same cycles in any order."""
        rows = sorted(f"{e.architecture_sha256} {e.cycles} {e.operator_cycles}" for e in self.items)
        return hashlib.sha256("\n".join(rows).encode()).hexdigest()


def example_of(architecture: Architecture, measurement: Mapping[str, Any]) -> Example:
    """Raises UnusableError where the measurement's operators are not the architecture's."""
    digest = sha256(architecture)
    costs = cost(architecture)
    operators = measurement.get("operators") or ()
    if measurement.get("error") or not measurement.get("cycles"):
        raise UnusableError(f"The measurement of {digest[:12]} failed.")
    if measurement.get("source") not in MEASURED:
        raise UnusableError(
            f"The latency of {digest[:12]} is {measurement.get('source')}, not measured on a board."
        )
    if not operators:
        raise UnusableError(
            f"The measurement of {digest[:12]} has no cycles of its operators.",
            "Measure it again, operator by operator: munas measure --per-op",
        )
    _require_alignment(digest, costs, operators)
    return Example(
        architecture_sha256=digest,
        network_sha256=assemble(architecture).sha256(),
        macs=costs.macs,
        features=features_of(costs),
        operator_cycles=tuple(int(operator["cycles"]) for operator in operators),
        cycles=int(measurement["cycles"]),
    )


def examples_of(pairs: Iterable[Pair]) -> Examples:
    """Examples to fit one predictor on; of a network that comes several times, the last.

    Raises BadInputError for none, or for measurements of different conditions, which it names;
    UnusableError as `example_of` does.
    """
    found: dict[str, Example] = {}
    first: Conditions | None = None
    units: set[str] = set()
    count = 0
    for architecture, measurement in pairs:
        example = example_of(architecture, measurement)
        conditions = Conditions.of(measurement)
        _require_alike(first or conditions, conditions)
        first = first or conditions
        units.add(str(measurement.get("unit")))
        found[example.network_sha256] = example
        count += 1
    if first is None:
        raise BadInputError(
            "There is no measurement to fit a predictor on.", "Measure some: munas calibrate"
        )
    items = tuple(found.values())
    return Examples(first, tuple(sorted(units)), items, repeated=count - len(items))


def _require_alignment(digest: str, costs: Cost, operators: Sequence[Mapping[str, Any]]) -> None:
    expected = costs.graph.operators
    if len(operators) != len(expected):
        raise UnusableError(
            f"{digest[:12]} has {len(expected)} operators, its measurement {len(operators)}.",
            "It is not of this architecture, or another version of munas converted it.",
        )
    for index, (ours, theirs) in enumerate(zip(expected, operators, strict=True)):
        if (ours.kind, ours.macs) != (theirs["name"], theirs["macs"]):
            raise UnusableError(
                f"Operator {index} of {digest[:12]} is {ours.kind} with {ours.macs:,} MACs; what "
                f"was measured is {theirs['name']} with {theirs['macs']:,}.",
                "It is not of this architecture, or another version of munas converted it.",
            )


def _require_alike(first: Conditions, other: Conditions) -> None:
    ours, theirs = asdict(first), asdict(other)
    different = [
        f"{name} {ours[name]} and {theirs[name]}" for name in ours if ours[name] != theirs[name]
    ]
    if different:
        raise BadInputError(
            f"Measurements of different conditions cannot be fitted together: "
            f"{'; '.join(different)}.",
            "Fit one predictor for each.",
        )
