"""Distillation: reading a teacher, the loss of not agreeing, and what it does to a training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from munas.errors import BadInputError
from munas.experiment.schema import Optimizer, Train
from munas.pipeline.training import teacher_of
from munas.pipes import pack_arrays
from munas.train.teacher import Teacher, answers_of
from munas.train.trainer import Course, train


def keras_file(path: Path, shape: tuple[int, ...], scores: int, activation: str | None) -> Path:
    import keras
    from keras import layers

    keras.utils.set_random_seed(3)
    model = keras.Sequential(
        [keras.Input(shape), layers.Flatten(), layers.Dense(scores, activation=activation)]
    )
    model.save(path)
    return path


def test_answers_are_logits_whether_the_teacher_has_a_softmax_or_not(digits, tmp_path: Path):
    plain = keras_file(tmp_path / "plain.keras", (8, 8, 1), 10, None)
    soft = keras_file(tmp_path / "soft.keras", (8, 8, 1), 10, "softmax")
    one, other = (answers_of(path, digits) for path in (plain, soft))
    assert one.shape == (len(digits.train), 10)
    blobs = {"teacher": pack_arrays({"logits": one})}
    sent = teacher_of({"distillation": {"weight": 0.3, "temperature": 1.0}}, blobs)
    assert np.array_equal(sent.logits, one)

    def softmax(logits: np.ndarray) -> np.ndarray:
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        return powers / powers.sum(axis=1, keepdims=True)

    np.testing.assert_allclose(softmax(one), softmax(other), atol=1e-5)


@pytest.mark.parametrize(
    ("shape", "scores", "says"),
    [((9, 8, 1), 10, "images"), ((8, 8, 1), 7, "tells 7 classes apart")],
)
def test_a_teacher_of_something_else_is_refused(digits, tmp_path, shape, scores, says):
    path = keras_file(tmp_path / "other.keras", shape, scores, None)
    with pytest.raises(BadInputError, match=says):
        answers_of(path, digits)


def test_what_is_no_keras_file_is_refused(digits, tmp_path: Path):
    with pytest.raises(BadInputError, match="does not exist"):
        answers_of(tmp_path / "none.keras", digits)
    (tmp_path / "text.keras").write_text("not a model")
    with pytest.raises(BadInputError, match="cannot be read as a Keras model"):
        answers_of(tmp_path / "text.keras", digits)


def test_the_loss_is_least_where_the_network_agrees():
    import tensorflow as tf

    answers = tf.constant([[3.0, -1.0, 0.5], [0.0, 2.0, -2.0]])
    teacher = Teacher(answers.numpy(), weight=0.3, temperature=4.0)
    agreeing = float(teacher.loss(answers, answers))
    assert agreeing < float(teacher.loss(answers + tf.constant([1.0, -1.0, 0.0]), answers))
    entropy = tf.nn.softmax_cross_entropy_with_logits(tf.nn.softmax(answers / 4), answers / 4)
    assert agreeing == pytest.approx(0.3 * 16 * float(tf.reduce_mean(entropy)), rel=1e-5)


@pytest.mark.slow
def test_a_student_learns_from_its_teacher_alone_where_labels_say_nothing(digits, tiny_cnn):
    """Labels are shuffled: what is right about the answers can only come from the teacher."""
    from dataclasses import replace

    from munas.train import Split

    rng = np.random.default_rng(0)
    shuffled = Split(digits.train.images, rng.permutation(digits.train.labels))
    lying = replace(digits, train=shuffled)
    sure = np.eye(10, dtype=np.float32)[digits.train.labels] * 8
    teacher = Teacher(sure, weight=20.0, temperature=1.0)
    settings = Train(epochs=4, batch=32, optimizer=Optimizer(learning_rate=0.005))
    taught = train(tiny_cnn(), lying, settings, seed=1, course=Course(teacher=teacher))
    alone = train(tiny_cnn(), lying, settings, seed=1)
    assert alone.val_accuracy < 0.4
    assert taught.val_accuracy > 0.6
