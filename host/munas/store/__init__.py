"""The ledger: every candidate, result and measurement of a run, kept in one SQLite file."""

from munas.store.ledger import Ledger
from munas.store.rows import (
    CandidateRow,
    EventRow,
    FinalRow,
    MeasurementRow,
    ResultRow,
    RevisionReason,
    RevisionRow,
    RunInfo,
    Status,
    utc_now,
)
from munas.store.views import COLUMNS, pareto_front

__all__ = [
    "COLUMNS",
    "CandidateRow",
    "EventRow",
    "FinalRow",
    "Ledger",
    "MeasurementRow",
    "ResultRow",
    "RevisionReason",
    "RevisionRow",
    "RunInfo",
    "Status",
    "pareto_front",
    "utc_now",
]
