"""The genome as a list of named genes, for optimisers that know parameters and no architectures.

A gene is a whole number in a range or one of a few values; its name says its place (`b3.l1.filters`
is the filters of the second layer of the fourth block). `decode` asks for the genes one by one and
builds the architecture that they give; `encode` is its inverse on canonical architectures. Genes of
blocks, layers and units that are not there are *silent*. A space that is `whole` asks for them too,
so that all its architectures have the same genes, as fixed-length genomes of evolutionary
algorithms do; one that is not leaves them out. Ranges are those of the sampling. This module knows
no optimiser.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from munas.arch import (
    Architecture,
    Block,
    Cnn1dArchitecture,
    CnnArchitecture,
    Layer,
    MlpArchitecture,
    Pooling,
    Sampling,
    Shape,
    Space,
)
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
    POOL_TYPES,
)
from munas.arch.sampling import P_BN, P_BRANCH, P_GLOBAL, P_PREPOOL, P_RELU, left_off

Value = int | str | bool
Genes = dict[str, Value]


@dataclass(frozen=True)
class Range:
    """Whole numbers from `low` to `high`, `step` apart, ends included."""

    low: int
    high: int
    step: int = 1


@dataclass(frozen=True)
class Choice:
    """One of a few values, in no order."""

    values: tuple[Value, ...]


Ask = Callable[[str, Range | Choice], Any]

FLAG = Choice((False, True))
_PROBABILITIES = {
    "branch": P_BRANCH,
    "bn": P_BN,
    "relu": P_RELU,
    "prepool": P_PREPOOL,
    "global": P_GLOBAL,
}


@dataclass(frozen=True)
class GenomeSpace:
    """The genes of `space` under `sampling`, for inputs [height, width, channels] and classes."""

    input: Shape
    classes: int
    space: Space = "cnn"
    sampling: Sampling = "inclusive"
    whole: bool = True

    @property
    def _top(self) -> int:
        return left_off(self.sampling)

    @property
    def _kind(self) -> type[CnnArchitecture]:
        return Cnn1dArchitecture if self.space == "cnn1d" else CnnArchitecture

    @property
    def _extended(self) -> bool:
        return self.sampling == "extended"

    def _count(self, low: int, high: int) -> Range:
        return Range(low, high - self._top)

    def _sizes(self, sizes: tuple[int, ...]) -> Range:
        kept = sizes[: len(sizes) - self._top]
        return Range(kept[0], kept[-1], kept[1] - kept[0])

    def decode(self, ask: Ask) -> Architecture:
        """The architecture of the genes that `ask` gives, by name and range."""
        if self.space == "mlp":
            hidden = self._hidden(ask, self._count(1, MAX_MLP_DENSE))
            return MlpArchitecture(self.input, self.classes, hidden)
        counts = self._count(1, MAX_BLOCKS)
        count = ask("blocks", counts)
        blocks = tuple(
            self._block(ask, f"b{index}", index == 0) for index in self._asked(count, counts)
        )
        pool = self._pool(ask)
        hidden = self._hidden(ask, self._count(0 if self._extended else 1, MAX_DENSE))
        return self._kind(self.input, self.classes, hidden, blocks[:count], pool)

    def _block(self, ask: Ask, name: str, first: bool) -> Block:
        branch = False if first else ask(f"{name}.branch", FLAG)
        counts = self._count(1, MAX_LAYERS)
        count = ask(f"{name}.layers", counts)
        layers = tuple(self._layer(ask, f"{name}.l{index}") for index in self._asked(count, counts))
        return Block(branch, layers[:count])

    def _layer(self, ask: Ask, name: str) -> Layer:
        kind = ask(f"{name}.type", Choice(LAYER_TYPES))
        windows = self._kind.windows
        filters = ask(f"{name}.filters", self._count(1, MAX_FILTERS))
        kernel = ask(f"{name}.kernel", self._sizes(windows.kernels))
        stride = ask(f"{name}.stride", Choice(windows.strides))
        return Layer(
            kind,
            bn=ask(f"{name}.bn", FLAG),
            relu=ask(f"{name}.relu", FLAG),
            prepool=ask(f"{name}.prepool", FLAG),
            filters=None if kind == "dwconv" else filters,
            kernel=None if kind == "conv1x1" else kernel,
            stride=None if kind == "conv1x1" else stride,
        )

    def _pool(self, ask: Ask) -> Pooling | None:
        there = ask("pool", FLAG)
        everywhere = self._extended and ask("pool.global", FLAG)
        local = Pooling(ask("pool.type", Choice(POOL_TYPES)), ask("pool.size", self._pool_sizes))
        if not there:
            return None
        return Pooling("avg", GLOBAL) if everywhere else local

    @property
    def _pool_sizes(self) -> Range:
        return self._sizes(POOL_SIZES)

    def _hidden(self, ask: Ask, counts: Range) -> tuple[int, ...]:
        count = ask("dense", counts)
        units = self._count(MIN_UNITS, MAX_UNITS)
        hidden = [ask(f"d{index}.units", units) for index in self._asked(count, counts)]
        return tuple(hidden[:count])

    def _asked(self, count: int, counts: Range) -> range:
        """Of which members of a list there are genes, where `count` of them are there."""
        return range(counts.high if self.whole else count)

    def encode(self, architecture: Architecture, rng: Random) -> Genes:
        """The genes of an architecture of this space; `decode` of them gives it again.

        `rng` draws the silent ones, as the sampling draws such genes.
        """
        known = _genes_of(architecture)
        genes: Genes = {}

        def ask(name: str, allowed: Range | Choice) -> Value:
            value = known[name] if name in known else _silent(name, allowed, rng)
            if isinstance(allowed, Range):
                # A branch's last layer has the channels of the path that it joins.
                value = min(max(int(value), allowed.low), allowed.high)
            genes[name] = value
            return value

        self.decode(ask)
        return genes


def _silent(name: str, allowed: Range | Choice, rng: Random) -> Value:
    """A gene of a block, layer or pooling that is not there, drawn as the sampling draws one."""
    if isinstance(allowed, Range):
        return rng.randrange(allowed.low, allowed.high + 1, allowed.step)
    probability = _PROBABILITIES.get(name.rsplit(".", 1)[-1])
    return rng.choice(allowed.values) if probability is None else rng.random() < probability


def _genes_of(architecture: Architecture) -> Genes:
    """The genes that an architecture has; those of what is not there are missing."""
    genes: Genes = {"dense": len(architecture.dense)}
    genes |= {f"d{index}.units": units for index, units in enumerate(architecture.dense)}
    if not isinstance(architecture, CnnArchitecture):
        return genes
    genes["blocks"] = len(architecture.blocks)
    for index, block in enumerate(architecture.blocks):
        genes |= {f"b{index}.branch": block.branch, f"b{index}.layers": len(block.layers)}
        for position, layer in enumerate(block.layers):
            genes |= _layer_genes(layer, f"b{index}.l{position}")
    pool = architecture.pool
    genes["pool"] = pool is not None
    if pool is not None:
        genes["pool.global"] = pool.size == GLOBAL
        if pool.size != GLOBAL:
            genes |= {"pool.type": pool.type, "pool.size": int(pool.size)}
    return genes


def _layer_genes(layer: Layer, name: str) -> Genes:
    genes = {key: value for key, value in layer.as_dict().items() if value is not None}
    return {f"{name}.{key}": value for key, value in genes.items()}
