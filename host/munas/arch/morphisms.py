"""Morphisms: the one-step neighbours of an architecture.

`morphisms` enumerates all of them; evolution draws one uniformly. Random pieces (a new block, layer
or pooling) are drawn anew for each entry. Source: the list in μNAS and its authors' code; where
`extended` heads are allowed, their morphisms are added. Children are in canonical form, so that a
change without effect shows as a child equal to its parent.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from random import Random

from munas.arch.canonical import canonical
from munas.arch.genome import (
    GLOBAL,
    LAYER_TYPES,
    MAX_BLOCKS,
    MAX_DENSE,
    MAX_FILTERS,
    MAX_LAYERS,
    MAX_MLP_DENSE,
    MAX_UNITS,
    MIN_UNITS,
    POOL_SIZES,
    Architecture,
    Block,
    CnnArchitecture,
    Layer,
    MlpArchitecture,
    Pooling,
)
from munas.arch.sampling import Sampler, Sampling

STEPS = (-5, -3, -1, 1, 3, 5)
MLP_STEPS = (-5, -1, 1, 5)


@dataclass(frozen=True)
class Morphism:
    """A named one-step change and the child that it gives."""

    name: str
    child: Architecture


def morphisms(
    parent: Architecture, rng: Random, sampling: Sampling = "inclusive"
) -> list[Morphism]:
    """All morphisms of `parent`, children in canonical form, in a fixed order."""
    return [Morphism(name, canonical(child)) for name, child in _enumerate(parent, rng, sampling)]


def random_morphism(
    parent: Architecture, rng: Random, sampling: Sampling = "inclusive"
) -> Morphism:
    """One morphism, drawn uniformly from all of them."""
    name, child = rng.choice(list(_enumerate(parent, rng, sampling)))
    return Morphism(name, canonical(child))


Named = Iterator[tuple[str, Architecture]]


def _enumerate(parent: Architecture, rng: Random, sampling: Sampling) -> Named:
    if isinstance(parent, MlpArchitecture):
        yield from _mlp(parent, Sampler(rng, sampling))
    elif isinstance(parent, CnnArchitecture):
        sampler = Sampler(rng, sampling, parent.windows)
        yield from _blocks(parent, sampler)
        for index in range(len(parent.blocks)):
            yield from _block(parent, index, sampler)
        yield from _pooling(parent, sampler)
        yield from _dense(parent, sampler)


def _with_blocks(parent: CnnArchitecture, blocks: list[Block]) -> CnnArchitecture:
    """The parent with other blocks; a first block is always serial."""
    blocks[0] = replace(blocks[0], branch=False)
    return replace(parent, blocks=tuple(blocks))


def _without_block(parent: CnnArchitecture, index: int) -> CnnArchitecture:
    blocks = list(parent.blocks)
    removed = blocks.pop(index)
    if not removed.branch and index < len(blocks):
        blocks[index] = replace(blocks[index], branch=False)
    return _with_blocks(parent, blocks)


def _blocks(parent: CnnArchitecture, sampler: Sampler) -> Named:
    count = len(parent.blocks)
    if count > 1:
        index = sampler.rng.randrange(count)
        yield f"remove-block {index}", _without_block(parent, index)
    if count < MAX_BLOCKS:
        yield "append-block", _with_blocks(parent, [*parent.blocks, sampler.block(layers=1)])
    for index in range(1, count):
        blocks = list(parent.blocks)
        blocks[index] = replace(blocks[index], branch=not blocks[index].branch)
        yield f"toggle-branch {index}", _with_blocks(parent, blocks)


def _with_layers(parent: CnnArchitecture, index: int, layers: list[Layer]) -> CnnArchitecture:
    blocks = list(parent.blocks)
    blocks[index] = replace(blocks[index], layers=tuple(layers))
    return _with_blocks(parent, blocks)


def _block(parent: CnnArchitecture, index: int, sampler: Sampler) -> Named:
    layers = parent.blocks[index].layers
    if len(layers) > 1:
        gone = sampler.rng.randrange(len(layers))
        rest = [layer for position, layer in enumerate(layers) if position != gone]
        yield f"remove-layer {index}.{gone}", _with_layers(parent, index, rest)
    elif len(parent.blocks) > 1:
        yield f"remove-only-layer {index}", _without_block(parent, index)
    if len(layers) < MAX_LAYERS:
        place = sampler.rng.randrange(len(layers))
        more = [*layers[:place], sampler.layer(), *layers[place:]]
        yield f"insert-layer {index}.{place}", _with_layers(parent, index, more)
    for position, layer in enumerate(layers):
        for name, changed in _layer(layer, sampler):
            others = list(layers)
            others[position] = changed
            yield f"{name} {index}.{position}", _with_layers(parent, index, others)


def _layer(layer: Layer, sampler: Sampler) -> Iterator[tuple[str, Layer]]:
    yield "toggle-bn", replace(layer, bn=not layer.bn)
    yield "toggle-relu", replace(layer, relu=not layer.relu)
    yield "toggle-prepool", replace(layer, prepool=not layer.prepool)
    for other in LAYER_TYPES:
        if other != layer.type:
            yield f"to-{other}", sampler.layer(other)
    if layer.filters is not None:
        for step in STEPS:
            if 1 <= layer.filters + step <= MAX_FILTERS:
                yield f"filters{step:+d}", replace(layer, filters=layer.filters + step)
    if layer.kernel is not None and layer.stride is not None:
        for step in (-2, 2):
            if layer.kernel + step in sampler.windows.kernels:
                yield f"kernel{step:+d}", replace(layer, kernel=layer.kernel + step)
        yield from _stride(layer, sampler.windows.strides)


def _stride(layer: Layer, strides: tuple[int, ...]) -> Iterator[tuple[str, Layer]]:
    """To a neighbouring stride; of two strides it is the other one."""
    assert layer.stride is not None
    place = strides.index(layer.stride)
    for neighbour in (*strides[max(0, place - 1) : place], *strides[place + 1 : place + 2]):
        name = "toggle-stride" if len(strides) == 2 else f"stride-{neighbour}"
        yield name, replace(layer, stride=neighbour)


def _pooling(parent: CnnArchitecture, sampler: Sampler) -> Named:
    pool = parent.pool
    if pool is None:
        yield "add-pool", replace(parent, pool=sampler.pooling())
        return
    yield "remove-pool", replace(parent, pool=None)
    if pool.size == GLOBAL:
        yield "pool-local", replace(parent, pool=Pooling("avg", sampler.rng.choice(POOL_SIZES)))
        return
    other = Pooling("max" if pool.type == "avg" else "avg", pool.size)
    yield f"pool-{other.type}", replace(parent, pool=other)
    for step in (-2, 2):
        if int(pool.size) + step in POOL_SIZES:
            changed = Pooling(pool.type, int(pool.size) + step)
            yield f"pool-size{step:+d}", replace(parent, pool=changed)
    if sampler.sampling == "extended":
        yield "pool-global", replace(parent, pool=Pooling("avg", GLOBAL))


def _dense(parent: CnnArchitecture, sampler: Sampler) -> Named:
    fewest = 0 if sampler.sampling == "extended" else 1
    yield from _hidden(parent, sampler, fewest, MAX_DENSE, STEPS)


def _mlp(parent: MlpArchitecture, sampler: Sampler) -> Named:
    yield from _hidden(parent, sampler, 1, MAX_MLP_DENSE, MLP_STEPS)


def _hidden(
    parent: Architecture, sampler: Sampler, fewest: int, most: int, steps: tuple[int, ...]
) -> Named:
    dense = parent.dense
    if len(dense) > fewest:
        gone = sampler.rng.randrange(len(dense))
        yield f"remove-dense {gone}", replace(parent, dense=dense[:gone] + dense[gone + 1 :])
    if len(dense) < most:
        yield "append-dense", replace(parent, dense=(*dense, sampler.units()))
    for index, units in enumerate(dense):
        for step in steps:
            if MIN_UNITS <= units + step <= MAX_UNITS:
                changed = (*dense[:index], units + step, *dense[index + 1 :])
                yield f"units{step:+d} {index}", replace(parent, dense=changed)
