"""Random architectures.

`paper` draws as the authors' code does: its discrete sampler never draws the top of a range, so 7x7
kernels, three-layer blocks, ten blocks, 128 filters, pool size 6, three dense layers and 256 units
are reached by morphisms only. `inclusive` (the default) draws the whole range. `extended` adds
heads beyond the paper: no hidden dense layer, and global average pooling. The space `cnn1d` is
drawn in the same way from its own kernels and strides.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Literal, cast, get_args

from munas.arch.genome import (
    GLOBAL,
    IMAGE_WINDOWS,
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
    Architecture,
    Block,
    Cnn1dArchitecture,
    CnnArchitecture,
    Layer,
    LayerType,
    MlpArchitecture,
    Pooling,
    Shape,
    Windows,
)
from munas.errors import BadInputError

Sampling = Literal["paper", "inclusive", "extended"]
Space = Literal["cnn", "cnn1d", "mlp"]

P_BRANCH = 0.5
P_BN = 0.5
P_RELU = 0.9
P_PREPOOL = 0.25
P_POOL = 0.9
P_GLOBAL = 0.25  # of `extended` poolings


def left_off(sampling: Sampling) -> int:
    """How many values a sampling leaves off at the top of a range."""
    return 1 if sampling == "paper" else 0


@dataclass(frozen=True)
class Sampler:
    """Draws genes from one of the three samplings; `rng` is the only source of randomness.

    `windows` are the kernels and strides of the space that layers are drawn for.
    """

    rng: Random
    sampling: Sampling = "inclusive"
    windows: Windows = IMAGE_WINDOWS

    def __post_init__(self) -> None:
        if self.sampling not in get_args(Sampling):
            raise BadInputError(
                f"Unknown sampling {self.sampling!r}.", f"Choose one of {get_args(Sampling)}."
            )

    @property
    def _top(self) -> int:
        return left_off(self.sampling)

    def _integer(self, low: int, high: int) -> int:
        return self.rng.randint(low, high - self._top)

    def _choice(self, values: tuple[int, ...]) -> int:
        return self.rng.choice(values[: len(values) - self._top])

    def chance(self, probability: float) -> bool:
        return self.rng.random() < probability

    def layer(self, type_: LayerType | None = None) -> Layer:
        """A random layer, of a given type where one is given."""
        kind = self.rng.choice(LAYER_TYPES) if type_ is None else type_
        return Layer(
            kind,
            bn=self.chance(P_BN),
            relu=self.chance(P_RELU),
            prepool=self.chance(P_PREPOOL),
            filters=None if kind == "dwconv" else self._integer(1, MAX_FILTERS),
            kernel=None if kind == "conv1x1" else self._choice(self.windows.kernels),
            stride=None if kind == "conv1x1" else self.rng.choice(self.windows.strides),
        )

    def block(self, first: bool = False, layers: int | None = None) -> Block:
        """A random block; the first of a network is never a branch."""
        branch = False if first else self.chance(P_BRANCH)
        count = layers or self._integer(1, MAX_LAYERS)
        return Block(branch, tuple(self.layer() for _ in range(count)))

    def pooling(self) -> Pooling:
        """A random pooling; `extended` draws global average pooling too."""
        if self.sampling == "extended" and self.chance(P_GLOBAL):
            return Pooling("avg", GLOBAL)
        return Pooling(self.rng.choice(POOL_TYPES), self._choice(POOL_SIZES))

    def units(self) -> int:
        return self._integer(MIN_UNITS, MAX_UNITS)

    def cnn(
        self, input_shape: Shape, classes: int, kind: type[CnnArchitecture] = CnnArchitecture
    ) -> CnnArchitecture:
        """A random CNN, as drawn: genes without effect are not yet canonical."""
        count = self._integer(1, MAX_BLOCKS)
        blocks = tuple(self.block(first=index == 0) for index in range(count))
        pool = self.pooling() if self.chance(P_POOL) else None
        fewest = 0 if self.sampling == "extended" else 1
        dense = tuple(self.units() for _ in range(self._integer(fewest, MAX_DENSE)))
        return kind(input_shape, classes, dense, blocks, pool)

    def mlp(self, input_shape: Shape, classes: int) -> MlpArchitecture:
        count = self._integer(1, MAX_MLP_DENSE)
        return MlpArchitecture(input_shape, classes, tuple(self.units() for _ in range(count)))


def sample(
    rng: Random,
    input_shape: Shape,
    classes: int,
    *,
    space: Space = "cnn",
    sampling: Sampling = "inclusive",
) -> Architecture:
    """One random architecture of `space` for inputs of `input_shape` [height, width, channels].

    Raises BadInputError for a space or a sampling that does not exist, and for inputs that the
    space is not for (`require_fit`).
    """
    require_fit(space, input_shape)
    if space == "mlp":
        return Sampler(rng, sampling).mlp(input_shape, classes)
    kind = Cnn1dArchitecture if space == "cnn1d" else CnnArchitecture
    return Sampler(rng, sampling, kind.windows).cnn(input_shape, classes, kind)


def require_fit(space: Space, input_shape: Shape) -> None:
    """Raise BadInputError unless `space` exists and is for inputs of this shape.

    Inputs [length, 1, channels] are series, for `cnn1d`; wider ones are images, for `cnn`; `mlp`
    takes both. A single position is either.
    """
    if space not in get_args(Space):
        raise BadInputError(f"Unknown space {space!r}.", f"Choose one of {get_args(Space)}.")
    height, width, _ = input_shape
    shape = "x".join(map(str, input_shape))
    if space == "cnn1d" and width != 1:
        raise BadInputError(
            f"The space cnn1d is for series of shape [length, 1, channels]; inputs of {shape} are "
            "images.",
            "Take the space cnn or mlp (space.name in an experiment, --space of a command).",
        )
    if space == "cnn" and width == 1 and height > 1:
        raise BadInputError(
            f"The space cnn is for images; inputs of {shape} are series.",
            "Take the space cnn1d or mlp (space.name in an experiment, --space of a command).",
        )


def parse_shape(text: str) -> Shape:
    """`28x28x1` → (28, 28, 1). Raises BadInputError."""
    parts = text.lower().split("x")
    if len(parts) != 3 or not all(part.isdigit() and int(part) > 0 for part in parts):
        raise BadInputError(
            f"{text!r} is not an input shape.", "Write height, width and channels as in 28x28x1."
        )
    return cast(Shape, tuple(int(part) for part in parts))
