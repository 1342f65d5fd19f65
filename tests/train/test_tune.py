"""Tuning for int8: what is computed while tuning is what the converter will make of it."""

from __future__ import annotations

import numpy as np
import pytest

from munas.arch import Block, CnnArchitecture, Layer, Pooling, assemble
from munas.deploy.convert import convert
from munas.deploy.evaluate import accuracy
from munas.deploy.keras_model import build_model
from munas.experiment.schema import Optimizer, Train
from munas.train.trainer import train
from munas.train.tune import _Rounded, tune, without_norms

DEPTHWISE = Layer("dwconv", True, True, False, None, 3, 1)
BRANCHED = CnnArchitecture(
    (8, 8, 1),
    10,
    (16,),
    (
        Block(False, (Layer("conv", True, True, False, 8, 3, 1),)),
        Block(True, (Layer("conv1x1", False, False, False, 8), DEPTHWISE)),
    ),
    Pooling("avg", 2),
)
SETTINGS = Train(epochs=2, batch=32, optimizer=Optimizer(learning_rate=0.05))


@pytest.mark.long
def test_the_rounded_pass_is_near_the_int8_model_and_tuning_keeps_the_accuracy(digits):
    trained = train(BRANCHED, digits, SETTINGS, seed=5)
    folded, weights = tune(BRANCHED, trained.weights, digits, SETTINGS, epochs=1, seed=5)
    assert folded == without_norms(BRANCHED)
    images = digits.normalisation.apply(digits.train.images[:100])
    validation = digits.normalisation.apply(digits.val.images)
    before = convert(BRANCHED, trained.weights, images)
    after = convert(folded, weights, images)
    scores = [accuracy(model.data, validation, digits.val.labels) for model in (before, after)]
    assert scores[1] >= scores[0] - 0.03
    model = build_model(folded)
    model.set_weights(weights)
    rounded = _Rounded(assemble(folded), model)
    rounded.calibrate(images)
    ours = np.argmax(rounded.logits(validation), axis=1)
    assert np.mean(ours == digits.val.labels) == pytest.approx(scores[1], abs=0.02)
    plain = model(validation, training=False).numpy()
    gap = np.abs(np.asarray(rounded.logits(validation)) - plain)
    assert 0 < gap.max() < 0.2 * np.abs(plain).max()  # it rounds, and not by much
