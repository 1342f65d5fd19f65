"""What one line of the open data set must be: its schema, and what must hold beyond its form.

Knows one line, not files.
"""

from __future__ import annotations

import json
from functools import lru_cache
from statistics import median
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from munas.arch import Architecture, sha256
from munas.cost import cost
from munas.errors import BadInputError
from munas.study.points import Point
from munas.wording import told

SCHEMA = "munas-study-point"
SCHEMA_VERSION = 1

# Operators are timed in a run of their own, and taking the time of each costs 30 to 60 cycles on a
# Cortex-M4. Wide for chips with caches: what is made here must pass too.
_OPERATORS_SLACK = 0.25
_TIMING_CYCLES = 500
# What JSON readers with doubles keep exactly.
_MOST = 2**53
Count = Annotated[int, Field(ge=0, le=_MOST)]
Positive = Annotated[int, Field(gt=0, le=_MOST)]
Ratio = Annotated[float, Field(ge=0, le=1e12)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Name = Annotated[str, Field(min_length=1, max_length=2000)]


class OperatorLine(BaseModel):
    """One operator in execution order."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: Name
    cycles: Count
    macs: Count


class MeasurementLine(BaseModel):
    """A measurement object without error; keys beyond these are kept."""

    model_config = ConfigDict(extra="allow", strict=True, allow_inf_nan=False)

    model: str
    model_sha256: Sha256
    board: Name
    unit: Name
    engine: Name
    engine_revision: str | None
    kernels: str | None
    firmware_sha256: str | None
    compiler: str | None
    flags: str | None
    clock_hz: Positive
    source: Literal["silicon", "emulated"]
    cycles: Positive
    flash_stall_cycles: Count | None = None
    model_error_percent: Ratio | None
    cycles_samples: list[Count]
    latency_us: Positive
    ci95_us: Ratio | None
    repeats: Positive
    warmup: Count
    arena_used_bytes: Count | None
    flash_bytes: Count | None
    stack_bytes: Count | None
    operators: list[OperatorLine]
    error: None = None


class PointLine(BaseModel):
    """One architecture measured on one board with one engine."""

    model_config = ConfigDict(extra="forbid", strict=True, title=SCHEMA)

    schema_: Literal["munas-study-point"] = Field(alias="schema")
    schema_version: Literal[1]
    architecture: dict[str, Any]
    architecture_sha256: Sha256
    tflite_sha256: Sha256
    tflite_bytes: Positive | None
    macs: Positive
    model_size_bytes: Count
    peak_memory_bytes: Count
    peak_memory_with_input_bytes: Positive
    measurement: MeasurementLine


def json_schema() -> dict[str, Any]:
    """The JSON schema of a line."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **PointLine.model_json_schema(by_alias=True),
    }


def to_line(point: Point) -> dict[str, Any]:
    """The point as a line's value. Raises BadInputError for what could not be read back."""
    value = {
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "architecture": _plain(point.architecture),
        "architecture_sha256": point.architecture_sha256,
        "tflite_sha256": point.model_sha256,
        "tflite_bytes": point.tflite_bytes,
        "macs": point.macs,
        "model_size_bytes": point.model_size_bytes,
        "peak_memory_bytes": point.peak_memory_bytes,
        "peak_memory_with_input_bytes": point.peak_memory_with_input_bytes,
        "measurement": _plain(point.measurement),
    }
    to_point(value, f"Architecture {point.architecture_sha256[:12]}")
    return value


def _plain(value: Any) -> Any:
    """Lists for tuples, as JSON has them."""
    return json.loads(json.dumps(value))


def to_point(value: Any, where: str) -> Point:
    """The point of a line's value.

    Raises BadInputError, with `where` before it, for an unknown schema, a missing or wrong field, a
    hash or a cost that is not the architecture's, and times that contradict each other.
    """
    _check_version(value, where)
    try:
        line = PointLine.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"])) or "the line"
        raise _fault(where, f"`{field}`: {told(first)}") from None
    _check_architecture(line, where)
    _check_measurement(line, where)
    return Point(
        architecture=line.architecture,
        architecture_sha256=line.architecture_sha256,
        macs=line.macs,
        peak_memory_bytes=line.peak_memory_bytes,
        peak_memory_with_input_bytes=line.peak_memory_with_input_bytes,
        model_size_bytes=line.model_size_bytes,
        tflite_bytes=line.tflite_bytes,
        measurement=value["measurement"],
    )


def _check_version(value: Any, where: str) -> None:
    if not isinstance(value, dict) or value.get("schema") != SCHEMA:
        raise _fault(where, f"it is not a line of the schema {SCHEMA}")
    version = value.get("schema_version")
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise BadInputError(
            f"{where}: version {version} of the schema {SCHEMA} is newer than this munas "
            f"knows ({SCHEMA_VERSION}).",
            "Upgrade munas.",
        )


def _check_architecture(line: PointLine, where: str) -> None:
    try:
        digest, expected = _known(json.dumps(line.architecture, sort_keys=True))
    except BadInputError as error:
        raise _fault(where, f"`architecture`: {error.what.rstrip('.')}") from None
    if digest != line.architecture_sha256:
        raise _fault(where, f"`architecture_sha256` is not that of the architecture ({digest})")
    for name, cost_of in expected.items():
        given = getattr(line, name)
        if given != cost_of:
            raise _fault(where, f"`{name}` is {given}; that of the architecture is {cost_of}")


@lru_cache(maxsize=8192)
def _known(text: str) -> tuple[str, dict[str, int]]:
    """Hash and costs of an architecture."""
    architecture = Architecture.from_json(text)
    found = cost(architecture)
    names = ("macs", "model_size_bytes", "peak_memory_bytes", "peak_memory_with_input_bytes")
    return sha256(architecture), {name: getattr(found, name) for name in names}


def _check_measurement(line: PointLine, where: str) -> None:
    found = line.measurement
    if found.model_sha256 != line.tflite_sha256:
        raise _fault(where, "`tflite_sha256` is not that of the measured model")
    if abs(found.cycles * 1e6 / found.clock_hz - found.latency_us) > 1:
        raise _fault(
            where,
            f"{found.cycles} cycles at {found.clock_hz} Hz are not {found.latency_us} µs",
        )
    _check_samples(found, where)
    macs = sum(operator.macs for operator in found.operators)
    if found.operators and macs != line.macs:
        raise _fault(where, f"the operators have {macs} MACs together, not {line.macs}")
    cycles = sum(operator.cycles for operator in found.operators)
    slack = _OPERATORS_SLACK * found.cycles + _TIMING_CYCLES * len(found.operators)
    if found.operators and abs(cycles - found.cycles) > slack:
        raise _fault(
            where, f"the operators take {cycles} cycles together, the whole network {found.cycles}"
        )


def _check_samples(found: MeasurementLine, where: str) -> None:
    """Raise BadInputError where the cycles are not those of the repeats."""
    if len(found.cycles_samples) != found.repeats:
        raise _fault(
            where, f"there are {len(found.cycles_samples)} samples of {found.repeats} repeats"
        )
    if abs(found.cycles - median(found.cycles_samples)) >= 1:
        raise _fault(
            where,
            f"{found.cycles} cycles are not the median of the samples "
            f"({median(found.cycles_samples):g})",
        )


def _fault(where: str, what: str) -> BadInputError:
    return BadInputError(
        f"{where}: {what}.", "Ask whoever made the data set, or leave that line out of it."
    )
