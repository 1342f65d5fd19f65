"""Whole searches on the bundled digits: rows, reproducibility, kill -9 and resume."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from munas.errors import BadInputError, LedgerError
from munas.experiment import Experiment, parse_experiment
from munas.pipeline.events import Silent
from munas.pipeline.place import Place
from munas.pipeline.progress import status
from munas.pipeline.session import Limits, require_one_clock, resume, start
from munas.store import Ledger

ROUNDS = 5
TABLE = {
    "name": "tiny",
    "data": {"name": "digits", "train_samples": 300},
    "bounds": {"error": 0.9, "macs": 60_000, "flash_bytes": 60_000},
    "search": {"population": 3, "sample": 2, "rounds": ROUNDS, "seed": 1, "workers": 2},
    "train": {"epochs": 1, "batch": 32},
    "latency": {"source": "mac"},
}


def experiment(**sections: dict[str, object]) -> Experiment:
    table = dict(TABLE)
    for name, changes in sections.items():
        table[name] = {**TABLE.get(name, {}), **changes}  # type: ignore[dict-item]
    return parse_experiment(table, "test")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ledger of an uninterrupted run."""
    path = tmp_path_factory.mktemp("runs") / "a.ledger"
    start(experiment(), path, Silent(), "munas search tiny", Limits())
    return path


def history(path: Path) -> list[tuple[object, ...]]:
    """What must not depend on interruptions: architectures, parents and int8 accuracies."""
    with Ledger.open(path) as ledger:
        candidates = {row.candidate_id: row for row in ledger.candidates()}
        return [
            (
                row.candidate_id,
                candidates[row.candidate_id].architecture_sha256,
                candidates[row.candidate_id].parent_id,
                row.status,
                row.val_accuracy_int8,
                row.model_sha256,
            )
            for row in ledger.results()
        ]


def test_a_run_keeps_everything(finished: Path):
    with Ledger.open(finished) as ledger:
        rows = ledger.results()
        assert [row.candidate_id for row in rows] == list(range(1, ROUNDS + 1))
        assert [event.kind for event in ledger.events()] == ["started", "finished"]
        trained = [row for row in rows if row.status == "ok"]
        assert trained, "no candidate was trained"
        for row in trained:
            assert row.latency_source == "mac" and row.arena_source == "host"
            assert 0 <= (row.val_accuracy_int8 or -1) <= 1
            model = ledger.get_artifact(str(row.model_sha256))
            assert row.flash_bytes == len(model)
            assert len(ledger.get_artifact(str(row.weights_sha256))) > 100
            assert {"screen", "train", "convert", "evaluate"} <= set(row.stage_s)
        front = ledger.front()
        assert front, "nothing on the front"
        finals = {row.candidate_id for row in ledger.finals()}
        assert finals == {row["candidate_id"] for row in front}, "only the front is tested"
        assert all(0 <= row["test_accuracy_int8"] <= 1 for row in front)


def test_status_says_finished(finished: Path):
    found = status(finished)
    assert (found["state"], found["done"], found["rounds"]) == ("finished", ROUNDS, ROUNDS)


def test_resuming_a_finished_run_changes_nothing(finished: Path):
    before = history(finished)
    found = resume(finished, Silent(), Limits())
    assert found["candidates"] == ROUNDS and history(finished) == before


def search_process(path: Path) -> subprocess.Popen[bytes]:
    """`munas search` in a process of its own, on the same experiment."""
    script = (
        "import sys; from pathlib import Path;"
        "from munas.experiment import parse_experiment;"
        "from munas.pipeline.events import Silent;"
        "from munas.pipeline.session import Limits, start;"
        f"start(parse_experiment({TABLE!r}, 'test'), Path(sys.argv[1]), Silent(), 'x', Limits())"
    )
    return subprocess.Popen([sys.executable, "-c", script, str(path)])


def results_in(path: Path) -> int:
    try:
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
            return int(connection.execute("SELECT count(*) FROM result").fetchone()[0])
    except sqlite3.OperationalError:
        return 0


def test_killed_and_resumed_equals_uninterrupted(finished: Path, tmp_path: Path):
    path = tmp_path / "killed.ledger"
    process = search_process(path)
    deadline = time.monotonic() + 200
    while results_in(path) < 2 and time.monotonic() < deadline:
        assert process.poll() is None, "the search ended by itself"
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    with Ledger.open(path) as ledger:
        lag = ledger.run.identity["lag"]
        assert len(ledger.pending()) <= lag
        assert 2 <= len(ledger.results()) < ROUNDS
    found = resume(path, Silent(), Limits())
    assert found["candidates"] == ROUNDS
    assert history(path) == history(finished)
    with Ledger.open(path) as ledger:
        assert [event.kind for event in ledger.events()] == ["started", "resumed", "finished"]


def test_workers_end_with_the_search(tmp_path: Path):
    """Killed with -9, the search leaves no worker behind."""
    path = tmp_path / "orphans.ledger"
    process = search_process(path)
    children: list[int] = []
    deadline = time.monotonic() + 100
    while len(children) < 2 and time.monotonic() < deadline:
        listed = Path(f"/proc/{process.pid}/task").glob("*/children")
        children = [int(pid) for each in listed for pid in each.read_text().split()]
        time.sleep(0.1)
    assert len(children) >= 2
    process.kill()
    process.wait()
    while any(_alive(pid) for pid in children) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(_alive(pid) for pid in children)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_max_candidates_stops_early_and_resume_goes_on(tmp_path: Path):
    path = tmp_path / "short.ledger"
    found = start(experiment(), path, Silent(), "x", Limits(max_candidates=2))
    assert found["candidates"] == 2
    found = resume(path, Silent(), Limits(max_candidates=3))
    assert found["candidates"] == 3


