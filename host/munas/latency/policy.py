"""Which source gives the latencies of a run: decided once, from what is at hand.

`auto` takes the first there is, for the target board of the experiment:

1. that board attached: `silicon`;
2. a predictor fitted on that board's silicon: `predicted`;
3. its emulated twin, or an emulated board that the experiment names: `emulated`;
4. a predictor fitted on emulation: `predicted`;
5. the MAC model: `mac`.

`measured` means 1 or 3. No board attached is never a fault under `auto`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, Protocol

from munas.errors import InfrastructureError
from munas.latency.measurement import StandIn
from munas.units import MEASURED, LatencySource

Requested = Literal["auto", "measured", "predicted", "mac"]


@dataclass(frozen=True)
class Choice:
    """A source, the board that its values are for, and why it was taken (one sentence).

    `trained_on` is what a predictor was fitted on; null for other sources. `stands_for` is the
    board that was asked for, where an emulated one measures in its place.
    """

    source: LatencySource
    board: str
    reason: str
    trained_on: LatencySource | None = None
    stands_for: StandIn | None = None


class Surroundings(Protocol):
    """What is at hand. Each answer is the name of a board or a predictor, or why there is none."""

    def attached(self, board: str) -> str | None:
        """The unit of this physical board that is attached, if any."""

    def predictor(self, board: str, trained_on: LatencySource) -> str | None:
        """A predictor of the board's latency fitted on values of that source, if any."""

    def emulated(self, board: str) -> tuple[str | None, str]:
        """(the emulated board that stands for it or null, why not or how)."""


def choose(
    requested: Requested,
    board: str,
    around: Surroundings,
    *,
    only: LatencySource | None = None,
    after: LatencySource | None = None,
    engine: str | None = None,
) -> Choice:
    """Decide once.

    `engine` is the one that was asked for, if any, and stands in messages alone.
    `only` holds a run that goes on to the source that it began with, whatever else is at hand now;
    `after` is a source that was lost: what ranks below it is taken. Raises InfrastructureError
    where what is asked for is not at hand.
    """
    emulated, emulation = around.emulated(board)
    unit = around.attached(board)
    on_silicon = around.predictor(board, LatencySource.SILICON)
    on_emulation = around.predictor(board, LatencySource.EMULATED)
    ranked: list[tuple[Choice, bool]] = [
        (Choice(LatencySource.SILICON, board, f"{board} is attached ({unit})"), bool(unit)),
        (_predicted(board, on_silicon, LatencySource.SILICON), bool(on_silicon)),
        (Choice(LatencySource.EMULATED, emulated or board, emulation), emulated is not None),
        (_predicted(board, on_emulation, LatencySource.EMULATED), bool(on_emulation)),
        (Choice(LatencySource.MAC, board, f"no {board} is attached; {emulation}"), True),
    ]
    if after is not None:
        place = [choice.source for choice, _ in ranked].index(after)
        lost = f"{ranked[place][0].board} was lost"
        ranked = [(_after(lost, choice), there) for choice, there in ranked[place + 1 :]]
    wanted = {
        "auto": set(LatencySource),
        "measured": MEASURED,
        "predicted": {LatencySource.PREDICTED},
        "mac": {LatencySource.MAC},
    }[requested] & (set(LatencySource) if only is None else {only})
    for choice, at_hand in ranked:
        if at_hand and choice.source in wanted:
            return replace(choice, reason="it was asked for") if requested == "mac" else choice
    if only is not None:
        raise InfrastructureError(
            f"The run's latencies are {only}; for {board} that is not at hand now: {emulation}.",
            "Values of different sources cannot be ranked: attach or install what is missing.",
        )
    if requested == "predicted":
        raise InfrastructureError(
            f"Latency was to be predicted, but there is no predictor for {board}"
            + (f" with the engine {engine}." if engine else "."),
            f"Fit one: munas calibrate --board {board}" + (f" --engine {engine}" if engine else ""),
        )
    raise InfrastructureError(
        f"Latency was to be {requested}, but for {board} that is not at hand: {emulation}.",
        "Attach the board, or use --latency auto, which takes the best source there is.",
    )


def _after(lost: str, choice: Choice) -> Choice:
    """The choice, whose reason is now what was lost."""
    is_last = choice.source is LatencySource.MAC
    return replace(choice, reason=lost if is_last else f"{lost}; {choice.reason}")


def _predicted(board: str, predictor: str | None, trained_on: LatencySource) -> Choice:
    return Choice(LatencySource.PREDICTED, board, f"predictor {predictor}", trained_on)
