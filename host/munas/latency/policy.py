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

from dataclasses import dataclass
from typing import Literal, Protocol

from munas.errors import InfrastructureError
from munas.units import MEASURED, LatencySource

Requested = Literal["auto", "measured", "predicted", "mac"]


@dataclass(frozen=True)
class Choice:
    """A source, the board that its values are for, and why it was taken (one sentence)."""

    source: LatencySource
    board: str
    reason: str


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
) -> Choice:
    """Decide once.

    `only` holds a run that goes on to the source that it began with, whatever else is at hand now;
    `after` is a source that was lost: what ranks below it is taken. Raises InfrastructureError
    where what is asked for is not at hand.
    """
    emulated, emulation = around.emulated(board)
    unit = around.attached(board)
    on_silicon = around.predictor(board, LatencySource.SILICON)
    on_emulation = around.predictor(board, LatencySource.EMULATED)
    ranked: list[tuple[LatencySource, str | None, str]] = [
        (LatencySource.SILICON, board if unit else None, f"{board} is attached ({unit})"),
        (LatencySource.PREDICTED, board if on_silicon else None, f"predictor {on_silicon}"),
        (LatencySource.EMULATED, emulated, emulation),
        (LatencySource.PREDICTED, board if on_emulation else None, f"predictor {on_emulation}"),
        (LatencySource.MAC, board, f"no {board} is attached; {emulation}"),
    ]
    if after is not None:
        ranked = ranked[[source for source, _, _ in ranked].index(after) + 1 :]
    wanted = {
        "auto": set(LatencySource),
        "measured": MEASURED,
        "predicted": {LatencySource.PREDICTED},
        "mac": {LatencySource.MAC},
    }[requested] & (set(LatencySource) if only is None else {only})
    for source, name, reason in ranked:
        if name is not None and source in wanted:
            asked = requested in ("mac", "predicted")
            return Choice(source, name, "it was asked for" if asked else reason)
    if only is not None:
        raise InfrastructureError(
            f"The run's latencies are {only}; for {board} that is not at hand now: {emulation}.",
            "Values of different sources cannot be ranked: attach or install what is missing.",
        )
    raise InfrastructureError(
        f"Latency was to be {requested}, but for {board} that is not at hand: {emulation}.",
        "Attach the board, or use --latency auto, which takes the best source there is.",
    )
