"""What gives the search its latencies: the contract, and the MAC model.

A provider stands for one source on one board with one engine; it is chosen once a run
(`munas.latency.policy`) and every value it gives carries that source.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from munas.arch import Architecture
from munas.cost import Cost
from munas.units import MEASURED, Latency, LatencySource, Memory


@dataclass(frozen=True)
class Reading:
    """Latency and arena of one model, and the measurement object where it was measured.

    `span_us` says that the latency stands for one that was not measured yet and lies within.
    """

    latency: Latency
    arena: Memory | None = None
    measurement: dict[str, object] | None = None
    span_us: tuple[float, float] | None = None


class LatencyProvider(Protocol):
    """One source of latencies for a whole run.

    `needs_model` says whether `read` wants the converted model; without it `model` may be null.
    `predictor_sha256` identifies the predictor whose values they are, null for other sources.
    `read` raises MunasErrors: those with exit code 2 concern the model (the candidate fails), those
    with exit code 3 the board.
    """

    source: LatencySource
    board: str | None
    engine: str | None
    needs_model: bool
    predictor_sha256: str | None

    def read(self, architecture: Architecture, costs: Cost, model: bytes | None) -> Reading: ...

    def screened_us(self, costs: Cost) -> int | None:
        """The latency that `read` will give, where it follows from the costs alone."""

    def spared(self, costs: Cost) -> Reading | None:
        """A reading with a span that does as long as no rank depends on more, where there is one;
        it says surely whether the latency is within its bound."""

    def renew(self) -> None:
        """Bring the source back to where it began. Raises MunasErrors where that fails."""

    def close(self) -> None: ...


@dataclass(frozen=True)
class MacModel:
    """cycles = base_cycles + cycles_per_mac * MACs, on a board of `clock_hz`.

    The constants and their error come from the board's file; the search never invents them.
    """

    base_cycles: float
    cycles_per_mac: float
    clock_hz: int
    error_percent: float | None = None

    def latency_us(self, macs: int) -> int:
        cycles = self.base_cycles + self.cycles_per_mac * macs
        return round(cycles * 1_000_000 / self.clock_hz)


def estimate_beside(
    constants: Mapping[str, Any] | None, sources: Iterable[str | None]
) -> MacModel | None:
    """The MAC model to show beside latencies of these sources.

    Null unless all were measured and the run's identity has the `constants` of its board.
    """
    measured = {str(source) for source in sources} <= {str(source) for source in MEASURED}
    return MacModel(**constants) if constants and measured else None


@dataclass
class MacProvider:
    """Latency from MACs: in microseconds where the board has constants, else MACs alone."""

    board: str | None = None
    model: MacModel | None = None
    source: LatencySource = LatencySource.MAC
    engine: str | None = None
    needs_model: bool = False
    predictor_sha256: str | None = None

    def read(self, architecture: Architecture, costs: Cost, model: bytes | None) -> Reading:
        del architecture, model
        latency_us = self.screened_us(costs)
        error = self.model.error_percent if self.model else None
        return Reading(
            Latency(
                latency_us=latency_us,
                source=self.source,
                macs=costs.macs,
                error_percent=error,
                board=self.board,
            )
        )

    def screened_us(self, costs: Cost) -> int | None:
        return self.model.latency_us(costs.macs) if self.model else None

    def spared(self, costs: Cost) -> Reading | None:
        """Its values are final."""
        del costs
        return None

    def renew(self) -> None:
        """Nothing drifts."""

    def close(self) -> None:
        """Nothing is held."""
