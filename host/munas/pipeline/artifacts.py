"""Finds what a ledger keeps of a candidate."""

from __future__ import annotations

from pathlib import Path

from munas.errors import BadInputError
from munas.store import Ledger, ResultRow


def candidate_result(ledger: Ledger, candidate_id: int) -> ResultRow:
    """The result of a trained candidate, of its highest rung. Raises BadInputError."""
    rows = [row for row in ledger.results(candidate_id) if row.model_sha256]
    if not rows:
        trained = [row.candidate_id for row in ledger.results() if row.model_sha256]
        span = f"trained ones: {', '.join(map(str, trained[:20]))}" if trained else "none is"
        raise BadInputError(
            f"Candidate {candidate_id} of {ledger.path} is not trained.",
            f"Choose one that is ({span}).",
        )
    return max(rows, key=lambda row: row.rung)


def candidate_model(path: Path, candidate_id: int) -> bytes:
    """The int8 .tflite of a trained candidate."""
    with Ledger.open(path) as ledger:
        return ledger.get_artifact(str(candidate_result(ledger, candidate_id).model_sha256))
