"""Distillation: what a teacher answers to the training images, and the loss of not agreeing.

The teacher is any Keras file that takes the data set's normalised images and gives one score a
class: logits or probabilities. It is asked once, about the images without their random changes, so
that a candidate's training costs no more than without it. This module trains nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from munas.deploy.quiet import silence_tensorflow
from munas.errors import BadInputError
from munas.train.datasets.dataset import Dataset

Logits = npt.NDArray[np.float32]

_AT_ONCE = 512
# Probabilities of a saturated teacher are kept away from zero before their logarithm is taken.
_LEAST = 1e-7


@dataclass(frozen=True, eq=False)
class Teacher:
    """`logits` float32 [training images, logits of the network], and how much they count."""

    logits: Logits
    weight: float
    temperature: float

    def loss(self, logits: Any, answers: Any) -> Any:
        """weight · T² · cross-entropy of the answers and `logits`, both softened by T.

        Source: Hinton, Vinyals and Dean (2015); T² keeps the gradients' size as T changes.
        """
        import tensorflow as tf

        softened, own = answers / self.temperature, logits / self.temperature
        if logits.shape[1] == 1:
            each = tf.nn.sigmoid_cross_entropy_with_logits(tf.nn.sigmoid(softened), own)
        else:
            each = tf.nn.softmax_cross_entropy_with_logits(tf.nn.softmax(softened), own)
        return self.weight * self.temperature**2 * tf.reduce_mean(each)


def answers_of(path: Path, dataset: Dataset) -> Logits:
    """The logits that a teacher gives to the training images, as munas's networks have them.

    Raises BadInputError where the file is not a Keras model, or one for other images or classes.
    """
    model = load_teacher(path, dataset)
    images = dataset.train.images
    answers = np.concatenate(
        [
            np.asarray(model(dataset.normalisation.apply(images[i : i + _AT_ONCE]), training=False))
            for i in range(0, len(images), _AT_ONCE)
        ]
    )
    logits: Logits = _one_logit(_as_logits(answers), dataset.classes).astype(np.float32)
    return logits


def load_teacher(path: Path, dataset: Dataset) -> Any:
    """The Keras model of a teacher. Raises BadInputError where it does not fit the data set."""
    silence_tensorflow()
    import keras

    if not path.is_file():
        fault = "is no file" if path.exists() else "does not exist"
        raise BadInputError(
            f"The teacher {path} (distillation.teacher) {fault}.",
            "Give a Keras file; munas teacher EXPERIMENT --out FILE trains one.",
        )
    try:
        model = keras.models.load_model(path, compile=False, safe_mode=True)
    except Exception:  # Keras has one for each way in which a file can be wrong
        raise BadInputError(
            f"The teacher {path} cannot be read as a Keras model.",
            "It must be a .keras file of a model made of Keras's own layers.",
        ) from None
    wanted = dataset.input_shape
    if tuple(model.input_shape[1:]) != wanted or len(model.output_shape) != 2:
        raise BadInputError(
            f"The teacher {path} maps {model.input_shape[1:]} to {model.output_shape[1:]}; "
            f"{dataset.name} has images {wanted} and {dataset.classes} classes.",
            "Train a teacher on this data set.",
        )
    scores = model.output_shape[1]
    if scores != dataset.classes and not (scores == 1 and dataset.classes == 2):
        raise BadInputError(
            f"The teacher {path} tells {scores} classes apart; {dataset.name} has "
            f"{dataset.classes}.",
            "Train a teacher on this data set.",
        )
    return model


def _as_logits(answers: Logits) -> Logits:
    """Logits, whether the teacher's last layer has a softmax (or sigmoid) or not."""
    within = answers.min() >= 0 and answers.max() <= 1
    if not within:
        return answers
    if answers.shape[1] == 1:
        kept = np.clip(answers, _LEAST, 1 - _LEAST)
        odds: Logits = np.log(kept / (1 - kept))
        return odds
    if not np.allclose(answers.sum(axis=1), 1, atol=1e-3):
        return answers
    logits: Logits = np.log(np.maximum(answers, _LEAST))
    return logits


def _one_logit(logits: Logits, classes: int) -> Logits:
    """For two classes one logit, as munas's networks have it."""
    if classes == 2 and logits.shape[1] == 2:
        one: Logits = logits[:, 1:] - logits[:, :1]
        return one
    return logits
