"""From measured points to the results of a correlation study.

Must not know how points were measured, nor how results are shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from munas.stats import too_few
from munas.study.agreement import SeriesAgreement, agreements
from munas.study.checks import check_study
from munas.study.groups import OperatorCosts, Residuals, operator_costs, residuals_of
from munas.study.memory import MemoryResult, analyse_memory
from munas.study.points import Failure, Point, SeriesKey, failures_by_reason, series_of
from munas.study.relation import (
    FEWER_RESAMPLES,
    RESAMPLES,
    Relation,
    coefficients_json,
    relate,
)
from munas.study.verdict import Verdict, latency_verdict

PROVENANCE = (
    "board", "unit", "engine", "engine_revision", "kernels", "compiler", "flags", "clock_hz",
    "source", "model_error_percent",
)  # fmt: skip
"""What a series has in common, by the measurement object's names."""


@dataclass(frozen=True, eq=False)
class SeriesResult:
    """What one board with one engine shows. `failed` counts by name of the fault."""

    key: SeriesKey
    points: tuple[Point, ...]
    provenance: Mapping[str, Any]
    relation: Relation
    residuals: Residuals
    operators: OperatorCosts
    memory: MemoryResult | None
    failed: Mapping[str, int]
    verdict: Verdict

    @property
    def n(self) -> int:
        return len(self.points)

    @property
    def source(self) -> str:
        return str(self.provenance["source"])

    @property
    def stands_for(self) -> str | None:
        """The board in whose place an emulated one measured, if any."""
        return self.points[0].stands_for

    def as_json(self) -> dict[str, Any]:
        """The keys of interfaces that scripts rely on, and more beside them."""
        relation = self.relation
        return {
            "n": self.n,
            **coefficients_json(relation.coefficients),
            "fit": self._fit_json(),
            "mape": relation.mape_percent,
            "by_decade": [decade.as_json("macs") for decade in relation.decades],
            "misordered_pairs": {**relation.misordered.as_json(), "worst": self._worst()},
            "verdict": self.verdict.sentence,
            "grades": self.verdict.as_json(),
            "too_few": too_few(self.n),
            "failed": dict(self.failed),
            **self.provenance,
            **({"stands_for": self.stands_for} if self.stands_for else {}),
            "residuals": self.residuals.as_json(),
            "operators": self.operators.as_json(),
            "memory": None if self.memory is None else self.memory.as_json(),
        }

    def _fit_json(self) -> dict[str, Any]:
        line = self.relation.line
        hz = int(self.provenance["clock_hz"])
        return {
            "form": "latency_us = intercept_us + slope_us_per_mac * macs",
            "intercept_us": line.intercept.as_json(),
            "slope_us_per_mac": line.slope.as_json(),
            "cycles_per_mac": line.slope.mapped(lambda slope: slope * hz / 1e6).as_json(),
            "residual_sd_us": line.residual_sd,
            "macs_from": int(line.x_low),
            "macs_to": int(line.x_high),
            "log_log": {
                "form": "latency_us = factor * macs ** exponent",
                **self.relation.power.as_json(),
            },
        }

    def _worst(self) -> dict[str, Any] | None:
        """The pair of the greatest ratio: what MACs prefer, and what they turn down."""
        worst = self.relation.misordered.pairs.worst
        if worst is None:
            return None
        return {
            name: {
                "architecture_sha256": self.points[index].architecture_sha256,
                "macs": self.points[index].macs,
                "latency_us": self.points[index].latency_us,
            }
            for name, index in zip(("preferred", "other"), worst, strict=True)
        }


@dataclass(frozen=True, eq=False)
class StudyResult:
    """All series, in the order in which their points came, and how they agree.

    `failures` are all that gave no point, those before any board included.
    """

    series: tuple[SeriesResult, ...]
    agreement: tuple[SeriesAgreement, ...]
    failures: tuple[Failure, ...]

    def as_json(self) -> dict[str, Any]:
        """The first series, and beside it all of them and their agreement."""
        return {
            **self.series[0].as_json(),
            "series": [each.as_json() for each in self.series],
            "agreement": [each.as_json() for each in self.agreement],
            "failed": failures_by_reason(self.failures),
        }


def analyse(
    points: Iterable[Point],
    failures: Iterable[Failure] = (),
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> StudyResult:
    """The results of a study; the same for the same points and seed.

    Raises BadInputError, naming what and which, for what may not be looked at together (see
    `munas.study.checks`) and for a series of which every measurement failed.
    """
    failed = tuple(failures)
    series = series_of(points)
    for failure in failed:
        if failure.board is not None and failure.engine is not None:
            series.setdefault(SeriesKey(failure.board, failure.engine), [])
    check_study(series, failed)
    return StudyResult(
        series=tuple(
            analyse_series(key, own, failed, resamples=resamples, seed=seed)
            for key, own in series.items()
        ),
        agreement=agreements(series, seed),
        failures=failed,
    )


def analyse_series(
    key: SeriesKey,
    points: Sequence[Point],
    failures: Sequence[Failure] = (),
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> SeriesResult:
    """The results of points that passed `check_series`; failures of other series are passed over.

    Raises BadInputError where MACs or latencies do not vary.
    """
    provenance = {name: points[0].measurement.get(name) for name in PROVENANCE}
    macs = np.array([float(point.macs) for point in points])
    latency = np.array([float(point.latency_us) for point in points])
    relation = relate(
        macs,
        latency,
        names=(f"{key}: MACs", f"{key}: latency"),
        error_percent=points[0].model_error_percent,
        resamples=resamples,
        seed=seed,
    )
    return SeriesResult(
        key=key,
        points=tuple(points),
        provenance=provenance,
        relation=relation,
        residuals=residuals_of(
            points,
            latency,
            relation.line.at(macs),
            relation.power.at(macs),
            min(resamples, FEWER_RESAMPLES),
        ),
        operators=operator_costs(points),
        memory=analyse_memory(key, points, seed),
        failed=failures_by_reason(
            failure for failure in failures if (failure.board, failure.engine) == key
        ),
        verdict=latency_verdict(key, relation, points[0].source),
    )
