"""A cluster of two nodes on this machine: a node that is lost, a board that one of them holds."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

ray = pytest.importorskip("ray", reason="needs the extra ray")

from munas.arch import Architecture  # noqa: E402
from munas.boards.session import BOARD_LOST  # noqa: E402
from munas.cost import cost  # noqa: E402
from munas.errors import BadInputError, DeadlineError, InfrastructureError  # noqa: E402
from munas.experiment import parse_experiment  # noqa: E402
from munas.experiment.schema import Data  # noqa: E402
from munas.latency import Reading  # noqa: E402
from munas.latency.measured import CanaryMovedError  # noqa: E402
from munas.pipeline import sources  # noqa: E402
from munas.pipeline.place import Place, opened  # noqa: E402
from munas.pipeline.ray_cluster import RayBoards, RayProvider, require_same  # noqa: E402
from munas.pipeline.ray_executor import RayExecutor  # noqa: E402
from munas.pipeline.ray_node import Fault, Outcome, WorkerPlace, greeting  # noqa: E402
from munas.pipeline.tasks import Tasks  # noqa: E402
from munas.train import load  # noqa: E402
from munas.train.datasets.packed import pack_dataset  # noqa: E402
from munas.units import Latency, LatencySource  # noqa: E402

BOARD = "emulated_stm32l4r5"
MLP = {"space": "mlp", "input": [8, 8, 1], "classes": 10, "dense": [10]}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    from ray.cluster_utils import Cluster

    quiet = {
        "include_dashboard": False,
        "object_store_memory": 100 * 2**20,
    }
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, **quiet})
    made.second = made.add_node(
        num_cpus=2, resources={f"munas:{BOARD}": 1}, object_store_memory=100 * 2**20
    )
    ray.init(address=made.address, log_to_driver=False, logging_level="ERROR")
    yield made
    ray.shutdown()
    made.shutdown()


def measuring(trouble: str | None = None) -> Any:
    """What makes a provider on the node; it measures in no time, and knows where it is."""

    def make() -> Any:
        class Simulated:
            engine = "aot"

            def read(self, architecture: Any, costs: Any, model: bytes | None) -> Reading:
                if trouble == "late":
                    raise DeadlineError("no answer", "wait")
                if trouble == "moved":
                    raise CanaryMovedError("b", 100, 200, ("a", "b"))
                node = ray.get_runtime_context().get_node_id()
                latency = Latency(costs.macs, LatencySource.EMULATED, costs.macs)
                digest = hashlib.sha256(model or b"").hexdigest()
                return Reading(latency, None, {"node": node, "model": digest, "cycles": [1, 2]})

            def renew(self) -> None: ...

            def close(self) -> None: ...

        return Simulated(), "it is simulated"

    return make


def read(provider: RayProvider) -> Reading:
    architecture = Architecture.from_dict(MLP)
    return provider.read(architecture, cost(architecture), b"model")


def test_a_board_is_read_on_the_node_that_holds_it(cluster: Any) -> None:
    boards = RayBoards()
    assert boards.offers(BOARD) and boards.offers("nucleo_l4r5zi") is None
    provider = RayProvider(BOARD, LatencySource.EMULATED, measuring())
    reading = read(provider)
    assert (provider.engine, provider.reason) == ("aot", "it is simulated")
    assert reading.measurement == {
        "node": cluster.second.node_id,
        "model": hashlib.sha256(b"model").hexdigest(),
        "cycles": [1, 2],
    }
    provider.close()
    provider.close()
    with pytest.raises(BOARD_LOST):
        read(provider)


@pytest.mark.parametrize(
    ("trouble", "kind"), [("late", DeadlineError), ("moved", CanaryMovedError)]
)
def test_faults_of_measuring_come_back_as_they_are(
    cluster: Any, trouble: str, kind: type[Exception]
) -> None:
    provider = RayProvider(BOARD, LatencySource.EMULATED, measuring(trouble))
    with pytest.raises(kind) as fault:
        read(provider)
    provider.close()
    if trouble == "moved":
        assert isinstance(fault.value, CanaryMovedError) and fault.value.window == ("a", "b")
        assert isinstance(Fault.of(fault.value).error(), CanaryMovedError)


def test_a_run_takes_the_board_of_another_node_or_says_how_to_offer_it(
    cluster: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def provider(self: Any, board: str, source: Any, engine: Any, stands_for: Any) -> Any:
        return RayProvider(board, source, measuring())

    monkeypatch.setattr(RayBoards, "provider", provider)
    table = {"name": "t", "data": {"name": "digits"}, "bounds": {"error": 0.5}}

    def asked(board: str) -> Any:
        latency = {"board": board, "source": "measured"}
        return parse_experiment({**table, "latency": latency}, "t")

    found, choice = sources.provider_for(asked(BOARD), elsewhere=RayBoards())
    found.close()
    assert choice.source is LatencySource.EMULATED and "of the Ray cluster" in choice.reason
    monkeypatch.setattr(sources, "absent_packages", lambda _extra: ["unicorn"])
    with pytest.raises(InfrastructureError, match="munas:nucleo_f446re"):
        sources.provider_for(asked("nucleo_f446re"), elsewhere=RayBoards())


def test_a_lost_node_costs_no_task_and_its_board_is_lost(cluster: Any, tmp_path: Path) -> None:
    """Killed under load: every task is answered once; the board's reader is told."""

    class Light:
        """A worker's place without TensorFlow."""

        def __init__(self, *_settings: Any) -> None: ...

        def hello(self) -> Any:
            return greeting()

        def said(self) -> list[dict[str, Any]]:
            return []

        def close(self) -> None: ...

        def run(self, task: dict[str, Any], blobs: dict[str, bytes]) -> Outcome:
            with (tmp_path / f"{task['number']}").open("a") as begun:
                begun.write(f"{greeting().node_id}\n")
            time.sleep(0.4)
            return Outcome({"number": task["number"]}, {})

    provider = RayProvider(BOARD, LatencySource.EMULATED, measuring())
    executor = RayExecutor({}, 4, packed=lambda: b"", place=Light)
    answered: list[int] = []
    lock = threading.Lock()

    def keep(future: Future[Any]) -> None:
        with lock:
            answered.append(future.result()[0]["number"])

    futures = [executor.submit({"task": "light", "number": number}) for number in range(24)]
    for future in futures:
        future.add_done_callback(keep)
    there = cluster.second.node_id
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        begun = [file.read_text() for file in tmp_path.iterdir()]
        if any(there in text for text in begun):
            break
        time.sleep(0.05)
    cluster.remove_node(cluster.second, allow_graceful=False)
    results = [future.result(timeout=90)[0]["number"] for future in futures]
    executor.close()
    assert results == list(range(24)) and sorted(answered) == results
    nodes = [file.read_text().split() for file in tmp_path.iterdir()]
    assert any(len(tried) > 1 for tried in nodes), "no task was lost with the node"
    assert not any(tried[-1] == there and len(tried) > 1 for tried in nodes)
    with pytest.raises(BOARD_LOST, match="lost"):
        read(provider)
    provider.close()