@pytest.mark.long
def test_ray_gives_the_same_rows_and_another_executor_goes_on(finished: Path, tmp_path: Path):
    pytest.importorskip("ray", reason="needs the extra ray")
    path = tmp_path / "ray.ledger"
    before = signal.getsignal(signal.SIGTERM)
    found = start(experiment(), path, Silent(), "x", Limits(max_candidates=1), Place("ray"))
    assert found["executor"] == "ray" and signal.getsignal(signal.SIGTERM) == before
    assert history(path) == history(finished)[:1]
    with Ledger.open(path) as ledger, Ledger.open(finished) as other:
        ours, theirs = dict(ledger.run.identity), dict(other.run.identity)
        assert (ours.pop("executor"), theirs.pop("executor")) == ("ray", "local")
        assert ours == theirs
    assert resume(path, Silent(), Limits(max_candidates=1))["executor"] == "local"


def test_a_cluster_that_does_not_answer_leaves_nothing(tmp_path: Path):
    pytest.importorskip("ray", reason="needs the extra ray")
    path = tmp_path / "none.ledger"
    with pytest.raises(BadInputError, match="No Ray cluster answers"):
        start(experiment(), path, Silent(), "x", Limits(), Place("ray", "127.0.0.1:1"))
    assert list(tmp_path.iterdir()) == []


def test_ray_that_is_not_installed_is_told_with_its_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("munas.pipeline.ray_cluster.absent_packages", lambda _extra: ["ray"])
    with pytest.raises(BadInputError, match=r"munas\[ray\]"):
        start(experiment(), tmp_path / "x.ledger", Silent(), "x", Limits(), Place("ray"))


def test_bounds_that_no_architecture_meets_are_refused(tmp_path: Path):
    """It says after how many tries and which bounds bind; nothing is left behind."""
    path = tmp_path / "runs" / "tight.ledger"
    tight = experiment(bounds={"macs": 10, "flash_bytes": 100})
    with pytest.raises(BadInputError, match=r"in 1,800 tries") as told:
        start(tight, path, Silent(), "x", Limits())
    assert "macs = 10: the nearest has" in told.value.what
    assert told.value.exit_code == 2
    assert not path.parent.exists()


def test_nothing_feasible_is_no_fault(tmp_path: Path):
    """An error bound that nothing meets is only seen by training: an empty front."""
    path = tmp_path / "tight.ledger"
    tight = experiment(bounds={"error": 0.001}, search={"rounds": 1, "population": 1, "sample": 1})
    found = start(tight, path, Silent(), "x", Limits())
    assert found["front"] == [] and found["candidates"] == 1
    with Ledger.open(path) as ledger:
        assert {row.status for row in ledger.results()} == {"ok"}


def test_a_ledger_that_exists_is_never_overwritten(finished: Path):
    with pytest.raises(LedgerError):
        start(experiment(), finished, Silent(), "x", Limits())


def test_latency_bound_without_microseconds_is_refused(tmp_path: Path):
    bounded = experiment(bounds={"latency_us": 1000}, latency={"board": "nucleo_h743zi"})
    with pytest.raises(BadInputError, match="latency_us cannot be checked"):
        start(bounded, tmp_path / "x.ledger", Silent(), "x", Limits())
    assert not (tmp_path / "x.ledger").exists()


def test_a_space_that_is_not_for_the_data_is_refused_before_anything_begins(tmp_path: Path):
    with pytest.raises(BadInputError, match=r"cnn1d is for series.*8x8x1 are images"):
        start(
            experiment(space={"name": "cnn1d"}),
            tmp_path / "x.ledger",
            Silent(),
            "x",
            Limits(),
        )
    assert not (tmp_path / "x.ledger").exists()


def test_no_bounds_at_all_is_refused(tmp_path: Path):
    table = {**TABLE, "bounds": {}}
    with pytest.raises(BadInputError, match="bounds nothing"):
        start(parse_experiment(table, "t"), tmp_path / "x.ledger", Silent(), "x", Limits())


def test_unknown_board_is_refused_by_name(tmp_path: Path):
    with pytest.raises(BadInputError, match="no board called"):
        start(
            experiment(latency={"board": "emulated_stm32l4r6"}),
            tmp_path / "x.ledger",
            Silent(),
            "x",
            Limits(),
        )


@pytest.mark.parametrize(
    ("board", "identity", "refused"),
    [
        ("nucleo_f401re", {"latency_source": "emulated", "board": "emulated_stm32f405"}, True),
        ("nucleo_f401re", {"latency_source": "mac", "board": "nucleo_f401re"}, False),
        ("nucleo_l4r5zi", {"latency_source": "emulated", "board": "emulated_stm32l4r5"}, False),
        (
            "nucleo_f401re",
            {
                "latency_source": "emulated",
                "board": "emulated_stm32f405",
                "target": "nucleo_f401re",
            },
            False,
        ),
    ],
)
def test_latencies_at_two_clocks_are_never_ranked(
    board: str, identity: dict[str, str], refused: bool
) -> None:
    given = experiment()
    latency = given.latency.model_copy(update={"board": board})
    given = given.model_copy(update={"latency": latency})
    if not refused:
        require_one_clock(identity, given, Path("old.ledger"))
        return
    with pytest.raises(BadInputError, match=r"168 MHz.*84 MHz"):
        require_one_clock(identity, given, Path("old.ledger"))
