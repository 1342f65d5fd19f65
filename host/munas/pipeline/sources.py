"""Wires the latency module's choice to what gives the values."""

from __future__ import annotations

import logging
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, Protocol

from munas.boards.discovery import attached_unit
from munas.boards.registry import find_board
from munas.boards.types import BoardType
from munas.errors import InfrastructureError, MunasError, UnreachableError
from munas.experiment import Experiment
from munas.latency import Choice, LatencyProvider, MacModel, MacProvider, choose
from munas.latency.measurement import StandIn
from munas.pipeline.doctor import absent_packages
from munas.units import MEASURED, LatencySource

if TYPE_CHECKING:
    from munas.latency.predict import Predictor

log = logging.getLogger(__name__)

EngineName = Literal["tflm", "aot"]


class RemoteProvider(LatencyProvider, Protocol):
    """Readings taken on another machine, with its engine; `reason` says why with that one."""

    reason: str


class Elsewhere(Protocol):
    """Boards that other machines hold."""

    def offers(self, board: str) -> str | None:
        """In words which machine holds a board of this type, if any does."""

    def provider(
        self, board: str, source: LatencySource, engine: str | None, stands_for: StandIn | None
    ) -> RemoteProvider:
        """Readings of that board; raises MunasErrors where it cannot be had after all."""

    def how_to_offer(self, board: str) -> str:
        """What to do where none holds it."""


class _ThisMachine:
    """What is at hand here; of predictors those of `engine`, and the very one of a hash if given.

    A predictor's file that cannot be used is a fault where one was `asked` for, else it is passed
    over with a warning.
    """

    def __init__(
        self,
        engine: EngineName | None = None,
        predictor: str | None = None,
        *,
        asked: bool = False,
        elsewhere: Elsewhere | None = None,
    ) -> None:
        self._elsewhere = elsewhere
        self._engine = engine
        self._predictor = predictor
        self._asked = asked

    def attached(self, board: str) -> str | None:
        found = find_board(board)
        return None if found.emulated else attached_unit(found) or self.offered(board)

    def offered(self, board: str) -> str | None:
        """Which other machine measures on this board, in words; null where this one does."""
        found = find_board(board)
        if self._elsewhere is None or (not found.emulated and attached_unit(found)):
            return None
        return self._elsewhere.offers(board)

    def predictor(self, board: str, trained_on: LatencySource) -> str | None:
        from munas.latency.predict import provenance

        found = self.find_predictor(board, trained_on)
        if found is None:
            return None
        of = found[0].conditions.board
        return provenance(*found) + ("" if of == board else f"; {_standing(of, find_board(board))}")

    def find_predictor(self, board: str, trained_on: LatencySource) -> tuple[Predictor, str] | None:
        """The predictor of the board, or of the emulated one that stands for it, and its hash.

        One that was fitted on emulation predicts at the clock of `board`.
        """
        from munas.latency.predict import PredictorError, find

        target = find_board(board)
        if trained_on is LatencySource.EMULATED and not target.emulated:
            if target.twin is None:
                return None
            board = target.twin
        try:
            found = find(board, self._engine, trained_on, self._predictor)
        except PredictorError as error:
            if self._asked:
                raise
            log.warning("A predictor is passed over: %s", error.what)
            return None
        if found is None or trained_on is not LatencySource.EMULATED:
            return found
        return found[0].at_clock(target.clock_hz), found[1]

    def emulated(self, board: str) -> tuple[str | None, str]:
        found = find_board(board)
        name = board if found.emulated else found.twin
        if name is None:
            return None, f"{board} has no emulated twin"
        if where := self.offered(name):
            stands = "" if found.emulated else f"{_standing(name, found)}; "
            return name, f"{stands}{name} is on {where}"
        if absent_packages("emulator"):
            return None, f"{name} needs pip install 'munas[emulator]'"
        if shutil.which("arm-none-eabi-gcc") is None:
            return None, f"{name} needs arm-none-eabi-gcc to build its firmware"
        emulates = f"{name} emulates {found.mcu}"
        return name, emulates if found.emulated else _standing(name, found)


def _standing(name: str, target: BoardType) -> str:
    """In words that the emulated board `name` takes the place of `target`, and at which clock."""
    words = f"{name} stands for {target.name}"
    if find_board(name).clock_hz != target.clock_hz:
        words += f"; cycles taken at its {target.clock_hz / 1e6:g} MHz"
    return words


