"""Wires the latency module's choice to what gives the values."""

from __future__ import annotations

from munas.experiment import Experiment
from munas.latency import Choice, LatencyProvider, MacProvider, choose
from munas.units import LatencySource


class _NoBoards:
    """Surroundings in which no board, twin or predictor is at hand."""

    def attached(self, board: str) -> str | None:
        del board
        return None

    def predictor(self, board: str, trained_on: LatencySource) -> str | None:
        del board, trained_on
        return None

    def emulated(self, board: str) -> tuple[str | None, str]:
        return None, f"{board} cannot be emulated here"


def provider_for(experiment: Experiment) -> tuple[LatencyProvider, Choice]:
    """The provider of a run's latencies and why it was chosen."""
    section = experiment.latency
    choice = choose(section.source, section.board, _NoBoards())
    return MacProvider(board=section.board), choice
