"""The front: what must be measured before it is known, and the one touch of the test set."""

from __future__ import annotations

from typing import Any

from munas.errors import InfrastructureError
from munas.pipeline.events import Observer
from munas.pipeline.executor import Executor
from munas.store import FinalRow, Ledger
from munas.store.views import dominates, given_bounds, is_feasible, vector_of


def open_on_front(ledger: Ledger) -> list[int]:
    """The candidates that were spared their measurement and might be on the front.

    Such a one is left out only where another one is better in everything whatever measuring would
    give: at the high end of its own span against the low end of the other's.
    """
    bounds = given_bounds(ledger.run.experiment)
    spans = {
        row.candidate_id: row.evaluation["span_us"]
        for row in ledger.current_results()
        if row.status == "ok" and row.evaluation.get("span_us") is not None
    }
    if not spans:
        return []
    rows = {int(row["candidate_id"]): row for row in ledger.table() if row["status"] == "ok"}

    def at(number: int, end: int) -> dict[str, Any]:
        span = spans.get(number)
        return rows[number] | ({} if span is None else {"latency_us": span[end]})

    surely = [
        vector_of(at(number, 1), bounds) for number in rows if is_feasible(at(number, 1), bounds)
    ]
    found = []
    for number in spans:
        least = at(number, 0)
        if is_feasible(least, bounds) and not any(
            dominates(vector, vector_of(least, bounds)) for vector in surely
        ):
            found.append(number)
    return found


def test_front(ledger: Ledger, executor: Executor, observer: Observer) -> None:
    """Test the candidates of the front that were not tested yet.

    Raises InfrastructureError where a test could not be run.
    """
    tested = {row.candidate_id for row in ledger.finals() if row.seed is None}
    rows = {row.candidate_id: row for row in ledger.results()}
    front = [int(row["candidate_id"]) for row in ledger.front()]
    todo = [number for number in front if number not in tested]
    if not todo:
        return
    observer.testing(len(todo))
    futures = {}
    for number in todo:
        model = ledger.get_artifact(str(rows[number].model_sha256))
        futures[number] = executor.submit({"task": "test"}, {"model": model})
    for number, future in futures.items():
        answer, _ = future.result()
        if "error" in answer:
            raise InfrastructureError(answer["error"]["message"], answer["error"]["mend"])
        ledger.add_final(
            FinalRow(candidate_id=number, test_accuracy_int8=answer["test_accuracy_int8"])
        )
