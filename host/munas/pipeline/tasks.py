"""What a worker does: train a candidate, convert one, evaluate one on test data.

These functions run in worker processes, where TensorFlow may be imported. A task is a plain
dictionary, so is its answer; models and weights travel as blobs.
"""

from __future__ import annotations

import io
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from munas.arch import Architecture
from munas.errors import InfrastructureError, MunasError
from munas.experiment.schema import Augment, Data, Train

Answer = tuple[dict[str, Any], dict[str, bytes]]
Progress = Callable[[dict[str, Any]], None]


def convert_task(architecture: Architecture, candidate_id: int) -> dict[str, Any]:
    """The task that converts with random weights; a candidate's are alike whenever it is done."""
    return {"task": "convert", "architecture": architecture.as_dict(), "seed": candidate_id}


class Tasks:
    """The tasks of one worker; keeps the data set between them."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self.data = Data.model_validate(settings["data"])
        self.settings = settings
        self._dataset: Any = None

    def dataset(self) -> Any:
        from munas.train import load
        from munas.train.datasets.packed import unpack_dataset

        if self._dataset is None:
            packed = self.settings.get("dataset_file")
            self._dataset = (
                load(self.data) if packed is None else unpack_dataset(Path(packed).read_bytes())
            )
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
            "teach": self.teach,
            "final": self.final,
            "arena": self.arena,
        }
        try:
            return kinds[task["task"]](task, blobs, progress)
        except MunasError as error:
            return {"error": error.as_dict()}, {}

    def train(self, task: dict[str, Any], blobs: dict[str, bytes], progress: Progress) -> Answer:
        """Train, convert to int8, and evaluate the int8 model on the validation split.

        With pruning the answer has the `architecture` that is left, and the blob of weights the
        dense ones beside it.
        """
        from munas.deploy.convert import convert
        from munas.deploy.evaluate import accuracy
        from munas.deploy.golden import GoldenRunner
        from munas.pipeline.training import course_of, stop_of
        from munas.train import train

        architecture = Architecture.from_dict(task["architecture"])
        dataset = self.dataset()
        settings = Train.model_validate(task["train"])
        course = course_of(task, blobs)
        stop = stop_of(task, settings)

        def on_epoch(epoch: int, metrics: Any) -> bool:
            progress({"epoch": epoch + 1, "epochs": course.last or settings.epochs})
            return stop(epoch, metrics)

        trained = train(
            architecture,
            dataset,
            settings,
            seed=task["seed"],
            augment=Augment.model_validate(task["augment"]),
            on_epoch=on_epoch,
            course=course,
        )
        started = time.perf_counter()
        images = dataset.normalisation.apply(dataset.train.images[:100])
        model = convert(trained.architecture, trained.weights, images)
        converted = time.perf_counter()
        validation = dataset.normalisation.apply(dataset.val.images)
        answer = {
            "val_accuracy_int8": accuracy(model.data, validation, dataset.val.labels),
            "val_accuracy_float": trained.val_accuracy,
            "epochs": trained.history[-1].epoch + 1,
            "hopeless": trained.stopped,
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
        dense = None
        if course.pruning is not None:
            answer["architecture"] = trained.architecture.as_dict()
            dense = trained.dense
        packed = pack_weights(trained.weights, dense)
        return answer, {"model": model.data, "weights": packed}

    def teach(self, _task: dict[str, Any], blobs: dict[str, bytes], _p: Progress) -> Answer:
        """Ask a teacher, a Keras file, about the training images."""
        from munas.train.teacher import answers_of, pack_logits

        with tempfile.TemporaryDirectory(prefix="munas-teacher-") as folder:
            path = Path(folder) / "teacher.keras"
            path.write_bytes(blobs["teacher"])
            return {}, {"logits": pack_logits(answers_of(path, self.dataset()))}

    def final(self, task: dict[str, Any], blobs: dict[str, bytes], progress: Progress) -> Answer:
        """Train a finalist from scratch, test its int8 model, and tune it where int8 costs much."""
        from munas.deploy.convert import convert
        from munas.pipeline.training import teacher_of
        from munas.train import train
        from munas.train.trainer import Course
        from munas.train.tune import tune

        architecture = Architecture.from_dict(task["architecture"])
        dataset, settings = self.dataset(), Train.model_validate(task["train"])
        augment = Augment.model_validate(task["augment"])

        def on_epoch(epoch: int, _metrics: Any) -> bool:
            progress({"epoch": epoch + 1, "epochs": settings.epochs})
            return False

        trained = train(
            architecture,
            dataset,
            settings,
            seed=task["seed"],
            augment=augment,
            on_epoch=on_epoch,
            course=Course(teacher=teacher_of(task, blobs)),
        )
        images = dataset.normalisation.apply(dataset.train.images[:100])
        model = convert(architecture, trained.weights, images)
        final: dict[str, Any] = {
            "val_accuracy_int8": self._accuracy(model.data, dataset.val),
            "val_accuracy_float": trained.val_accuracy,
            "test_accuracy_int8": self._accuracy(model.data, dataset.test),
            "model_sha256": model.sha256,
        }
        models = {"model": model.data}
        gap = final["val_accuracy_float"] - final["val_accuracy_int8"]
        if gap > task["tune_above"] and task["tune_epochs"]:
            folded, weights = tune(
                architecture,
                trained.weights,
                dataset,
                settings,
                epochs=task["tune_epochs"],
                seed=task["seed"],
                augment=augment,
            )
            tuned = convert(folded, weights, images)
            reached = self._accuracy(tuned.data, dataset.val)
            if reached > final["val_accuracy_int8"]:
                final["tuned_val_accuracy_int8"] = reached
                final["tuned_test_accuracy_int8"] = self._accuracy(tuned.data, dataset.test)
                final["tuned_model_sha256"] = tuned.sha256
                models["tuned"] = tuned.data
        return {"final": final}, models

    def _accuracy(self, model: bytes, split: Any) -> float:
        """The int8 model's accuracy on a split."""
        from munas.deploy.evaluate import accuracy

        return float(
            accuracy(model, self.dataset().normalisation.apply(split.images), split.labels)
        )

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
        return {"test_accuracy_int8": self._accuracy(blobs["model"], self.dataset().test)}, {}

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


def pack_weights(weights: list[Any], dense: list[Any] | None = None) -> bytes:
    """Weights of a Keras model, in order, as one .npz file; beside them those before pruning."""
    stream = io.BytesIO()
    arrays = {f"w{i:04d}": value for i, value in enumerate(weights)}
    arrays |= {f"d{i:04d}": value for i, value in enumerate(dense or ())}
    np.savez_compressed(stream, **arrays)
    return stream.getvalue()


def unpack_weights(data: bytes, *, dense: bool = False) -> list[Any]:
    """The inverse of `pack_weights`; refuses anything that would need unpickling.

    `dense` asks for the weights before pruning, which are the weights where nothing was pruned.
    """
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        names = sorted(arrays.files)
        kept = [name for name in names if name.startswith("d")] if dense else []
        return [arrays[name] for name in kept or [n for n in names if n.startswith("w")]]
