"""Wires the latency module's choice to what gives the values."""

from __future__ import annotations

from munas.boards.registry import find_board
from munas.boards.types import BoardType
from munas.experiment import Experiment
from munas.latency import Choice, LatencyProvider, MacModel, MacProvider, choose
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
    """The provider of a run's latencies and why it was chosen.

    Raises BadInputError for a board that does not exist.
    """
    section = experiment.latency
    board = find_board(section.board)
    choice = choose(section.source, section.board, _NoBoards())
    return MacProvider(board=section.board, model=_mac_model(board)), choice


def _mac_model(board: BoardType) -> MacModel | None:
    """The board file's constants, where it has them."""
    constants = board.mac_model
    if constants is None:
        return None
    base, per_mac = constants.cycles
    return MacModel(base, per_mac, board.clock_hz, constants.error_percent)
