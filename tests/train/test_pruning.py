"""Structured pruning: the cut network is the masked one, and the sparsity is reached."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest

from munas.arch import assemble, canonical, channel_groups, sample
from munas.deploy.keras_model import build_model
from munas.experiment.schema import Optimizer, Train
from munas.train.pruning import Masks, PruningPlan, kept_channels
from munas.train.trainer import Course, train


def test_the_schedule_is_cubic_between_start_and_finish():
    plan = PruningPlan(0.8, 0.1, 0.6)
    assert plan.sparsity_at(0.05) == plan.sparsity_at(0.1) == 0
    assert plan.sparsity_at(0.35) == pytest.approx(0.8 * (1 - 0.5**3))
    assert plan.sparsity_at(0.6) == plan.sparsity_at(1.0) == 0.8
    rising = [plan.sparsity_at(p / 100) for p in range(101)]
    assert rising == sorted(rising)


def test_the_least_salient_go_but_no_group_is_emptied():
    groups = channel_groups(assemble(canonical(sample(Random(3), (16, 16, 1), 10))))
    rng = np.random.default_rng(0)
    saliencies = [rng.random(group.width) for group in groups]
    saliencies[0] *= 1e-6  # a group of small values is not cut away whole
    kept = kept_channels(groups, saliencies, 0.6)
    total = sum(group.width for group in groups)
    assert sum(int((~keep).sum()) for keep in kept) == round(0.6 * total)
    for group, keep, saliency in zip(groups, kept, saliencies, strict=True):
        assert keep.sum() >= max(group.least, group.width * 0.2)
        if not keep.all():
            assert saliency[~keep].max() <= saliency[keep].min()
    assert all(keep.all() for keep in kept_channels(groups, saliencies, 0.0))


@pytest.mark.parametrize("seed", range(5))
def test_the_cut_network_computes_what_the_masked_one_does(seed: int):
    """Random masks, weights, biases and statistics, so that nothing is zero by chance."""
    whole = canonical(sample(Random(seed), (14, 14, 2), 10, sampling="extended"))
    masks = Masks(whole, PruningPlan(0.5, 0.1, 0.9))
    model = build_model(whole, after=masks.behind)
    rng = np.random.default_rng(seed)
    for variable in model.weights:
        shape, name = tuple(variable.shape), variable.path.rsplit("/", 1)[-1]
        if name in ("gamma", "moving_variance"):
            variable.assign(rng.uniform(0.5, 1.5, shape))
        else:
            scale = (2 / max(1, np.prod(shape[:-1]))) ** 0.5 if name == "kernel" else 0.3
            variable.assign(rng.normal(0, scale, shape))
    for mask, group in zip(masks.variables, masks.groups, strict=True):
        keep = rng.random(group.width) < 0.5
        keep[: group.least] = True
        mask.assign(keep.astype(np.float32))
    images = rng.random((6, 14, 14, 2), dtype=np.float32)
    masked = model(images, training=False).numpy()
    left, smaller = masks.cut(model)
    cut = smaller(images, training=False).numpy()
    assert np.abs(masked).max() > 1e-2
    np.testing.assert_allclose(cut, masked, atol=1e-5 * max(1, np.abs(masked).max()))
    assert smaller.count_params() < model.count_params()
    assert [g.width for g in channel_groups(assemble(left))] == [k.sum() for k in masks.keep()]


@pytest.mark.slow
def test_training_prunes_and_keeps_the_dense_weights(digits):
    whole = canonical(sample(Random(20), (8, 8, 1), 10))
    settings = Train(epochs=4, batch=32, optimizer=Optimizer(learning_rate=0.03))
    plan = PruningPlan(0.5, 0.1, 0.6)
    trained = train(whole, digits, settings, seed=3, course=Course(pruning=plan))
    widths = [g.width for g in channel_groups(assemble(whole))]
    left = [g.width for g in channel_groups(assemble(trained.architecture))]
    assert sum(left) == sum(widths) - round(0.5 * sum(widths))
    assert trained.model.count_params() == sum(w.size for w in trained.weights)
    images = digits.normalisation.apply(digits.val.images)
    answers = np.argmax(trained.model(images, training=False), axis=1)
    assert np.mean(answers == digits.val.labels) == pytest.approx(trained.val_accuracy)
    dense = build_model(whole)
    dense.set_weights(trained.dense)  # the order of the unpruned network
    kernels = [w for w in trained.dense if w.ndim == 2]
    assert all(np.abs(k).sum(axis=0).all() for k in kernels)  # nothing was zeroed
    assert trained.val_accuracy > 0.3
