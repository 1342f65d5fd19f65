"""The front's table on screen."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from munas.cli.view import _with_estimates, front_table

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
