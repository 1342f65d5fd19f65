"""What a report tells of pruned networks and of finalists."""

from __future__ import annotations

from munas.arch import Architecture, evenly_thinned
from munas.pipeline.finalists import finalists_of
from munas.report.facts import gather
from munas.report.page import render
from munas.report.tables import finalists_table, front_table
from munas.store import FinalRow, Ledger, ResultRow


def test_finalists_are_told_with_mean_and_deviation(ledger: Ledger) -> None:
    best = max(ledger.front(), key=lambda row: row["val_accuracy_int8"])["candidate_id"]
    for seed, accuracy in ((1, 0.80), (2, 0.84), (3, 0.82)):
        ledger.add_final(FinalRow(candidate_id=best, seed=seed, test_accuracy_int8=accuracy))
    facts = gather(ledger)
    assert [(each.candidate_id, each.tuned) for each in facts.finalists] == [(best, 0)]
    text = finalists_table(facts)
    assert "82.00 %" in text and "± 2.00 points" in text
    assert "<h2>Finalists</h2>" in render(facts)


def test_the_tuned_accuracy_counts_where_a_finalist_was_tuned() -> None:
    rows = [
        FinalRow(candidate_id=1, seed=1, test_accuracy_int8=0.5, tuned_test_accuracy_int8=0.7),
        FinalRow(candidate_id=1, seed=2, test_accuracy_int8=0.8),
        FinalRow(candidate_id=2, seed=None, test_accuracy_int8=0.99),
    ]
    (found,) = finalists_of(rows)
    assert found.test_accuracies == (0.7, 0.8) and found.tuned == 1


def test_without_finalists_nothing_is_said_of_them(ledger: Ledger) -> None:
    assert "Finalists" not in render(gather(ledger))


def test_the_architecture_shown_is_what_pruning_left(ledger: Ledger) -> None:
    best = max(ledger.front(), key=lambda row: row["val_accuracy_int8"])
    whole = Architecture.from_dict(dict(ledger.candidate(best["candidate_id"]).architecture))
    left = evenly_thinned(whole, 0.5)
    ledger.add_result(
        ResultRow(
            candidate_id=best["candidate_id"], rung=1, status="ok", epochs=9,
            val_accuracy_int8=0.95, val_accuracy_float=0.96, latency_source="mac",
            flash_bytes=9_000, arena_used_bytes=9_000, arena_source="host", macs=1_000,
            peak_memory_bytes=500, model_size_bytes=900, architecture=left.as_dict(),
            board="emulated_stm32l4r5",
        )
    )  # fmt: skip
    facts = gather(ledger)
    (row,) = facts.front
    assert facts.deployed(row) == left.as_dict()
    assert "+1.00" in front_table(facts)  # points lost by int8
