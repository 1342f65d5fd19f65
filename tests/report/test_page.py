"""The page as a whole: what it says, what it may not contain, where it is written."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from munas.errors import BadInputError
from munas.report import write_report
from munas.report.facts import Facts, gather
from munas.report.page import render
from munas.store import CandidateRow, EventRow, Ledger, ResultRow

SCRIPT = "<script>document.body.dataset.stolen = 1</script>"


def at(seconds: int) -> str:
    return f"2026-11-24T03:{seconds // 60:02d}:{seconds % 60:02d}.000+00:00"


class Reader(HTMLParser):
    """The text outside scripts, the elements, and every address that an element names."""

    def __init__(self) -> None:
        super().__init__()
        self.text = ""
        self.scripts: list[str] = []
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self._inside = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self._inside = tag
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside == "script":
            self.scripts[-1] += data
        elif self._inside != "style":
            self.text += data


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    return reader


def data_of(reader: Reader) -> dict[str, object]:
    text = reader.scripts[-1].removeprefix("const report = ").split(";\n", 1)[0]
    loaded: dict[str, object] = json.loads(text)
    return loaded


def shown(ledger: Ledger) -> Reader:
    return read(render(gather(ledger)))


def test_says_what_ran_and_what_came_of_it(ledger: Ledger) -> None:
    reader = shown(ledger)
    best = ledger.front()
    first = max(best, key=lambda row: row["val_accuracy_int8"])
    for text in (
        f"Candidate {first['candidate_id']} is the most accurate within all bounds",
        "finished: 24 of 24 candidates",
        "digits, in place of fashion_mnist, from scikit-learn's load_digits",
        "5 min 00 s",
        "Latency: mac, because no emulated_stm32l4r5 is attached; it cannot be emulated here.",
        "MACs are not a latency",
        "munas search quickstart --seed 7",
        "tensorflow 2.21.0",
        "The converter emitted another network.",
        "screened out",
    ):
        assert text in reader.text
    figures = data_of(reader)["figures"]
    assert isinstance(figures, dict)
    assert set(figures) == {
        "scatter-macs", "scatter-peak_memory_bytes", "scatter-model_size_bytes",
        "scatter-flash_bytes", "scatter-arena_used_bytes", "progress", "stages",
    }  # fmt: skip


def test_mac_estimate_stands_beside_measured_latencies(
    make: Callable[..., Ledger], fill: Callable[..., None], identity: dict[str, Any]
) -> None:
    constants = {"base_cycles": 40_000, "cycles_per_mac": 6.0, "clock_hz": 120_000_000}
    identity |= {"mac_model": {**constants, "error_percent": 50}, "latency_source": "emulated"}
    ledger = make(identity=identity)
    fill(ledger, 24, latency_us=4321, latency_source="emulated")
    reader = shown(ledger)
    assert "Latency by MACs (µs) ±50 %" in reader.text
    row = ledger.front()[0]
    assert f"{round((40_000 + 6 * row['macs']) / 120):,}" in reader.text


def test_tells_of_a_lost_board(ledger: Ledger) -> None:
    """The sentence on latencies follows the source that they have now."""
    detail = {
        "reason": "board-lost", "candidates": [], "latency_source": "mac",
        "latency_reason": "nucleo_l4r5zi was lost", "board": "nucleo_l4r5zi", "engine": None,
    }  # fmt: skip
    ledger.revise([], EventRow(kind="revised", detail=detail))
    assert "Latency: mac, because nucleo_l4r5zi was lost" in shown(ledger).text


def test_needs_no_network(ledger: Ledger) -> None:
    page = render(gather(ledger))
    reader = read(page)
    assert reader.addresses == []
    assert "default-src 'none'" in page
    assert not {"link", "img", "iframe", "object"} & set(reader.tags)
    assert len(re.findall(r"<script>", page)) == 2  # plotly.js stands in it once


def test_texts_of_a_ledger_cannot_run(
    make: Callable[..., Ledger], fill: Callable[..., None], identity: dict[str, Any]
) -> None:
    hostile = dict.fromkeys(("dataset", "dataset_origin", "latency_reason", "board"), SCRIPT)
    ledger = make(
        name=SCRIPT,
        command=SCRIPT,
        identity={**identity, **hostile, "versions": {SCRIPT: SCRIPT}},
        bounds={"macs": 10**9},
    )
    fill(ledger, 3, board=SCRIPT, engine=SCRIPT, arena_source="host")
    row = CandidateRow(
        candidate_id=4, architecture={"space": SCRIPT}, architecture_sha256=SCRIPT, macs=1,
        peak_memory_bytes=1, model_size_bytes=1, parent_id=1, morphism=SCRIPT,
    )  # fmt: skip
    ledger.add_candidate(row)
    ledger.add_result(
        ResultRow(
            candidate_id=4,
            status="ok",
            val_accuracy_int8=0.99,
            latency_source="mac",
            error={"name": SCRIPT, "message": SCRIPT},
            stage_s={SCRIPT: 1.0},
        )
    )
    page = render(gather(ledger))
    assert "data-stolen" not in page
    assert "<script>document" not in page
    assert read(page).tags.count("script") == 2
    assert SCRIPT in read(page).text  # shown, as text


def test_an_empty_ledger_has_a_page(make: Callable[..., Ledger]) -> None:
    reader = shown(make())
    assert "No candidate has a result yet." in reader.text
    assert "not finished: 0 of 24 candidates" in reader.text
    assert "The front is empty" in reader.text
    assert data_of(reader) == {"figures": {}, "hover": []}


def test_one_candidate_has_a_page(make: Callable[..., Ledger], fill: Callable[..., None]) -> None:
    ledger = make(bounds={"macs": 10**9})
    fill(ledger, 1)
    reader = shown(ledger)
    assert "Candidate 1 is the most accurate" in reader.text
    assert "not tested" in reader.text


def test_nothing_feasible_is_said(make: Callable[..., Ledger], fill: Callable[..., None]) -> None:
    ledger = make(bounds={"error": 0.0001})
    fill(ledger, 8)
    reader = shown(ledger)
    assert "No candidate of 8 is within all bounds." in reader.text
    assert "The front is empty" in reader.text


def test_emulated_is_never_called_measured_on_hardware(
    make: Callable[..., Ledger], fill: Callable[..., None], identity: dict[str, Any]
) -> None:
    emulated = {**identity, "latency_source": "emulated", "engine": "tflm"}
    ledger = make(identity=emulated)
    fill(ledger, 8, latency_us=1234, latency_source="emulated", arena_source="emulated")
    text = shown(ledger).text
    assert "not measured on hardware" in text
    assert "Measured on the board" not in text
    assert "MACs are not a latency" not in text


def test_pending_candidates_and_interruptions_are_counted(
    make: Callable[..., Ledger], fill: Callable[..., None]
) -> None:
    ledger = make()
    fill(ledger, 6)
    row = ledger.candidate(1)
    ledger.add_candidate(replace(row, candidate_id=7, architecture_sha256="7" * 64))
    ledger.add_event(EventRow(kind="interrupted", created_at=at(70)))
    facts = gather(ledger)
    assert facts.state == "interrupted: 6 of 24 candidates"
    assert facts.pending == [7]
    assert facts.wall_s == 70
    ledger.add_event(EventRow(kind="resumed", created_at=at(600)))
    ledger.add_event(EventRow(kind="finished", created_at=at(630)))
    assert gather(ledger).wall_s == 100
    assert gather(ledger).state == "stopped early: 6 of 24 candidates"


def many(facts: Facts, count: int) -> Facts:
    rows = [
        {**facts.table[i % len(facts.table)], "candidate_id": i + 1, "macs": 1000 + i}
        for i in range(count)
    ]
    return replace(facts, table=tuple(rows))


def test_thousands_of_candidates_stay_small(ledger: Ledger) -> None:
    facts = gather(ledger)
    facts = many(facts, 3000)
    facts = replace(facts, candidates={n: facts.candidates[1 + n % 24] for n in range(1, 3001)})
    page = render(facts)
    assert len(page.encode()) < 8_000_000
    hover = data_of(read(page))["hover"]
    assert isinstance(hover, list) and len(hover) == 3000


def test_the_listing_reads_back(ledger: Ledger) -> None:
    text = shown(ledger).text
    listing = text[text.index('name = "quickstart"') :].split("Versions:")[0]
    read_back = tomllib.loads(listing)
    assert read_back["search"] == {
        "algorithm": "aging-evolution", "population": 10, "sample": 4, "rounds": 24,
        "seed": 7, "workers": 2, "lag": 4,
    }  # fmt: skip
    assert read_back["bounds"]["macs"] == 3_000_000


def test_written_whole_or_not_at_all(ledger: Ledger, tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    write_report(ledger, out)
    assert out.read_text().startswith("<!DOCTYPE html>")
    with pytest.raises(BadInputError, match="absent"):
        write_report(ledger, tmp_path / "absent" / "report.html")
    with pytest.raises(BadInputError, match="what this command reads"):
        write_report(ledger, ledger.path)
    folder = tmp_path / "folder.html"
    folder.mkdir()
    with pytest.raises(BadInputError, match="folder"):
        write_report(ledger, folder)
    kept = {path.name for path in tmp_path.iterdir()}
    assert kept <= {"report.html", "folder.html", "run.ledger", "run.ledger-wal", "run.ledger-shm"}


def test_values_of_different_sources_are_told_apart(
    make: Callable[..., Ledger], fill: Callable[..., None]
) -> None:
    ledger = make(bounds={"latency_us": 2000})
    fill(ledger, 3, latency_us=1000, latency_source="mac")
    row = ledger.candidate(1)
    ledger.add_candidate(replace(row, candidate_id=4, architecture_sha256="4" * 64))
    ledger.add_result(
        ResultRow(
            candidate_id=4,
            status="ok",
            val_accuracy_int8=0.5,
            latency_us=3000,
            latency_source="emulated",
        )
    )
    reader = shown(ledger)
    assert "Latency (µs), emulated2,0000 of 13,000" in reader.text
    assert "Latency (µs), mac2,000" in reader.text
    figures = data_of(reader)["figures"]
    assert isinstance(figures, dict)
    names = {trace["name"] for trace in figures["scatter-latency_us"]["data"]}
    assert {name.split(", ")[1] for name in names} == {"mac", "emulated"}
