"""The candidates table as a file, whole or not at all."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from munas.errors import BadInputError, ExitCode
from munas.store import COLUMNS, CandidateRow, FinalRow, Ledger, MeasurementRow, ResultRow, export
from munas.store.measured import MEASUREMENT_COLUMNS

Candidates = Callable[..., CandidateRow]
Results = Callable[..., ResultRow]


@pytest.fixture
def filled(ledger: Ledger, candidate: Candidates, result: Results) -> Ledger:
    ledger.add_candidate(candidate(1))
    ledger.add_candidate(candidate(2, parent_id=1, morphism='widen "a", then b'))
    ledger.add_candidate(candidate(3))
    ledger.add_result(result(1, val_accuracy_int8=0.123456789012345 + 0.7))
    ledger.add_result(result(2, latency_us=None, latency_source=None, flash_bytes=None))
    failure = {"name": "build", "message": "Line one,\nline two: µs."}
    ledger.add_result(
        result(3, status="failed", error=failure, val_accuracy_int8=None, epochs=None)
    )
    ledger.add_final(FinalRow(candidate_id=1, test_accuracy_int8=0.1 + 0.2))
    return ledger


def test_csv(filled: Ledger, tmp_path: Path) -> None:
    target = tmp_path / "table.csv"
    filled.export(target, "csv")
    frame = pd.read_csv(target, dtype=dict(COLUMNS))
    pd.testing.assert_frame_equal(frame, filled.candidates_frame())


def test_parquet(filled: Ledger, tmp_path: Path) -> None:
    target = tmp_path / "table.parquet"
    filled.export(target, "parquet")
    pd.testing.assert_frame_equal(pd.read_parquet(target), filled.candidates_frame())


def test_json(filled: Ledger, tmp_path: Path) -> None:
    target = tmp_path / "table.json"
    filled.export(str(target), "json")
    assert json.loads(target.read_text()) == filled.table()


@pytest.mark.parametrize("kind", ["csv", "parquet", "json"])
def test_empty_table(ledger: Ledger, tmp_path: Path, kind: export.ExportFormat) -> None:
    target = tmp_path / "table"
    ledger.export(target, kind)
    if kind == "json":
        assert json.loads(target.read_text()) == []
    else:
        read = pd.read_csv if kind == "csv" else pd.read_parquet
        frame = read(target)
        assert list(frame.columns) == list(COLUMNS)
        assert len(frame) == 0


def test_existing_file_is_replaced_whole(
    filled: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "table.csv"
    target.write_text("before")
    before = sorted(tmp_path.iterdir())

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(BadInputError, match="No space left on device") as fault:
            filled.export(target, "csv")
    assert str(target) in fault.value.what
    assert fault.value.mend
    assert fault.value.exit_code == ExitCode.BAD_INPUT
    assert target.read_text() == "before"
    filled.export(target, "csv")
    assert target.read_text().startswith("candidate_id,")
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("name", ["file/table.csv", "absent/table.csv", "folder"])
def test_unwritable_target(filled: Ledger, tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "folder").mkdir()
    before = sorted(tmp_path.iterdir())
    with pytest.raises(BadInputError, match="cannot be written") as fault:
        filled.export(tmp_path / name, "csv")
    assert str(tmp_path / name) in fault.value.what
    assert sorted(tmp_path.iterdir()) == before


def test_the_ledger_itself_is_not_replaced(filled: Ledger, tmp_path: Path) -> None:
    link = tmp_path / "link.csv"
    link.symlink_to(filled.path)
    for target in (filled.path, link):
        with pytest.raises(BadInputError, match="would be overwritten"):
            filled.export(target, "csv")
    assert len(filled.table()) == 3


def test_unknown_format(filled: Ledger, tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="`xml`") as fault:
        filled.export(tmp_path / "table.xml", "xml")  # type: ignore[arg-type]
    assert "csv, parquet, json" in fault.value.mend
    assert not (tmp_path / "table.xml").exists()


def test_measurements(filled: Ledger, tmp_path: Path) -> None:
    measured = {"unit": "emulated", "cycles": 1200, "latency_us": 10, "error": None}
    where = {"source": "emulated", "board": "emulated_x", "engine": "aot"}
    filled.add_measurement(MeasurementRow(candidate_id=2, measurement=measured, **where))
    failed = {"unit": "emulated", "error": {"name": "convert", "message": "no"}}
    filled.add_measurement(MeasurementRow(measurement=failed, **where))
    for kind in ("csv", "parquet", "json"):
        filled.export(tmp_path / kind, kind, "measurements")  # type: ignore[arg-type]
    frame = pd.read_csv(tmp_path / "csv", dtype=dict(MEASUREMENT_COLUMNS))
    assert list(frame.columns) == list(MEASUREMENT_COLUMNS)
    assert list(frame.cycles.fillna(0)) == [1200, 0]
    assert list(frame.macs.fillna(0)) == [1_000_000, 0]
    assert list(frame.error.fillna("")) == ["", "convert: no"]
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "parquet"), frame)
    assert json.loads((tmp_path / "json").read_text()) == filled.measurements_table()
