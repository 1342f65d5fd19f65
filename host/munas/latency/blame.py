"""Which faults of a measurement are the model's, and not the board's or the line's.

Must not know how a measurement is made.
"""

from __future__ import annotations

from collections.abc import Sequence

from munas.errors import ConvertError, InfeasibleError, MunasError
from munas.link.faults import BoardCrashError, BoardRefusedError, describe
from munas.link.messages import ErrorCode, MessageType

_REFUSALS: dict[int, type[MunasError]] = {
    ErrorCode.DOES_NOT_FIT: InfeasibleError,
    ErrorCode.ARENA_TOO_SMALL: InfeasibleError,
    ErrorCode.TOO_MANY_OPERATORS: InfeasibleError,
    ErrorCode.BAD_MODEL: ConvertError,
    ErrorCode.UNSUPPORTED_OPERATOR: ConvertError,
}


def models_fault(faults: Sequence[MunasError], model: str, board: str) -> MunasError | None:
    """What is wrong with `model`, by the faults of the attempts to measure it; null where nothing.

    A refusal speaks for itself. A crash while the model is set up is the model's when every attempt
    ended so: the board was brought back in between.
    """
    last = faults[-1]
    if isinstance(last, BoardRefusedError):
        kind = _REFUSALS.get(last.code)
        return kind(last.what, last.mend) if kind else None
    if not isinstance(last, BoardCrashError) or not all(map(_in_set_up, faults)):
        return None
    return ConvertError(
        f"The engine on {board} breaks down, each time anew, while it sets up {model}: "
        f"{describe(last.fault)}.",
        "Convert it again, or try the other engine. The board is usable for other models.",
    )


def _in_set_up(fault: MunasError) -> bool:
    return isinstance(fault, BoardCrashError) and fault.during == MessageType.PREPARE.name
