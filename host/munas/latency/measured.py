"""Latency and arena measured on a board, physical or emulated, for a whole run.

The board is opened at the first reading and held until `close`. Must not know what a search is.
"""

from __future__ import annotations

from contextlib import ExitStack

from munas.arch import Architecture, sha256
from munas.boards.open import open_board
from munas.cost import Cost
from munas.errors import ImplausibleError
from munas.latency.engine import EngineChoice
from munas.latency.measure import Measurer
from munas.latency.measurement import StandIn
from munas.latency.provider import Reading
from munas.units import LatencySource

# On silicon the first model is measured again after this many others ...
CANARY_EVERY = 20
# ... and has moved when its cycles differ by more than this share.
CANARY_TOLERANCE = 0.01


class CanaryMovedError(ImplausibleError):
    """The first model of a run takes another time now: what was measured since is not believed.

    `window` are the architectures (SHA-256) measured since the canary was last as it should be.
    """

    def __init__(self, board: str, before: int, now: int | None, window: tuple[str, ...]) -> None:
        super().__init__(
            f"The canary model took {before:,} cycles on {board} at first and "
            f"{'none' if now is None else format(now, ',')} now: the {len(window)} models measured "
            "since the last check cannot be trusted.",
            "See what changed: clock, power, temperature, firmware.",
        )
        self.window = window


class MeasuredProvider:
    """Readings of one board with one engine; see LatencyProvider."""

    needs_model = True
    predictor_sha256: str | None = None

    def __init__(
        self,
        board: str,
        source: LatencySource,
        engine: EngineChoice,
        stands_for: StandIn | None = None,
    ) -> None:
        self.board: str | None = board
        self.source = source
        self.engine: str | None = engine.name
        self._choice = engine
        self._stands_for = stands_for
        self._name = board
        self._stack = ExitStack()
        self._measurer: Measurer | None = None
        self._canary: tuple[bytes, int] | None = None
        self._window: list[str] = []

    def read(self, architecture: Architecture, costs: Cost, model: bytes | None) -> Reading:
        """Measure `model`, the int8 .tflite of `architecture`.

        On silicon raises CanaryMovedError, before measuring, when the board has drifted; `renew`
        then, or nothing more is measured.
        """
        assert model is not None
        measurer = self._measurer or self._open()
        if len(self._window) >= CANARY_EVERY:
            self._check_canary(measurer)
        digest = sha256(architecture)
        found = measurer.measure((digest[:12], model))
        if found.cycles is None or found.outputs_match is False:
            raise ImplausibleError(
                f"{self._name} gave no usable measurement of {found.model}.",
                "Measure it by itself: munas convert, then munas measure.",
            )
        if self.source is LatencySource.SILICON:
            # An emulated board repeats to the cycle, so it needs no canary.
            self._canary = self._canary or (model, found.cycles)
            self._window.append(digest)
        return Reading(found.latency(costs.macs), found.arena(), found.as_dict())

    def screened_us(self, costs: Cost) -> int | None:
        """Nothing short of measuring tells."""
        del costs
        return None

    def spared(self, costs: Cost) -> Reading | None:
        """It measures all."""
        del costs
        return None

    def renew(self) -> None:
        """Flash the board anew and see that the canary is as it was.

        Raises CanaryMovedError where it is not.
        """
        self.close()
        self._check_canary(self._open())

    def close(self) -> None:
        self._stack.close()
        self._measurer = None

    def _open(self) -> Measurer:
        board = open_board(self._name)
        self._stack.callback(board.close)
        measurer = Measurer(board, self._choice, per_operator=True, stands_for=self._stands_for)
        self._measurer = self._stack.enter_context(measurer)
        return self._measurer

    def _check_canary(self, measurer: Measurer) -> None:
        if self._canary is None:
            return
        model, before = self._canary
        now = measurer.measure(("canary", model)).cycles
        if now is None or abs(now - before) > CANARY_TOLERANCE * before:
            raise CanaryMovedError(self._name, before, now, tuple(self._window))
        self._window.clear()
