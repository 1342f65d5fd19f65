"""A search with rungs, pruning, inheritance and finalists: its rows, and that it can be killed."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from munas.arch import Architecture, assemble, channel_groups, sha256
from munas.cost import cost
from munas.deploy.keras_model import build_model
from munas.experiment import parse_experiment
from munas.pipeline.events import Silent
from munas.pipeline.session import Limits, resume, start
from munas.pipeline.tasks import unpack_weights
from munas.store import Ledger

TABLE = {
    "name": "rungs",
    "data": {"name": "digits", "train_samples": 200},
    "bounds": {"error": 0.9, "macs": 60_000, "model_size_bytes": 30_000},
    "search": {"population": 3, "sample": 2, "rounds": 5, "seed": 2, "workers": 2},
    "train": {"epochs": 2, "batch": 32, "optimizer": {"schedule": "cosine"}},
    "pruning": {"enabled": True, "sparsity": [0.2, 0.5]},
    "fidelity": {"rungs": [1], "reduction": 2, "inherit": True},
    "finalists": {"count": 1, "seeds": 2, "tune_above": 0.0, "tune_epochs": 1},
    "latency": {"source": "mac"},
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("rungs") / "a.ledger"
    start(parse_experiment(TABLE, "t"), path, Silent(), "x", Limits())
    return path


def history(path: Path) -> list[tuple[object, ...]]:
    with Ledger.open(path) as ledger:
        rows = [
            (r.candidate_id, r.rung, r.status, r.model_sha256, r.val_accuracy_int8, r.macs)
            for r in ledger.results()
        ]
        return [*rows, *((f.candidate_id, f.seed, f.model_sha256) for f in ledger.finals())]


@pytest.mark.slow
def test_what_is_pruned_is_what_is_kept(finished: Path):
    with Ledger.open(finished) as ledger:
        rows = ledger.results()
        assert {row.rung for row in rows} == {0, 1}
        assert len(rows) > 5 and len({(r.candidate_id, r.rung) for r in rows}) == len(rows)
        for row in rows:
            candidate = ledger.candidate(row.candidate_id)
            assert row.epochs == (1, 2)[row.rung]
            whole = Architecture.from_dict(dict(candidate.architecture))
            left = Architecture.from_dict(dict(row.architecture))
            widths = [sum(g.width for g in channel_groups(assemble(a))) for a in (whole, left)]
            assert widths[1] < widths[0]
            assert sha256(whole) == candidate.architecture_sha256  # the genes stay as they were
            assert row.macs == cost(left).macs < candidate.macs
            packed = ledger.get_artifact(row.weights_sha256)
            for architecture, dense in ((left, False), (whole, True)):
                build_model(architecture).set_weights(unpack_weights(packed, dense=dense))
        table = ledger.table()
        assert {row["rung"] for row in table if row["on_front"]} <= {1}
        assert all(0.2 <= row["sparsity"] <= 0.5 for row in table)


@pytest.mark.slow
def test_finalists_are_trained_anew_with_every_seed(finished: Path):
    with Ledger.open(finished) as ledger:
        best = max(ledger.front(), key=lambda row: row["val_accuracy_int8"])
        finals = [row for row in ledger.finals() if row.seed is not None]
        assert [(f.candidate_id, f.seed) for f in finals] == [
            (best["candidate_id"], 1),
            (best["candidate_id"], 2),
        ]
        assert finals[0].model_sha256 != finals[1].model_sha256
        for final in finals:
            gap = final.val_accuracy_float - final.val_accuracy_int8
            if final.tuned_val_accuracy_int8 is not None:
                assert gap > 0 and final.tuned_val_accuracy_int8 > final.val_accuracy_int8
            assert ledger.get_artifact(final.model_sha256)
        found = resume(finished, Silent(), Limits())  # nothing is left to do
        assert [each["candidate_id"] for each in found["finalists"]] == [best["candidate_id"]]
        assert found["finalists"][0]["seeds"] == 2


@pytest.mark.slow
def test_what_was_cut_off_is_done_again_alike(finished: Path, tmp_path: Path):
    """The ledger as `kill -9` leaves it: the last result and finalist come out the same."""
    path = tmp_path / "b.ledger"
    with sqlite3.connect(finished) as source, sqlite3.connect(path) as copy:
        source.backup(copy)
        triggers = copy.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
        kept = triggers.fetchall()
        for name, _ in kept:
            copy.execute(f"DROP TRIGGER {name}")
        copy.execute("DELETE FROM final WHERE seed = 2")
        copy.execute("DELETE FROM result WHERE result_id = (SELECT max(result_id) FROM result)")
        for _, sql in kept:
            copy.execute(sql)
    assert len(history(path)) < len(history(finished))
    resume(path, Silent(), Limits())
    assert history(path) == history(finished)
