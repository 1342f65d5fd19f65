"""The genome: architectures of the spaces `cnn`, `cnn1d` and `mlp`, and their JSON form.

Source: μNAS (arXiv 2010.14246), section on the search space. The space `cnn1d` and `extended` heads
(no hidden dense layer, global average pooling) go beyond the paper. Instances are frozen and
always valid: a constructor raises BadInputError that names the field. What a genome computes
(shapes, merges) is in `munas.arch.network`; this module knows only the genes and their ranges.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from munas.errors import BadInputError

Shape = tuple[int, int, int]
LayerType = Literal["conv", "conv1x1", "dwconv"]
PoolType = Literal["max", "avg"]

LAYER_TYPES: tuple[LayerType, ...] = ("conv", "conv1x1", "dwconv")
POOL_TYPES: tuple[PoolType, ...] = ("max", "avg")
POOL_SIZES = (2, 4, 6)
GLOBAL: Literal["global"] = "global"
MAX_BLOCKS = 10
MAX_LAYERS = 3
MAX_FILTERS = 128
MAX_DENSE = 3
MIN_UNITS, MAX_UNITS = 10, 256
MAX_MLP_DENSE = 7
MAX_SIDE = 4096
MAX_CLASSES = 10_000


@dataclass(frozen=True)
class Windows:
    """The kernel sizes and strides that a space has, each in rising order."""

    kernels: tuple[int, ...]
    strides: tuple[int, ...]


IMAGE_WINDOWS = Windows((3, 5, 7), (1, 2))
SERIES_WINDOWS = Windows((3, 5, 7, 9, 11), (1, 2, 4))


def _check(condition: bool, field: str, message: str) -> None:
    if not condition:
        raise BadInputError(f"Architecture field `{field}`: {message}.")


def _check_flag(value: object, field: str) -> None:
    if not isinstance(value, bool):
        _check(False, field, f"must be true or false, not {value!r}")


def _check_choice(value: object, field: str, choices: tuple[Any, ...]) -> None:
    if isinstance(value, bool | float) or value not in choices:
        _check(False, field, f"must be one of {', '.join(map(str, choices))}, not {value!r}")


def _check_int(value: object, field: str, low: int, high: int) -> None:
    if not (isinstance(value, int) and not isinstance(value, bool) and low <= value <= high):
        _check(False, field, f"must be a whole number from {low} to {high}, not {value!r}")


@dataclass(frozen=True)
class Layer:
    """One convolution: [2x2 max-pool] → convolution → [batch-norm] → [ReLU].

    `filters` is null for `dwconv`, `kernel` and `stride` are null for `conv1x1`.
    """

    type: LayerType
    bn: bool
    relu: bool
    prepool: bool
    filters: int | None = None
    kernel: int | None = None
    stride: int | None = None

    def check(self, field: str, windows: Windows = IMAGE_WINDOWS) -> None:
        """Raise BadInputError naming `field` where a gene is out of range."""
        _check_choice(self.type, f"{field}.type", LAYER_TYPES)
        for name in ("bn", "relu", "prepool"):
            _check_flag(getattr(self, name), f"{field}.{name}")
        if self.type == "dwconv":
            _check(self.filters is None, f"{field}.filters", "a dwconv has none")
        else:
            _check_int(self.filters, f"{field}.filters", 1, MAX_FILTERS)
        if self.type == "conv1x1":
            _check(self.kernel is None, f"{field}.kernel", "a conv1x1 has none")
            _check(self.stride is None, f"{field}.stride", "a conv1x1 has none")
        else:
            _check_choice(self.kernel, f"{field}.kernel", windows.kernels)
            _check_choice(self.stride, f"{field}.stride", windows.strides)

    def as_dict(self) -> dict[str, Any]:
        genes: dict[str, Any] = {"type": self.type}
        for name in ("filters", "kernel", "stride"):
            if getattr(self, name) is not None:
                genes[name] = getattr(self, name)
        return genes | {"bn": self.bn, "relu": self.relu, "prepool": self.prepool}


@dataclass(frozen=True)
class Block:
    """One to three layers; a branch runs parallel to the blocks since the last serial one."""

    branch: bool
    layers: tuple[Layer, ...]

    def as_dict(self) -> dict[str, Any]:
        return {"branch": self.branch, "layers": [layer.as_dict() for layer in self.layers]}


@dataclass(frozen=True)
class Pooling:
    """The pooling before the head; size "global" (average only) is beyond the paper."""

    type: PoolType
    size: int | Literal["global"]

    def as_dict(self) -> dict[str, Any]:
        return {"type": self.type, "size": self.size}


@dataclass(frozen=True)
class Architecture:
    """An architecture of any space: an input shape, a number of classes, hidden dense layers."""

    input: Shape
    classes: int
    dense: tuple[int, ...]

    def __post_init__(self) -> None:
        _check(
            isinstance(self.input, tuple) and len(self.input) == 3,
            "input",
            "must be [height, width, channels]",
        )
        for value, name in zip(self.input, ("height", "width", "channels"), strict=True):
            _check_int(value, f"input ({name})", 1, MAX_SIDE)
        _check_int(self.classes, "classes", 2, MAX_CLASSES)
        for index, units in enumerate(self.dense):
            _check_int(units, f"dense[{index}]", MIN_UNITS, MAX_UNITS)

    @property
    def space(self) -> str:
        raise NotImplementedError

    @property
    def logits(self) -> int:
        """Width of the output layer: one logit serves two classes."""
        return 1 if self.classes == 2 else self.classes

    def as_dict(self) -> dict[str, Any]:
        """The JSON form of interfaces: keys in a fixed order."""
        raise NotImplementedError

    def to_json(self) -> str:
        """One line of JSON, stable byte for byte."""
        return json.dumps(self.as_dict(), separators=(",", ":"))

    @staticmethod
    def from_json(text: str) -> Architecture:
        """Read one architecture; raises BadInputError that names the field."""
        try:
            value = json.loads(text)
        except json.JSONDecodeError as error:
            raise BadInputError(f"An architecture is not valid JSON: {error}.") from None
        return Architecture.from_dict(value)

    @staticmethod
    def from_dict(value: Any) -> Architecture:
        """Build from the JSON form; unknown and missing keys are errors that name the field."""
        return _from_dict(value)


@dataclass(frozen=True)
class CnnArchitecture(Architecture):
    """A CNN: blocks of convolutions, a pooling, hidden dense layers, an output layer."""

    windows: ClassVar[Windows] = IMAGE_WINDOWS

    blocks: tuple[Block, ...]
    pool: Pooling | None

    def __post_init__(self) -> None:
        super().__post_init__()
        _check(1 <= len(self.blocks) <= MAX_BLOCKS, "blocks", f"must hold 1 to {MAX_BLOCKS} blocks")
        _check(len(self.dense) <= MAX_DENSE, "dense", f"must hold at most {MAX_DENSE} layers")
        for index, block in enumerate(self.blocks):
            field = f"blocks[{index}]"
            _check_flag(block.branch, f"{field}.branch")
            _check(
                1 <= len(block.layers) <= MAX_LAYERS,
                f"{field}.layers",
                f"must hold 1 to {MAX_LAYERS} layers",
            )
            for position, layer in enumerate(block.layers):
                layer.check(f"{field}.layers[{position}]", self.windows)
        _check(not self.blocks[0].branch, "blocks[0].branch", "the first block cannot be a branch")
        if self.pool is not None:
            _check_choice(self.pool.type, "pool.type", POOL_TYPES)
            _check_choice(self.pool.size, "pool.size", (*POOL_SIZES, GLOBAL))
            _check(
                self.pool.size != GLOBAL or self.pool.type == "avg",
                "pool.size",
                "only average pooling can be global",
            )

    @property
    def space(self) -> str:
        return "cnn"

    def as_dict(self) -> dict[str, Any]:
        return {
            "space": self.space,
            "input": list(self.input),
            "classes": self.classes,
            "blocks": [block.as_dict() for block in self.blocks],
            "pool": self.pool.as_dict() if self.pool else None,
            "dense": list(self.dense),
        }


@dataclass(frozen=True)
class Cnn1dArchitecture(CnnArchitecture):
    """A CNN over time, for inputs of [length, 1, channels]: every window is k×1.

    Blocks, layers, pooling and head are those of a CNN; kernels and strides have ranges of their
    own. What is written k×k in a CNN has one column here, since windows are cut to the map.
    """

    windows: ClassVar[Windows] = SERIES_WINDOWS

    def __post_init__(self) -> None:
        super().__post_init__()
        _check(
            self.input[1] == 1,
            "input (width)",
            f"must be 1 in the space cnn1d, whose inputs are [length, 1, channels], "
            f"not {self.input[1]}",
        )

    @property
    def space(self) -> str:
        return "cnn1d"


@dataclass(frozen=True)
class MlpArchitecture(Architecture):
    """An MLP: flatten, one to seven hidden dense layers, an output layer."""

    def __post_init__(self) -> None:
        super().__post_init__()
        _check(
            1 <= len(self.dense) <= MAX_MLP_DENSE, "dense", f"must hold 1 to {MAX_MLP_DENSE} layers"
        )

    @property
    def space(self) -> str:
        return "mlp"

    def as_dict(self) -> dict[str, Any]:
        return {
            "space": self.space,
            "input": list(self.input),
            "classes": self.classes,
            "dense": list(self.dense),
        }


_CONVOLUTIONAL = {"cnn": CnnArchitecture, "cnn1d": Cnn1dArchitecture}


def _keys(value: Any, field: str, required: set[str], optional: set[str] = frozenset()) -> None:  # type: ignore[assignment]
    _check(isinstance(value, dict), field, "must be an object of keys and values")
    unknown = sorted(set(value) - required - optional)
    _check(not unknown, field, f"unknown key{'s' * (len(unknown) > 1)} {', '.join(unknown)}")
    missing = sorted(required - set(value))
    _check(not missing, field, f"missing key{'s' * (len(missing) > 1)} {', '.join(missing)}")


def _list(value: Any, field: str) -> list[Any]:
    _check(isinstance(value, list), field, f"must be a list, not {value!r}")
    return list(value)


def _layer(value: Any, field: str, windows: Windows) -> Layer:
    _keys(value, field, {"type", "bn", "relu", "prepool"}, {"filters", "kernel", "stride"})
    layer = Layer(**value)
    layer.check(field, windows)
    return layer


def _block(value: Any, field: str, windows: Windows) -> Block:
    _keys(value, field, {"branch", "layers"})
    layers = _list(value["layers"], f"{field}.layers")
    return Block(
        value["branch"],
        tuple(_layer(item, f"{field}.layers[{i}]", windows) for i, item in enumerate(layers)),
    )


def _pool(value: Any) -> Pooling | None:
    if value is None:
        return None
    _keys(value, "pool", {"type", "size"})
    return Pooling(value["type"], value["size"])


def _from_dict(value: Any) -> Architecture:
    _check(isinstance(value, dict), "(root)", "an architecture must be a JSON object")
    space = value.get("space")
    _check_choice(space, "space", (*_CONVOLUTIONAL, "mlp"))
    common = {"space", "input", "classes", "dense"}
    _keys(value, "(root)", common | ({"blocks", "pool"} if space in _CONVOLUTIONAL else set()))
    shape = _list(value["input"], "input")
    _check(len(shape) == 3, "input", "must be [height, width, channels]")
    dense = tuple(_list(value["dense"], "dense"))
    if space == "mlp":
        return MlpArchitecture((shape[0], shape[1], shape[2]), value["classes"], dense)
    kind = _CONVOLUTIONAL[space]
    blocks = tuple(
        _block(item, f"blocks[{i}]", kind.windows)
        for i, item in enumerate(_list(value["blocks"], "blocks"))
    )
    return kind(
        (shape[0], shape[1], shape[2]), value["classes"], dense, blocks, _pool(value["pool"])
    )
