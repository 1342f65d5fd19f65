"""The connection to a Ray cluster, and the boards that its nodes hold.

A node offers a board by a resource of its own, `munas:<board>`; a measurement runs there. Must not
know what a search is.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from munas.arch import Architecture
from munas.cost import Cost
from munas.errors import BadInputError, MunasError, UnreachableError
from munas.latency import LatencyProvider, Reading
from munas.latency.measurement import StandIn
from munas.pipeline.doctor import absent_packages
from munas.pipeline.ray_node import BoardPlace, Fault, MakeProvider
from munas.pipeline.versions import versions
from munas.units import LatencySource

log = logging.getLogger(__name__)

CONNECT_S = 3.0
ANSWER_S = 20.0
DESCRIBE_S = 60.0
# A board that nobody else uses is had sooner.
BOARD_S = 30.0
_OBJECTS_BYTES = 256 * 1024**2
_QUIET = {"log_to_driver": False, "logging_level": logging.ERROR}


@contextmanager
def connected(address: str | None, workers: int) -> Iterator[RayBoards]:
    """Within, Ray is connected to the cluster at `address`; null: to one of this process's own.

    Raises BadInputError where Ray is not installed, nobody answers at `address`, or a node has
    other versions than this machine.
    """
    if absent_packages("ray"):
        raise BadInputError(
            "--executor ray needs the extra `ray`, which is not installed.",
            "Add it with: pip install 'munas[ray]'",
        )
    # Nothing is reported to anyone, unless the person wants it.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if address is not None:
        _require_answer(address)
    before = signal.getsignal(signal.SIGTERM)
    import ray

    try:
        with contextlib.redirect_stdout(sys.stderr):
            _init(address, workers)
        # Ray takes the signal for itself; here it means what Ctrl-C does.
        with contextlib.suppress(ValueError):  # not in the main thread
            signal.signal(signal.SIGTERM, before)
        if address is not None:
            _require_versions()
            _warn_of_few_processors(workers)
        yield RayBoards()
    finally:
        with contextlib.redirect_stdout(sys.stderr):
            ray.shutdown()


def _init(address: str | None, workers: int) -> None:
    import ray

    own = {
        "num_cpus": workers,
        "include_dashboard": False,
        "object_store_memory": _OBJECTS_BYTES,
    }
    try:
        ray.init(address=address or "local", **(_QUIET if address else {**_QUIET, **own}))
    except (Exception, SystemExit) as error:
        raise _unanswered(address or "local", str(error)) from None


def _require_answer(address: str) -> None:
    """Ray itself waits for minutes, and ends the process then; so another one asks first."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if address != "auto":
        if not host or not port.isdecimal():
            raise BadInputError(
                f"{address} is no address of a Ray cluster.",
                "Give auto, HOST:PORT or ray://HOST:PORT.",
            )
        try:
            socket.create_connection((host.strip("[]"), int(port)), CONNECT_S).close()
        except (OSError, OverflowError) as error:
            raise _unanswered(address, str(error)) from None
    ask = "import sys, ray; ray.init(address=sys.argv[1], log_to_driver=False); ray.nodes()"
    try:
        done = subprocess.run(
            [sys.executable, "-c", ask, address],
            capture_output=True,
            text=True,
            timeout=ANSWER_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise _unanswered(address, f"no answer within {ANSWER_S:.0f} s") from None
    if done.returncode:
        raise _unanswered(address, (done.stderr.strip().splitlines() or [""])[-1])


def _unanswered(address: str, why: str) -> BadInputError:
    return BadInputError(
        f"No Ray cluster answers at {address}: {why}",
        "See on its head node: ray status. Start one with: ray start --head. Without --address a "
        "Ray instance is started on this machine.",
    )


def _require_versions() -> None:
    """Have every node say what is installed there. Raises BadInputError that names the node."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    ask = ray.remote(num_cpus=0, max_retries=0)(versions)
    asked = {}
    for node in ray.nodes():
        if node["Alive"]:
            there = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            answer = ask.options(scheduling_strategy=there).remote()
            asked[answer] = node["NodeManagerHostname"]
    ray.wait(list(asked), num_returns=len(asked), timeout=DESCRIBE_S)
    ours = versions()
    for answer, host in asked.items():
        try:
            theirs = ray.get(answer, timeout=0.1)
        except Exception as error:  # whatever Ray wraps a failed import in
            reason = str(error).strip().splitlines()[-1:]
            raise BadInputError(
                f"The node {host} of the Ray cluster cannot run munas: {''.join(reason)}",
                "Install it there, in the Python that runs Ray: pip install "
                f"munas=={ours['munas']}",
            ) from None
        require_same(host, theirs, ours)


def require_same(host: str, theirs: Mapping[str, str], ours: Mapping[str, str]) -> None:
    """Raises BadInputError where a node has other versions than this machine."""
    differing = [name for name in ours if theirs.get(name) != ours[name]]
    if differing:
        raise BadInputError(
            f"The node {host} of the Ray cluster has "
            + ", ".join(f"{name} {theirs.get(name)} (here {ours[name]})" for name in differing)
            + ".",
            "Install the same versions on all nodes, or their numbers cannot be compared.",
        )


def _warn_of_few_processors(workers: int) -> None:
    import ray

    there = int(ray.cluster_resources().get("CPU", 0))
    if there < workers:
        log.warning("The Ray cluster has %d processors: %d workers take turns.", there, workers)


class RayBoards:
    """Boards that nodes of the connected cluster offer."""

    def offers(self, board: str) -> str | None:
        """In words which node holds a board of this type, if any does."""
        import ray

        holders = [
            node["NodeManagerHostname"]
            for node in ray.nodes()
            if node["Alive"] and node["Resources"].get(resource_of(board), 0) >= 1
        ]
        return f"node {holders[0]} of the Ray cluster" if holders else None

    def how_to_offer(self, board: str) -> str:
        """In words how a node is made to offer a board."""
        return (
            "No node of the Ray cluster offers it. Start the one that holds it with: "
            f"ray start --address=HEAD:6379 --resources '{{\"{resource_of(board)}\": 1}}'"
        )

    def provider(
        self,
        board: str,
        source: LatencySource,
        engine: str | None,
        stands_for: StandIn | None,
    ) -> RayProvider:
        """Its readings; the node decides on the engine where none is named. Raises MunasErrors."""

        def make() -> tuple[LatencyProvider, str]:
            from munas.boards.registry import find_board
            from munas.latency.engine import choose_engine, parse_engine
            from munas.latency.measured import MeasuredProvider

            chosen = choose_engine(find_board(board), parse_engine(engine or "auto"))
            return MeasuredProvider(board, source, chosen, stands_for), chosen.reason

        return RayProvider(board, source, make)


def resource_of(board: str) -> str:
    """The name of the Ray resource that a node with this board has."""
    return f"munas:{board}"


class RayProvider:
    """Readings of a board on another node; see LatencyProvider.

    `make` gives, on that node, what measures there. A node that is lost is a board that is lost.
    """

    needs_model = True
    predictor_sha256: str | None = None

    def __init__(self, board: str, source: LatencySource, make: MakeProvider) -> None:
        import ray

        self.board: str | None = board
        self.source = source
        self._name, self._node = board, "its node"
        place = ray.remote(num_cpus=0, resources={resource_of(board): 1}, max_restarts=0)
        self._actor: Any = place(BoardPlace).remote(make)
        try:
            engine, reason, node = self._done(self._actor.open.remote(), BOARD_S)
        except MunasError:
            self.close()
            raise
        self.engine: str | None = engine
        self.reason: str = reason
        self._node = node

    def read(self, architecture: Architecture, costs: Cost, model: bytes | None) -> Reading:
        """Measure there. Raises what measuring raises, UnreachableError where the node is lost."""
        reading: Reading = self._done(
            self._asked().read.remote(architecture.as_dict(), costs, model)
        )
        return reading

    def screened_us(self, costs: Cost) -> int | None:
        """Nothing short of measuring tells."""
        del costs
        return None

    def spared(self, costs: Cost) -> Reading | None:
        """It measures all."""
        del costs
        return None

    def renew(self) -> None:
        self._done(self._asked().renew.remote())

    def close(self) -> None:
        import ray

        actor, self._actor = self._actor, None
        if actor is not None:
            with contextlib.suppress(Exception):
                ray.get(actor.close.remote(), timeout=CONNECT_S)
            with contextlib.suppress(Exception):
                ray.kill(actor)

    def _asked(self) -> Any:
        if self._actor is None:
            raise UnreachableError(f"The line to {self._name} on {self._node} is closed.")
        return self._actor

    def _done(self, coming: Any, timeout_s: float | None = None) -> Any:
        import ray

        try:
            found = ray.get(coming, timeout=timeout_s)
        except ray.exceptions.GetTimeoutError:
            raise UnreachableError(
                f"{self._name} in the Ray cluster was not to be had within {timeout_s:.0f} s.",
                "Another search may be using it: see ray status.",
            ) from None
        except ray.exceptions.RayError as error:
            why = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise UnreachableError(
                f"{self._name} on {self._node} of the Ray cluster was lost: {why}",
                "See `ray status`; start the node again, then resume.",
            ) from None
        if isinstance(found, Fault):
            raise found.error()
        return found
