"""Wires the latency module's choice to what gives the values."""

from __future__ import annotations

import shutil
from typing import Literal

from munas.boards.discovery import attached_unit
from munas.boards.registry import find_board
from munas.boards.types import BoardType
from munas.errors import MunasError
from munas.experiment import Experiment
from munas.latency import Choice, LatencyProvider, MacModel, MacProvider, choose
from munas.pipeline.doctor import absent_packages
from munas.units import MEASURED, LatencySource

EngineName = Literal["tflm", "aot"]


class _ThisMachine:
    """What is at hand here."""

    def attached(self, board: str) -> str | None:
        found = find_board(board)
        return None if found.emulated else attached_unit(found)

    def predictor(self, board: str, trained_on: LatencySource) -> str | None:
        """None is fitted yet: predictors come from the calibration of boards."""
        del board, trained_on
        return None

    def emulated(self, board: str) -> tuple[str | None, str]:
        found = find_board(board)
        name = board if found.emulated else found.twin
        if name is None:
            return None, f"{board} has no emulated twin"
        if absent_packages("emulator"):
            return None, f"{name} needs pip install 'munas[emulator]'"
        if shutil.which("arm-none-eabi-gcc") is None:
            return None, f"{name} needs arm-none-eabi-gcc to build its firmware"
        return name, f"{name} emulates {find_board(name).mcu}"


def provider_for(
    experiment: Experiment,
    *,
    source: LatencySource | None = None,
    engine: EngineName | None = None,
    after: LatencySource | None = None,
) -> tuple[LatencyProvider, Choice]:
    """The provider of a run's latencies and why it was chosen.

    A run that goes on names the `source` and the `engine` that it began with, or the source `after`
    which the next one is wanted because it was lost. Raises BadInputError
    for a board that does not exist, InfrastructureError where the source that was asked for is not
    at hand.
    """
    section = experiment.latency
    board = find_board(section.board)
    choice = choose(section.source, section.board, _ThisMachine(), only=source, after=after)
    wanted = engine or section.engine
    if choice.source in MEASURED:
        from munas.latency.engine import choose_engine
        from munas.latency.measured import MeasuredProvider

        try:
            chosen = choose_engine(find_board(choice.board), wanted or "auto")
        except MunasError as error:
            if section.source != "auto" or source is not None or wanted is not None:
                raise
            reason = f"{choice.board} has no engine: {error.what}"
            choice = Choice(LatencySource.MAC, section.board, reason)
        else:
            reason = f"{choice.reason}; engine {chosen.name}: {chosen.reason}"
            choice = Choice(choice.source, choice.board, reason)
            return MeasuredProvider(choice.board, choice.source, chosen), choice
    return MacProvider(board=section.board, model=mac_model_of(board)), choice


def measured_choice(board: str) -> Choice:
    """Where measurements for this board come from here: the board itself, or its emulated twin.

    Raises InfrastructureError where neither is at hand.
    """
    return choose("measured", board, _ThisMachine())


def mac_model_of(board: BoardType) -> MacModel | None:
    """The board file's constants, where it has them."""
    constants = board.mac_model
    if constants is None:
        return None
    base, per_mac = constants.cycles
    return MacModel(base, per_mac, board.clock_hz, constants.error_percent)
