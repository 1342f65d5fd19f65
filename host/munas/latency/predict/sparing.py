"""A board that measures only what a predictor leaves undecided. See LatencyProvider."""

from __future__ import annotations

from munas.arch import Architecture
from munas.cost import Cost
from munas.latency.predict.predictor import Prediction, Predictor
from munas.latency.provider import LatencyProvider, Reading


class SparingProvider:
    """`measured`, spared by a predictor of its board, engine and source.

    A candidate is spared where its prediction's interval lies on one side of `bound_us` (or there
    is none) and does not extrapolate: it is then surely within the bound, or surely not. Such a
    reading carries its span, by which alone it may be ranked; where a rank depends on more, it is
    read.
    """

    needs_model = True

    def __init__(
        self,
        measured: LatencyProvider,
        predictor: Predictor,
        sha256: str,
        bound_us: float | None,
    ) -> None:
        self.source = measured.source
        self.board = measured.board
        self.engine = measured.engine
        self.predictor_sha256: str | None = sha256
        self._measured = measured
        self._predictor = predictor
        self._bound_us = bound_us

    def spared(self, costs: Cost) -> Reading | None:
        found = self._predictor.predict(costs)
        low, high = self._span_us(found)
        settled = self._bound_us is None or high <= self._bound_us or low > self._bound_us
        if not settled or found.extrapolates:
            return None
        return Reading(self._predictor.latency(found, costs.macs), span_us=(low, high))

    def read(self, architecture: Architecture, costs: Cost, model: bytes | None) -> Reading:
        return self._measured.read(architecture, costs, model)

    def screened_us(self, costs: Cost) -> int | None:
        """The least that reading will give: what exceeds the bound by that, does."""
        found = self._predictor.predict(costs)
        return None if found.extrapolates else int(self._span_us(found)[0])

    def renew(self) -> None:
        self._measured.renew()

    def close(self) -> None:
        self._measured.close()

    def _span_us(self, found: Prediction) -> tuple[float, float]:
        """A measured latency is rounded to whole microseconds, so the ends are widened to them."""
        scale = self._predictor.us_a_cycle
        return max(0.0, found.low * scale - 0.5), found.high * scale + 0.5
