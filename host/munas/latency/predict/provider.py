"""Latencies from a calibrated predictor, as a search takes them. See LatencyProvider."""

from __future__ import annotations

import logging

from munas.arch import Architecture
from munas.cost import Cost
from munas.latency.predict.predictor import Prediction, Predictor
from munas.latency.provider import Reading
from munas.units import LatencySource

log = logging.getLogger(__name__)


class PredictedProvider:
    """Readings of one predictor; `sha256` is that of its file, by which a run knows it again.

    `Latency.error_percent` is the half-width of the prediction's interval. Nothing is measured, so
    readings have no arena.
    """

    source = LatencySource.PREDICTED
    needs_model = False

    def __init__(self, predictor: Predictor, sha256: str) -> None:
        self.predictor = predictor
        self.predictor_sha256: str | None = sha256
        self.board: str | None = predictor.conditions.board
        self.engine: str | None = predictor.conditions.engine
        self._warned = False

    def read(self, architecture: Architecture, costs: Cost, model: bytes | None) -> Reading:
        del architecture, model
        found = self.predictor.predict(costs)
        if found.extrapolates:
            self._warn(found)
        return Reading(self.predictor.latency(found, costs.macs))

    def screened_us(self, costs: Cost) -> int | None:
        return self._microseconds(self.predictor.cycles(costs))

    def spared(self, costs: Cost) -> Reading | None:
        """Its values are final."""
        del costs
        return None

    def renew(self) -> None:
        """Nothing drifts."""

    def close(self) -> None:
        """Nothing is held."""

    def _microseconds(self, cycles: float) -> int:
        return round(cycles * self.predictor.us_a_cycle)

    def _warn(self, found: Prediction) -> None:
        """Once a run: a search strays, and a line for every candidate would bury the rest."""
        level = logging.DEBUG if self._warned else logging.WARNING
        self._warned = True
        log.log(level, "A predicted latency extrapolates: %s.", "; ".join(found.extrapolates))


def provenance(predictor: Predictor, sha256: str) -> str:
    """How a predictor was fitted and how true it is, in one line."""
    of, true = predictor.conditions, predictor.accuracy
    error = (
        f"; the emulated cycles themselves are off by about {of.model_error_percent:g} %"
        if of.model_error_percent
        else ""
    )
    return (
        f"fitted on {predictor.n} networks measured on {of.board} ({of.source}) with {of.engine}, "
        f"held-out error {true.mape_percent:.1f} % (a line on MACs: {true.mac_mape_percent:.0f} %),"
        f" rank correlation {true.spearman:.4f}, {sha256[:12]}{error}"
    )