def test_a_node_without_the_data_set_asks_for_it_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MUNAS_CACHE", str(tmp_path))
    data = {"name": "digits", "train_samples": 100}
    dataset = load(Data.model_validate(data))
    settings = {"data": data, "dataset_sha256": dataset.sha256}

    def lacking(place: WorkerPlace) -> WorkerPlace:
        def ask(task: Any, blobs: Any, progress: Any) -> Any:
            if "dataset_file" in place._worker.settings:
                return {"sha256": Tasks(place._worker.settings).dataset().sha256}, {}
            return {"error": {"name": "data", "message": "there is none"}}, {}

        monkeypatch.setattr(place._worker, "ask", ask)
        return place

    first = lacking(WorkerPlace(settings, 20, 2**30))
    assert first.run({"task": "train"}, {}).wants_data
    first.keep_data(pack_dataset(dataset))
    assert first.run({"task": "train"}, {}).answer == {"sha256": dataset.sha256}
    second = lacking(WorkerPlace(settings, 20, 2**30))
    assert second.run({"task": "train"}, {}).answer == {"sha256": dataset.sha256}
    first.close()
    second.close()


def test_other_versions_and_addresses_are_refused_in_words() -> None:
    with pytest.raises(BadInputError, match=r"node9 .* numpy 1 \(here 2\)"):
        require_same("node9", {"numpy": "1"}, {"numpy": "2"})
    for address in ("nonsense", "127.0.0.1:1", "ray://127.0.0.1:1"):
        with pytest.raises(BadInputError, match=address), opened(Place("ray", address), 1):
            pass
    with pytest.raises(BadInputError, match="executor is local"), opened(Place("local", "x"), 1):
        pass
