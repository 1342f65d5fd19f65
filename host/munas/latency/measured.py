"""Latency and arena measured on a board, physical or emulated, for a whole run.

The board is opened at the first reading and held until `close`. Must not know what a search is.
"""

from __future__ import annotations

from contextlib import ExitStack

from munas.arch import Architecture, sha256
from munas.boards.open import open_board
from munas.cost import Cost
from munas.errors import ImplausibleError, InfrastructureError
from munas.latency.engine import EngineChoice
from munas.latency.measure import Measurer
from munas.latency.measurement import Measurement
from munas.latency.provider import Reading
from munas.units import LatencySource

# On silicon the first model is measured again after this many others ...
CANARY_EVERY = 20
# ... and has moved when its cycles differ by more than this share.
CANARY_TOLERANCE = 0.01


class MeasuredProvider:
    """Readings of one board with one engine; see LatencyProvider."""

    needs_model = True

    def __init__(self, board: str, source: LatencySource, engine: EngineChoice) -> None:
        self.board: str | None = board
        self.source = source
        self.engine: str | None = engine.name
        self._choice = engine
        self._name = board
        self._stack = ExitStack()
        self._measurer: Measurer | None = None
        self._canary: tuple[bytes, int] | None = None
        self._since_canary = 0

    def read(self, architecture: Architecture, costs: Cost, model: bytes | None) -> Reading:
        """Measure `model`, the int8 .tflite of `architecture`."""
        assert model is not None
        measurer = self._measurer or self._open()
        self._check_canary(measurer)
        found = measurer.measure((sha256(architecture)[:12], model))
        if found.cycles is None or found.outputs_match is False:
            raise ImplausibleError(
                f"{self._name} gave no usable measurement of {found.model}.",
                "Measure it by itself: munas convert, then munas measure.",
            )
        self._remember_canary(model, found)
        return Reading(found.latency(costs.macs), found.arena(), found.as_dict())

    def screened_us(self, costs: Cost) -> int | None:
        """Nothing short of measuring tells."""
        del costs
        return None

    def close(self) -> None:
        self._stack.close()
        self._measurer = None

    def _open(self) -> Measurer:
        board = open_board(self._name)
        self._stack.callback(board.close)
        self._measurer = self._stack.enter_context(Measurer(board, self._choice))
        return self._measurer

    def _remember_canary(self, model: bytes, found: Measurement) -> None:
        self._since_canary += 1
        if self._canary is None and found.cycles is not None:
            self._canary = (model, found.cycles)

    def _check_canary(self, measurer: Measurer) -> None:
        """Measure the first model again now and then: a board that has drifted is not believed.

        An emulated board repeats to the cycle, so it has no canary.
        """
        if self.source is not LatencySource.SILICON or self._canary is None:
            return
        if self._since_canary < CANARY_EVERY:
            return
        model, before = self._canary
        now = measurer.measure(("canary", model)).cycles
        if now is None or abs(now - before) > CANARY_TOLERANCE * before:
            raise InfrastructureError(
                f"The canary model took {before:,} cycles on {self._name} at first and now {now}: "
                f"the last {self._since_canary} measurements cannot be trusted.",
                "See what changed (clock, power, temperature, firmware), then start anew.",
            )
        self._since_canary = 0
