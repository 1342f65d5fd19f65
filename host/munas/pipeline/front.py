"""The one touch of the test set: int8 accuracy of the front's candidates."""

from __future__ import annotations

from munas.errors import InfrastructureError
from munas.pipeline.events import Observer
from munas.pipeline.executor import Executor
from munas.store import FinalRow, Ledger


def test_front(ledger: Ledger, executor: Executor, observer: Observer) -> None:
    """Test the candidates of the front that were not tested yet.

    Raises InfrastructureError where a test could not be run.
    """
    tested = {row.candidate_id for row in ledger.finals()}
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
