from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from munas.arch import Architecture, MlpArchitecture
from munas.deploy.keras_model import build_model
from munas.errors import BadInputError
from munas.experiment.schema import Augment, Optimizer, Step, Train
from munas.train import Dataset, DivergedError, EpochMetrics, Split, evaluate, train
from munas.train.trainer import statistics_momentum

MakeCnn = Callable[..., Architecture]

FAST = Train(epochs=5, batch=32, optimizer=Optimizer(learning_rate=0.05))
# Takes no step that a float32 weight could show.
STANDING = Optimizer(learning_rate=1e-30, momentum=0.0, weight_decay=0.0)


@pytest.fixture(scope="module")
def few(digits: Dataset) -> Dataset:
    """A hundred training images, for what needs no learning."""
    return replace(digits, train=Split(digits.train.images[:100], digits.train.labels[:100]))


def initial_weights(architecture: Architecture, seed: int) -> list[np.ndarray]:
    import keras

    keras.utils.set_random_seed(seed)
    return build_model(architecture).get_weights()


def test_learns_the_digits(digits: Dataset, tiny_cnn: MakeCnn) -> None:
    trained = train(tiny_cnn(), digits, FAST, seed=1)
    assert trained.val_accuracy > 0.8
    assert [metrics.epoch for metrics in trained.history] == [0, 1, 2, 3, 4]
    assert trained.history[-1].train_loss < trained.history[0].train_loss / 2
    assert not trained.stopped
    assert evaluate(trained.model, digits.test, digits.normalisation) > 0.8


def test_normalised_networks_validate_after_few_steps(digits: Dataset, tiny_cnn: MakeCnn) -> None:
    trained = train(tiny_cnn(bn=True), digits, FAST, seed=1)
    assert trained.val_accuracy > 0.8
    momenta = [layer.momentum for layer in trained.model.layers if layer.name.endswith("_bn")]
    assert momenta == [statistics_momentum(34)]  # 1,078 images in batches of 32


def test_accuracy_is_that_of_the_weights_returned(digits: Dataset, tiny_cnn: MakeCnn) -> None:
    # A last epoch that ruins the network must show, whatever was reached before.
    ruin = Optimizer(learning_rate=0.05, schedule=(Step(epoch=3, learning_rate=30.0),))
    settings = Train(epochs=4, batch=32, optimizer=ruin)
    trained = train(tiny_cnn(), digits, settings, seed=0)
    assert trained.val_accuracy == trained.history[-1].val_accuracy
    assert trained.val_accuracy == evaluate(trained.model, digits.val, digits.normalisation)
    assert trained.val_accuracy < max(metrics.val_accuracy for metrics in trained.history) - 0.2


def test_two_classes_have_one_logit(binary_digits: Dataset, tiny_cnn: MakeCnn) -> None:
    trained = train(tiny_cnn(classes=2), binary_digits, FAST, seed=0)
    assert trained.model.output_shape == (None, 1)
    assert trained.val_accuracy > 0.8


def test_mlp_with_its_penalty(digits: Dataset) -> None:
    architecture = MlpArchitecture((8, 8, 1), 10, (32, 16))
    trained = train(architecture, digits, FAST, seed=0)
    assert trained.val_accuracy > 0.8
    standing = train(architecture, digits, Train(epochs=1, batch=2000, optimizer=STANDING), seed=0)
    weights = initial_weights(architecture, 0)
    penalty = sum(0.001 * float(np.sum(weight**2)) for weight in weights if weight.ndim == 2)
    logits = standing.model(digits.normalisation.apply(digits.train.images)).numpy()
    shifted = logits - logits.max(axis=1, keepdims=True)
    entropy = np.log(np.exp(shifted).sum(axis=1)) - shifted[range(len(logits)), digits.train.labels]
    assert standing.history[0].train_loss == pytest.approx(entropy.mean() + penalty, rel=1e-5)


def test_weight_decay_is_not_scaled_by_the_learning_rate(few: Dataset, tiny_cnn: MakeCnn) -> None:
    architecture = tiny_cnn(bn=True)
    for name in ("sgdw", "adamw"):
        optimizer = STANDING.model_copy(update={"name": name, "weight_decay": 0.01})
        settings = Train(epochs=2, batch=30, optimizer=optimizer)
        trained = train(architecture, few, settings, seed=3)
        expected = [
            variable * np.float32(0.99) ** 8 for variable in initial_weights(architecture, 3)
        ]
        learnt = {id(variable) for variable in trained.model.trainable_variables}
        for variable, wanted in zip(trained.model.weights, expected, strict=True):
            if id(variable) in learnt:
                np.testing.assert_allclose(variable.numpy(), wanted, rtol=1e-5, atol=1e-20)


def test_sgd_with_momentum_against_its_formula(few: Dataset) -> None:
    """Two whole-batch steps of a linear network, by hand."""
    architecture = MlpArchitecture((8, 8, 1), 10, (10,))
    optimizer = Optimizer(learning_rate=0.1, momentum=0.9, weight_decay=0.02)
    settings = Train(epochs=2, batch=100, optimizer=optimizer)
    trained = train(architecture, few, settings, seed=5)

    import tensorflow as tf

    weights = [tf.Variable(weight) for weight in initial_weights(architecture, 5)]
    velocities = [np.zeros(weight.shape, np.float32) for weight in weights]
    inputs = few.normalisation.apply(few.train.images).reshape(100, -1)
    for _ in range(2):
        with tf.GradientTape() as tape:
            hidden = tf.nn.relu(inputs @ weights[0] + weights[1])
            logits = hidden @ weights[2] + weights[3]
            loss = tf.reduce_mean(
                tf.nn.sparse_softmax_cross_entropy_with_logits(few.train.labels, logits)
            ) + 0.001 * (tf.reduce_sum(weights[0] ** 2) + tf.reduce_sum(weights[2] ** 2))
        gradients = tape.gradient(loss, weights)
        for i, gradient in enumerate(gradients):
            velocities[i] = 0.9 * velocities[i] - 0.1 * gradient.numpy()
            weights[i].assign(weights[i] * 0.98 + velocities[i])
    penalised = {0, 2}
    for i, (found, wanted) in enumerate(zip(trained.weights, weights, strict=True)):
        tolerance = 1e-5 if i in penalised else 1e-6
        np.testing.assert_allclose(found, wanted.numpy(), atol=tolerance)


