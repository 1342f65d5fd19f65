"""What a worker does: train a candidate, convert one, evaluate one on test data.

These functions run in worker processes, where TensorFlow may be imported. A task is a plain
dictionary, so is its answer; models and weights travel as blobs.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from munas.arch import Architecture
from munas.errors import InfrastructureError, MunasError
from munas.experiment.schema import Augment, Data, Train
from munas.search import Candidate

Answer = tuple[dict[str, Any], dict[str, bytes]]
Progress = Callable[[dict[str, Any]], None]


def convert_task(candidate: Candidate) -> dict[str, Any]:
    """The task that converts a candidate with random weights, alike whenever it is done."""
    return {
        "task": "convert",
        "architecture": candidate.architecture.as_dict(),
        "seed": candidate.candidate_id,
    }


class Tasks:
    """The tasks of one worker; keeps the data set between them."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self.data = Data.model_validate(settings["data"])
        self.settings = settings
        self._dataset: Any = None

    def dataset(self) -> Any:
        from munas.train import load

        if self._dataset is None:
            self._dataset = load(self.data)
            expected = self.settings.get("dataset_sha256")
            if expected and self._dataset.sha256 != expected:
                raise InfrastructureError(
                    f"The data set {self.data.name} changed while the search ran.",
                    "Restore the files that the search began with, then resume.",
                )
        return self._dataset

    def run(self, task: dict[str, Any], blobs: dict[str, bytes], progress: Progress) -> Answer:
        """Run one task; faults come back as an `error` in the answer."""
        kinds: dict[str, Callable[..., Answer]] = {
            "train": self.train,
            "convert": self.convert,
            "test": self.test,
            "arena": self.arena,
        }
        try:
            return kinds[task["task"]](task, blobs, progress)
        except MunasError as error:
            return {"error": error.as_dict()}, {}

    def train(self, task: dict[str, Any], _blobs: dict[str, bytes], progress: Progress) -> Answer:
        """Train, convert to int8, and evaluate the int8 model on the validation split."""
        from munas.deploy.convert import convert
        from munas.deploy.evaluate import accuracy
        from munas.deploy.golden import GoldenRunner
        from munas.train import train

        architecture = Architecture.from_dict(task["architecture"])
        dataset = self.dataset()
        settings = Train.model_validate(task["train"])

        def on_epoch(epoch: int, _metrics: Any) -> bool:
            progress({"epoch": epoch + 1, "epochs": settings.epochs})
            return False

        trained = train(
            architecture,
            dataset,
            settings,
            seed=task["seed"],
            augment=Augment.model_validate(task["augment"]),
            on_epoch=on_epoch,
        )
        started = time.perf_counter()
        images = dataset.normalisation.apply(dataset.train.images[:100])
        model = convert(architecture, trained.weights, images)
        converted = time.perf_counter()
        validation = dataset.normalisation.apply(dataset.val.images)
        answer = {
            "val_accuracy_int8": accuracy(model.data, validation, dataset.val.labels),
            "val_accuracy_float": trained.val_accuracy,
            "epochs": len(trained.history),
            "model_sha256": model.sha256,
            "flash_bytes": len(model.data),
            "host_arena_bytes": _host_arena(GoldenRunner, model.data),
            "stage_s": {
                "train": (trained.time.build_us + trained.time.fit_us + trained.time.validate_us)
                / 1e6,
                "convert": converted - started,
                "evaluate": time.perf_counter() - converted,
            },
        }
        return answer, {"model": model.data, "weights": pack_weights(trained.weights)}

    def convert(self, task: dict[str, Any], _blobs: dict[str, bytes], _p: Progress) -> Answer:
        """Convert with random weights: enough to measure latency and memory."""
        from munas.deploy.convert import convert_random

        started = time.perf_counter()
        architecture = Architecture.from_dict(task["architecture"])
        model = convert_random(architecture, task["seed"])
        seconds = {"convert": time.perf_counter() - started}
        return {"model_sha256": model.sha256, "stage_s": seconds}, {"model": model.data}

    def test(self, _task: dict[str, Any], blobs: dict[str, bytes], _p: Progress) -> Answer:
        """Evaluate an int8 model on the test split."""
        from munas.deploy.evaluate import accuracy

        dataset = self.dataset()
        images = dataset.normalisation.apply(dataset.test.images)
        return {"test_accuracy_int8": accuracy(blobs["model"], images, dataset.test.labels)}, {}

    def arena(self, _task: dict[str, Any], blobs: dict[str, bytes], _p: Progress) -> Answer:
        """The arena of an int8 model on this host."""
        from munas.deploy.golden import GoldenRunner

        return {"host_arena_bytes": _host_arena(GoldenRunner, blobs["model"])}, {}


def _host_arena(runner: Any, data: bytes) -> int | None:
    """The wheel's arena in bytes; null where there is no wheel for this machine."""
    try:
        return int(runner(data).arena().memory_bytes)
    except InfrastructureError:
        return None


def pack_weights(weights: list[Any]) -> bytes:
    """Weights of a Keras model, in order, as one .npz file."""
    stream = io.BytesIO()
    np.savez_compressed(stream, **{f"w{i:04d}": value for i, value in enumerate(weights)})
    return stream.getvalue()


def unpack_weights(data: bytes) -> list[Any]:
    """The inverse of `pack_weights`; refuses anything that would need unpickling."""
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        return [arrays[name] for name in sorted(arrays.files)]
