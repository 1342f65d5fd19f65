"""Golden vectors of the authors' resource model, and the deployed costs by hand."""

from __future__ import annotations

import pytest

import munas
from munas.arch import Block, CnnArchitecture, Layer, Pooling
from munas.cost import cost


def conv(filters: int, kernel: int, stride: int = 1, prepool: bool = False) -> Layer:
    return Layer("conv", True, True, prepool, filters, kernel, stride)


def dw(kernel: int, stride: int = 1) -> Layer:
    return Layer("dwconv", True, True, False, None, kernel, stride)


def one(filters: int, prepool: bool = False) -> Layer:
    return Layer("conv1x1", True, True, prepool, filters)


def serial(*layers: Layer) -> Block:
    return Block(False, layers)


def branch(*layers: Layer) -> Block:
    return Block(True, layers)


def cnn(shape, classes, dense, blocks, pool=None):  # type: ignore[no-untyped-def]
    return CnnArchitecture(shape, classes, dense, blocks, Pooling(*pool) if pool else None)


B = (serial(conv(16, 3, 2), dw(3)), serial(one(32), conv(24, 5, prepool=True)))
E = (serial(conv(4, 3)), serial(conv(6, 3)), branch(one(9)), branch(conv(9, 5)))
H = (serial(conv(3, 7, 2)), serial(conv(2, 3, 2, prepool=True)))
GOLDEN = {
    "A": (
        cnn((28, 28, 1), 10, (10,), (serial(conv(8, 3)),), ("max", 2)),
        (6760, 6760, 13720, 67700),
    ),
    "B": (cnn((32, 32, 3), 10, (20,), B, ("avg", 4)), (8112, 8112, 21086, 388032)),
    "C": (
        cnn(
            (32, 32, 3),
            10,
            (10,),
            (serial(conv(8, 3)), serial(conv(16, 3)), branch(conv(99, 3))),
            ("avg", 2),
        ),
        (32288, 32288, 34040, 2057284),
    ),
    "D": (
        cnn((32, 32, 3), 10, (10,), (serial(conv(8, 3)), serial(conv(16, 3, 2)), branch(dw(3)))),
        (21952, 21952, 33096, 624132),
    ),
    "E": (cnn((28, 28, 1), 10, (12, 10), E, ("max", 6)), (13120, 13120, 2950, 470908)),
    "F": (
        cnn((49, 40, 1), 12, (10,), (serial(conv(8, 3, prepool=True)),), ("max", 4)),
        (3812, 3812, 2622, 38168),
    ),
    "G": (
        cnn((32, 32, 3), 2, (10,), (serial(conv(4, 7, 2)),), ("max", 6)),
        (712, 3748, 973, 101038),
    ),
    "H": (cnn((4, 4, 1), 10, (10,), H, ("max", 6)), (20, 20, 199, 176)),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_paper_mode_reproduces_the_authors_code(name: str):
    architecture, expected = GOLDEN[name]
    found = cost(architecture, "paper")
    assert (
        found.peak_memory_bytes,
        found.peak_memory_with_input_bytes,
        found.model_size_bytes,
        found.macs,
    ) == expected


def test_deployed_costs_by_hand():
    """A of the golden vectors as emitted: floor pooling, int32 biases, no MACs for pooling."""
    found = cost(GOLDEN["A"][0])
    positions, pooled = 26 * 26 * 8, 13 * 13 * 8
    assert found.macs == positions * 9 + pooled * 10 + 10 * 10
    assert found.model_size_bytes == (72 + 8 * 4) + (pooled * 10 + 40) + (100 + 40)
    assert found.peak_memory_with_input_bytes == positions + pooled
    kinds = [operator.kind for operator in found.graph.operators]
    assert kinds == ["CONV_2D", "MAX_POOL_2D", "RESHAPE", "FULLY_CONNECTED", "FULLY_CONNECTED"]


def test_deployed_joins_are_chains_of_binary_additions():
    kinds = [operator.kind for operator in cost(GOLDEN["E"][0]).graph.operators]
    assert kinds.count("ADD") == 2 and kinds.count("PAD") >= 1
    operators = [o for o in cost(GOLDEN["E"][0]).graph.operators if o.kind == "ADD"]
    assert all(len(operator.inputs) == 2 for operator in operators)


def test_the_librarys_front_is_the_same_function():
    architecture = GOLDEN["A"][0]
    assert munas.cost(architecture) == cost(architecture)
    assert munas.Architecture.from_json(architecture.to_json()) == architecture