def test_the_schedule_takes_effect(few: Dataset, tiny_cnn: MakeCnn) -> None:
    then_stand = STANDING.model_copy(
        update={"learning_rate": 0.05, "schedule": (Step(epoch=1, learning_rate=1e-30),)}
    )
    one = train(tiny_cnn(), few, Train(epochs=1, batch=32, optimizer=then_stand), seed=0)
    three = train(tiny_cnn(), few, Train(epochs=3, batch=32, optimizer=then_stand), seed=0)
    assert [metrics.learning_rate for metrics in three.history] == [0.05, 1e-30, 1e-30]
    for early, late in zip(one.weights, three.weights, strict=True):
        np.testing.assert_array_equal(early, late)
    assert any(
        (early != start).any()
        for early, start in zip(one.weights, initial_weights(tiny_cnn(), 0), strict=True)
    )


def test_seeds_and_augmentation_change_the_weights(few: Dataset, tiny_cnn: MakeCnn) -> None:
    settings = Train(epochs=1, batch=32, dropout=0.2)
    runs = {
        "plain": train(tiny_cnn(), few, settings, seed=0),
        "again": train(tiny_cnn(), few, settings, seed=0),
        "other seed": train(tiny_cnn(), few, settings, seed=1),
        "shifted": train(tiny_cnn(), few, settings, seed=0, augment=Augment(shift_pixels=2)),
    }
    first = {name: trained.weights[0] for name, trained in runs.items()}
    np.testing.assert_allclose(first["again"], first["plain"], atol=1e-6)
    assert not np.allclose(first["other seed"], first["plain"], atol=1e-4)
    assert not np.allclose(first["shifted"], first["plain"], atol=1e-4)


def test_weights_fit_the_network_without_dropout(few: Dataset, tiny_cnn: MakeCnn) -> None:
    settings = Train(epochs=1, batch=32, dropout=0.5)
    trained = train(tiny_cnn(bn=True), few, settings, seed=0)
    fresh = build_model(tiny_cnn(bn=True))
    fresh.set_weights(trained.weights)
    inputs = few.normalisation.apply(few.val.images[:20])
    np.testing.assert_array_equal(fresh(inputs), trained.model(inputs))


def test_divergence_is_an_error_of_its_own(few: Dataset, tiny_cnn: MakeCnn) -> None:
    wild = Train(epochs=3, batch=32, optimizer=Optimizer(learning_rate=1e30))
    with pytest.raises(DivergedError, match="diverged in epoch 0") as fault:
        train(tiny_cnn(), few, wild, seed=0)
    assert fault.value.as_dict()["name"] == "diverged"


def test_divergence_in_the_very_last_step(few: Dataset, tiny_cnn: MakeCnn) -> None:
    # One step in all: the loss before it is finite, the weights after it are not.
    wild = Train(epochs=1, batch=100, optimizer=Optimizer(learning_rate=1e39))
    with pytest.raises(DivergedError):
        train(tiny_cnn(), few, wild, seed=0)


def test_the_hook_sees_each_epoch_and_may_stop(few: Dataset, tiny_cnn: MakeCnn) -> None:
    seen: list[tuple[int, EpochMetrics]] = []

    def hook(epoch: int, metrics: EpochMetrics) -> bool:
        seen.append((epoch, metrics))
        return epoch == 1

    trained = train(tiny_cnn(), few, Train(epochs=9, batch=32), seed=0, on_epoch=hook)
    assert [epoch for epoch, _ in seen] == [0, 1]
    assert trained.stopped
    assert trained.history == tuple(metrics for _, metrics in seen)
    assert trained.val_accuracy == seen[-1][1].val_accuracy
    assert trained.time.fit_us == sum(metrics.fit_us for metrics in trained.history) > 0
    assert trained.time.build_us > 0


def test_an_exception_of_the_hook_passes(few: Dataset, tiny_cnn: MakeCnn) -> None:
    def cancel(epoch: int, metrics: EpochMetrics) -> bool:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(tiny_cnn(), few, Train(epochs=2, batch=32), seed=0, on_epoch=cancel)


def test_the_architecture_must_fit_the_data(few: Dataset, tiny_cnn: MakeCnn) -> None:
    with pytest.raises(BadInputError, match="made for 2 classes of images 8x8x1, digits has 10"):
        train(tiny_cnn(classes=2), few, FAST, seed=0)
    with pytest.raises(BadInputError, match="28x28x1"):
        train(MlpArchitecture((28, 28, 1), 10, (10,)), few, FAST, seed=0)


@pytest.mark.parametrize(("steps", "momentum"), [(1, 0.9), (94, 0.9), (422, 1 - 1 / 42.2)])
def test_statistics_momentum(steps: int, momentum: float) -> None:
    assert statistics_momentum(steps) == pytest.approx(momentum)
    assert math.isclose(statistics_momentum(50_000), 0.99)
