"""The front's table on screen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer import Exit

from munas.cli.view import _describe, _spent, _with_estimates, front_list, front_table, resumable
from munas.errors import BadInputError, ExitCode, InfrastructureError
from munas.store import ResultRow

MAC_MODEL = {
    "base_cycles": 40_000,
    "cycles_per_mac": 6.0,
    "clock_hz": 120_000_000,
    "error_percent": 50,
}


def row(**values: Any) -> dict[str, Any]:
    return {
        "candidate_id": 1234,
        "val_accuracy_int8": 0.8512,
        "test_accuracy_int8": 0.8423,
        "latency_us": 165_031,
        "latency_source": "emulated",
        "macs": 12_601_500,
        "peak_memory_bytes": 29_800,
        "arena_used_bytes": 132_051,
        "arena_source": "emulated",
        "model_size_bytes": 134_300,
        "flash_bytes": 146_400,
        **values,
    }


def drawn(rows: list[dict[str, Any]], mac_model: dict[str, Any] | None) -> str:
    console = Console(width=80, record=True)
    bounds = {"error": 0.2, "macs": 30_000_000.0, "latency_us": 200_000.0}
    console.print(front_table(_with_estimates(rows, mac_model), bounds))
    return console.export_text()


def test_estimate_stands_beside_the_measured_latency() -> None:
    text = drawn([row()], MAC_MODEL)
    assert "by MACs" in text
    # (40,000 + 6 * 12,601,500) cycles at 120 MHz
    assert "630.41" in text and "165.03" in text
    assert "…" not in text, "nothing is cut off at 80 columns"
    assert max(map(len, text.splitlines())) <= 80


def test_no_estimate_beside_an_estimate() -> None:
    assert "by MACs" not in drawn([row(latency_source="mac")], MAC_MODEL)
    assert "by MACs" not in drawn([row()], None)


def result(number: int, **stage_s: float) -> ResultRow:
    return ResultRow(candidate_id=number, status="infeasible", stage_s=stage_s)


def test_a_failure_is_told_in_its_message_alone() -> None:
    failed = ResultRow(
        candidate_id=1,
        status="failed",
        error={"name": "convert", "message": "No operator for it."},
    )
    assert _describe(failed, False) == "failed: No operator for it."


def test_a_resumed_run_tells_this_call_and_the_whole_apart() -> None:
    stages = {"train": 30.0, "measure": 4.0, "overhead": 2.0}
    found = {"candidates": 3, "wall_s": 12.3, "time_by_stage_s": stages}
    assert _spent(found, [result(3, train=9.0)]) == [
        "This call: 1 candidate in 12 s (over all workers: train 9 s).",
        "Whole run: 3 candidates (over all workers: train 30 s, measure 4 s).",
    ]
    assert _spent(found, [result(n) for n in (1, 2, 3)]) == [
        "3 candidates in 12 s (over all workers: train 30 s, measure 4 s, overhead 2 s)."
    ]


@pytest.mark.parametrize("there", [True, False])
def test_how_to_go_on_is_said_where_there_is_something_to_go_on_with(
    there: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ledger = tmp_path / "l.ledger"
    if there:
        ledger.touch()
    with pytest.raises(Exit) as left, resumable("munas resume l", ledger):
        raise KeyboardInterrupt
    assert left.value.exit_code == ExitCode.INTERRUPTED
    with pytest.raises(InfrastructureError) as lost, resumable("munas resume l", ledger):
        raise InfrastructureError("It is gone.", "Mend it.")
    for said in (capsys.readouterr().err, lost.value.mend):
        assert ("Continue with: munas resume l" in said) == there
    with pytest.raises(BadInputError) as bad, resumable("munas resume l"):
        raise BadInputError("It is wrong.", "Correct it.")
    assert bad.value.mend == "Correct it."


def test_a_narrow_terminal_gets_every_value_on_a_line_of_its_own() -> None:
    text = front_list([row(), row(candidate_id=8, val_accuracy_int8=0.99)])
    assert text.index("candidate 8") < text.index("candidate 1234")
    assert max(map(len, text.splitlines())) <= 40
    assert "  latency: 165.03 ms (emulated)" in text and "  arena: 129.0 KiB (emulated)" in text
