"""Where a search runs: on this machine, or on the nodes of a Ray cluster."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from munas.errors import BadInputError
from munas.experiment.schema import Data
from munas.pipeline.executor import Executor, LocalExecutor

if TYPE_CHECKING:
    from munas.pipeline.ray_cluster import RayBoards

ExecutorName = Literal["local", "ray"]


@dataclass(frozen=True)
class Place:
    """`address` is a Ray cluster's; null: `ray` then starts an instance on this machine."""

    executor: ExecutorName = "local"
    address: str | None = None


@dataclass(frozen=True)
class OpenPlace:
    """A place that a search can run at; `boards` are those of its other machines."""

    executor: ExecutorName
    boards: RayBoards | None

    def start(self, settings: dict[str, Any], workers: int) -> Executor:
        """An executor for the data set of `settings`, of so many candidates at a time."""
        if self.boards is None:
            return LocalExecutor(settings, workers)
        from munas.pipeline.ray_executor import RayExecutor

        def packed() -> bytes:
            from munas.train import load
            from munas.train.datasets.packed import pack_dataset

            return pack_dataset(load(Data.model_validate(settings["data"])))

        return RayExecutor(settings, workers, packed=packed)


HERE = Place()


@contextmanager
def opened(place: Place, workers: int) -> Iterator[OpenPlace]:
    """Connect to the place, for so many workers; within, Ray is up where it is wanted.

    Raises BadInputError for an address without Ray, and where Ray cannot be had.
    """
    if place.executor == "local":
        if place.address is not None:
            raise BadInputError(
                f"An address is given ({place.address}), but the executor is local.",
                "Add --executor ray, or leave --address out.",
            )
        yield OpenPlace("local", None)
        return
    from munas.pipeline.ray_cluster import connected

    with connected(place.address, workers) as boards:
        yield OpenPlace("ray", boards)
