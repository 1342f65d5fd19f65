"""Whose fault it is that a candidate could not be evaluated."""

from __future__ import annotations

from munas.errors import (
    BoardFaultError,
    DeadlineError,
    ImplausibleError,
    InfrastructureError,
    TransportError,
    WorkerError,
)

# This many candidates in a row that fail for other reasons than themselves stop the run.
FAILURES_IN_A_ROW = 4
# A fault of one measurement, after which the board is usable again.
OF_ONE_MEASUREMENT = (TransportError, DeadlineError, BoardFaultError, ImplausibleError)
BLAMELESS = {fault.name for fault in (*OF_ONE_MEASUREMENT, WorkerError, InfrastructureError)} | {
    "internal"
}
