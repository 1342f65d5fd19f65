"""The taxonomy of faults.

Every fault that a person can meet is a `MunasError`: it says what happened, to what, and what to
do next. The command line prints exactly that and exits with `exit_code`; a ledger row keeps `name`
and the message. This module knows nothing of the rest of munas.
"""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes that scripts rely on."""

    DONE = 0
    REGRESSION = 1
    BAD_INPUT = 2
    INFRASTRUCTURE = 3
    NOTHING_MEASURED = 4
    INTERNAL = 70
    INTERRUPTED = 130


class MunasError(Exception):
    """A fault with a mend.

    `what` is one sentence that names the thing; `mend` is what the person can do next (may be
    empty where there is nothing to do). `str()` gives both.
    """

    name = "error"
    exit_code = ExitCode.BAD_INPUT

    def __init__(self, what: str, mend: str = "") -> None:
        super().__init__(what, mend)
        self.what = what
        self.mend = mend

    def __str__(self) -> str:
        return f"{self.what}\n{self.mend}" if self.mend else self.what

    def as_dict(self) -> dict[str, str]:
        """The JSON form that ledger rows and measurement objects carry."""
        return {"name": self.name, "message": self.what, "mend": self.mend}


class BadInputError(MunasError):
    """A file, an option or a value that the person gave is wrong."""

    name = "bad-input"


class DataError(BadInputError):
    """A data set is missing, truncated or not what it says it is."""

    name = "data"


class LedgerError(MunasError):
    """A ledger cannot be read or written."""

    name = "ledger"


class InfeasibleError(MunasError):
    """Nothing satisfies the bounds."""

    name = "infeasible"


class ConvertError(MunasError):
    """A network could not be turned into an int8 model that the engines take."""

    name = "convert"


class InfrastructureError(MunasError):
    """Something around the work failed; the work itself can be resumed."""

    name = "infrastructure"
    exit_code = ExitCode.INFRASTRUCTURE


class WorkerError(InfrastructureError):
    """A training worker died or could not be started."""

    name = "worker"


class BuildError(InfrastructureError):
    """The firmware did not build."""

    name = "build"


class FlashError(InfrastructureError):
    """The firmware was built but did not get onto the board."""

    name = "flash"


class TransportError(InfrastructureError):
    """The line to the board broke, or bytes on it made no sense."""

    name = "transport"


class UnreachableError(TransportError):
    """There is no line to the board at all: not attached, no permission, the port in use."""


class BoardFaultError(InfrastructureError):
    """The board answered with a fault (HardFault, watchdog, arena overflow, bad model)."""

    name = "board-fault"


class DeadlineError(InfrastructureError):
    """The board did not answer before the deadline."""

    name = "timeout"


class ImplausibleError(InfrastructureError):
    """A measured value contradicts what is known (wrong output bytes, a clock that is off)."""

    name = "implausible"


class MissingExtraError(MunasError):
    """An optional part of munas is needed and not installed."""

    name = "missing-extra"
    exit_code = ExitCode.INFRASTRUCTURE


def missing_extra(extra: str, why: str) -> MissingExtraError:
    """The fault that says which command adds the optional part `extra` that `why` needs."""
    return MissingExtraError(
        f"{why} needs the extra `{extra}`, which is not installed.",
        f"Add it with: pip install 'munas[{extra}]'",
    )
