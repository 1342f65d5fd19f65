"""What a worker does: train a candidate, convert one, evaluate one on test data.

These functions run in worker processes, where TensorFlow may be imported. A task is a plain
dictionary, so is its answer; models and weights travel as blobs.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from munas.arch import Architecture
from munas.errors import InfrastructureError, MunasError
from munas.experiment.schema import Augment, Data, Train
from munas.pipes import pack_arrays, unpack_arrays

if TYPE_CHECKING:
    from munas.deploy.convert import Int8Model
    from munas.train.trainer import Course, TrainedModel

Answer = tuple[dict[str, Any], dict[str, bytes]]
Progress = Callable[[dict[str, Any]], None]
Stop = Callable[[int, Any], bool]


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
        from munas.deploy.golden import GoldenRunner
        from munas.pipeline.training import course_of, stop_of

        course = course_of(task, blobs)
        trained = self._trained(task, course, progress, stop_of(task))
        started = time.perf_counter()
        model = self._converted(trained.architecture, trained.weights)
        converted = time.perf_counter()
        answer = {
            "val_accuracy_int8": self._accuracy(model.data, self.dataset().val),
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
        from munas.train.teacher import answers_of

        with tempfile.TemporaryDirectory(prefix="munas-teacher-") as folder:
            path = Path(folder) / "teacher.keras"
            path.write_bytes(blobs["teacher"])
            return {}, {"logits": pack_arrays({"logits": answers_of(path, self.dataset())})}

    def final(self, task: dict[str, Any], blobs: dict[str, bytes], progress: Progress) -> Answer:
        """Train a finalist from scratch, test its int8 model, and tune it where int8 costs much."""
        from munas.pipeline.training import teacher_of
        from munas.train.trainer import Course
        from munas.train.tune import tune

        dataset = self.dataset()
        trained = self._trained(task, Course(teacher=teacher_of(task, blobs)), progress)
        model = self._converted(trained.architecture, trained.weights)
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
                trained.architecture,
                trained.weights,
                dataset,
                Train.model_validate(task["train"]),
                epochs=task["tune_epochs"],
                seed=task["seed"],
                augment=Augment.model_validate(task["augment"]),
            )
            tuned = self._converted(folded, weights)
            reached = self._accuracy(tuned.data, dataset.val)
            if reached > final["val_accuracy_int8"]:
                final["tuned_val_accuracy_int8"] = reached
                final["tuned_test_accuracy_int8"] = self._accuracy(tuned.data, dataset.test)
                final["tuned_model_sha256"] = tuned.sha256
                models["tuned"] = tuned.data
        return {"final": final}, models

    def _trained(
        self, task: dict[str, Any], course: Course, progress: Progress, stop: Stop | None = None
    ) -> TrainedModel:
        """Train as a task says, until `stop` says so of an epoch, if it is given."""
        from munas.train import train

        settings = Train.model_validate(task["train"])

        def on_epoch(epoch: int, metrics: Any) -> bool:
            progress({"epoch": epoch + 1, "epochs": course.last or settings.epochs})
            return stop is not None and stop(epoch, metrics)

        return train(
            Architecture.from_dict(task["architecture"]),
            self.dataset(),
            settings,
            seed=task["seed"],
            augment=Augment.model_validate(task["augment"]),
            on_epoch=on_epoch,
            course=course,
        )

    def _converted(self, architecture: Architecture, weights: list[Any]) -> Int8Model:
        """The int8 model, calibrated on training images."""
        from munas.deploy.convert import CALIBRATION_IMAGES, convert

        dataset = self.dataset()
        images = dataset.normalisation.apply(dataset.train.images[:CALIBRATION_IMAGES])
        return convert(architecture, weights, images)

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
    arrays = {f"w{i:04d}": value for i, value in enumerate(weights)}
    arrays |= {f"d{i:04d}": value for i, value in enumerate(dense or ())}
    return pack_arrays(arrays)


def unpack_weights(data: bytes, *, dense: bool = False) -> list[Any]:
    """The inverse of `pack_weights`; refuses anything that would need unpickling.

    `dense` asks for the weights before pruning, which are the weights where nothing was pruned.
    """
    arrays = unpack_arrays(data)
    kept = [name for name in arrays if name.startswith("d")] if dense else []
    return [arrays[name] for name in sorted(kept or [n for n in arrays if n.startswith("w")])]
