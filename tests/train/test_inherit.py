"""What a child keeps of its parent's weights."""

from __future__ import annotations

import numpy as np
import pytest

from munas.arch import Block, CnnArchitecture, Layer, Morphism, Pooling, canonical, morphisms
from munas.deploy.keras_model import build_model
from munas.train.inherit import inherited
from munas.train.tune import without_norms

POINTWISE = Layer("conv1x1", False, True, False, 6)
DEPTHWISE = Layer("dwconv", True, True, False, None, 3, 1)
PARENT = canonical(
    CnnArchitecture(
        (12, 12, 2),
        10,
        (14, 20),
        (
            Block(False, (Layer("conv", True, True, False, 6, 3, 1),)),
            Block(True, (POINTWISE, DEPTHWISE)),
            Block(False, (DEPTHWISE, Layer("conv", False, True, True, 5, 3, 1))),
        ),
        Pooling("max", 2),
    )
)


@pytest.fixture(scope="module")
def trained():
    model = build_model(PARENT)
    rng = np.random.default_rng(1)
    for variable in model.weights:
        shape, name = tuple(variable.shape), variable.path.rsplit("/", 1)[-1]
        if name in ("gamma", "moving_variance"):
            variable.assign(rng.uniform(0.5, 1.5, shape))
        else:
            scale = (2 / max(1, np.prod(shape[:-1]))) ** 0.5 if name == "kernel" else 0.3
            variable.assign(rng.normal(0, scale, shape))
    return model


IMAGES = np.random.default_rng(0).random((5, 12, 12, 2), dtype=np.float32)


def difference(trained, child, name: str | None) -> float:
    weights = inherited(child, PARENT, trained.get_weights(), name, seed=4)
    model = build_model(child)
    model.set_weights(weights)
    ours, theirs = (m(IMAGES, training=False).numpy() for m in (model, trained))
    return float(np.abs(ours - theirs).max() / np.abs(theirs).max())


def chosen(prefixes: tuple[str, ...]) -> list[Morphism]:
    from random import Random

    found: dict[str, Morphism] = {}
    for morphism in morphisms(PARENT, Random(2)):
        if morphism.name.startswith(prefixes) and morphism.child != PARENT:
            found.setdefault(morphism.name.split(" ")[0], morphism)
    return list(found.values())


@pytest.mark.parametrize(
    "morphism", chosen(("filters+", "units+", "toggle-bn")), ids=lambda m: m.name
)
def test_widening_and_norms_keep_the_function(trained, morphism: Morphism):
    assert difference(trained, morphism.child, morphism.name) < 1e-5


@pytest.mark.parametrize(
    "morphism", chosen(("remove-layer", "insert-", "to-conv", "kernel", "pool-size", "append-d")),
    ids=lambda m: m.name,
)  # fmt: skip
@pytest.mark.long
def test_every_other_morphism_gives_weights_that_fit(trained, morphism: Morphism):
    weights = inherited(morphism.child, PARENT, trained.get_weights(), morphism.name, seed=4)
    model = build_model(morphism.child)
    model.set_weights(weights)
    assert np.isfinite(model(IMAGES, training=False).numpy()).all()
    first = next(w for w in weights if w.ndim == 4)
    theirs = next(w for w in trained.get_weights() if w.ndim == 4)
    if morphism.name.startswith(("append-", "pool-")):  # nothing before it has changed
        np.testing.assert_array_equal(first, theirs)


def test_folding_norms_keeps_the_function(trained):
    folded = without_norms(PARENT)
    assert not any(layer.bn for block in folded.blocks for layer in block.layers)
    assert difference(trained, folded, None) < 1e-5


def test_what_is_new_follows_from_the_seed(trained):
    child = chosen(("units+",))[0]
    first, again, other = (
        inherited(child.child, PARENT, trained.get_weights(), child.name, seed=seed)
        for seed in (1, 1, 2)
    )
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(first, other, strict=True))