def provider_for(
    experiment: Experiment,
    *,
    source: LatencySource | None = None,
    engine: EngineName | None = None,
    after: LatencySource | None = None,
    predictor: str | None = None,
    elsewhere: Elsewhere | None = None,
) -> tuple[LatencyProvider, Choice]:
    """The provider of a run's latencies and why it was chosen.

    A run that goes on names the `source`, the `engine` and the hash of the `predictor` that it
    began with, or the source `after` which the next one is wanted because it was lost. Boards
    `elsewhere` count as attached where this machine has none of the type. Raises
    BadInputError for a board that does not exist, InfrastructureError where the source that was
    asked for is not at hand.
    """
    section = experiment.latency
    board = find_board(section.board)
    wanted = engine or section.engine
    asked = section.source == "predicted" or predictor is not None
    here = _ThisMachine(wanted, predictor, asked=asked, elsewhere=elsewhere)
    if predictor is not None:
        _require_predictor(here, section.board, predictor)
    try:
        choice = choose(section.source, board.name, here, only=source, after=after, engine=wanted)
    except InfrastructureError as error:
        if elsewhere is not None:
            error.mend += f"\n{elsewhere.how_to_offer(board.name)}"
        raise
    choice = _with_target(choice, board)
    if choice.trained_on is not None:
        return _predicting(here, choice)
    if choice.source in MEASURED:
        try:
            provider, why = _measuring(
                choice, wanted, elsewhere if here.offered(choice.board) else None
            )
        except UnreachableError:
            raise
        except MunasError as error:
            if section.source != "auto" or source is not None or wanted is not None:
                raise
            reason = f"{choice.board} has no engine: {error.what}"
            choice = Choice(LatencySource.MAC, section.board, reason)
        else:
            reason = f"{choice.reason}; engine {provider.engine}: {why}"
            choice = replace(choice, reason=reason)
            goes_on = source is not None
            if section.measure == "undecided" and not (goes_on and predictor is None):
                return _sparing(experiment, provider, choice, predictor, board.clock_hz)
            return provider, choice
    return MacProvider(board=section.board, model=mac_model_of(board)), choice


def _measuring(
    choice: Choice, engine: EngineName | None, elsewhere: Elsewhere | None
) -> tuple[LatencyProvider, str]:
    """What measures on the board of the choice, here or elsewhere, and why with its engine."""
    from munas.latency.engine import choose_engine
    from munas.latency.measured import MeasuredProvider

    if elsewhere is not None:
        there = elsewhere.provider(choice.board, choice.source, engine, choice.stands_for)
        return there, there.reason
    chosen = choose_engine(find_board(choice.board), engine or "auto")
    provider = MeasuredProvider(choice.board, choice.source, chosen, choice.stands_for)
    return provider, chosen.reason


def _with_target(choice: Choice, target: BoardType) -> Choice:
    """The choice, with the board that was asked for where an emulated one measures instead."""
    if choice.source is not LatencySource.EMULATED or choice.board == target.name:
        return choice
    return replace(choice, stands_for=StandIn(target.name, target.clock_hz))


def _require_predictor(here: _ThisMachine, board: str, sha256: str) -> None:
    if not any(here.find_predictor(board, source) for source in MEASURED):
        raise InfrastructureError(
            f"The predictor that gives the run's latencies ({sha256[:12]}) is not at hand.",
            "Restore its file among the predictors of the board, or begin a new search: what "
            "another one predicts cannot be ranked with it.",
        )


def _predicting(here: _ThisMachine, choice: Choice) -> tuple[LatencyProvider, Choice]:
    from munas.latency.predict import PredictedProvider

    assert choice.trained_on is not None
    found = here.find_predictor(choice.board, choice.trained_on)
    assert found is not None  # or it would not have been chosen
    return PredictedProvider(*found), choice


def _sparing(
    experiment: Experiment,
    measured: LatencyProvider,
    choice: Choice,
    predictor: str | None,
    clock_hz: int,
) -> tuple[LatencyProvider, Choice]:
    """`measured`, spared by the predictor of its board, engine and source where there is one."""
    from munas.latency.predict import SparingProvider, find, provenance

    assert measured.engine is not None
    found = find(choice.board, measured.engine, choice.source, predictor)
    if found is None:
        reason = f"{choice.reason}; all are measured, there is no predictor to spare any"
        return measured, replace(choice, reason=reason)
    reason = f"{choice.reason}; what is undecided is measured, by a predictor {provenance(*found)}"
    bound_us, (fitted, digest) = experiment.bounds.latency_us, found
    if choice.source is LatencySource.EMULATED:
        fitted = fitted.at_clock(clock_hz)
    return SparingProvider(measured, fitted, digest, bound_us), replace(choice, reason=reason)


def measured_choice(board: str) -> Choice:
    """Where measurements for this board come from here: the board itself, or its emulated twin.

    Raises InfrastructureError where neither is at hand.
    """
    try:
        choice = choose("measured", board, _ThisMachine())
    except InfrastructureError as error:
        error.mend = "Attach the board, or name one that can be emulated: see munas boards list."
        raise
    return _with_target(choice, find_board(board))


def mac_model_of(board: BoardType) -> MacModel | None:
    """The board file's constants, where it has them."""
    constants = board.mac_model
    if constants is None:
        return None
    base, per_mac = constants.cycles
    return MacModel(base, per_mac, board.clock_hz, constants.error_percent)
