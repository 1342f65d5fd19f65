"""Genomes: JSON, validation, canonical form, hash, sampling, morphisms, assembly."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from random import Random
from statistics import mean

import pytest

from munas.arch import (
    Architecture,
    Block,
    CnnArchitecture,
    Layer,
    Pooling,
    assemble,
    canonical,
    morphisms,
    sample,
    sha256,
)
from munas.errors import BadInputError

CONV = Layer("conv", True, True, False, 8, 3, 1)
DW = Layer("dwconv", True, True, False, None, 3, 1)


def cnn(*blocks: Block, shape=(12, 12, 1), pool=None, dense=(10,)):  # type: ignore[no-untyped-def]
    return CnnArchitecture(shape, 10, dense, blocks, pool)


def drawn(count: int, sampling: str = "inclusive", space: str = "cnn") -> list[Architecture]:
    rng = Random(sampling)
    return [
        sample(rng, (28, 28, 1), 10, space=space, sampling=sampling)  # type: ignore[arg-type]
        for _ in range(count)
    ]


@pytest.mark.parametrize("sampling", ["paper", "inclusive", "extended"])
def test_json_round_trip_and_canonical_form(sampling: str):
    for architecture in drawn(150, sampling):
        assert Architecture.from_json(architecture.to_json()) == architecture
        short = canonical(architecture)
        assert canonical(short) == short and sha256(short) == sha256(architecture)
        assert assemble(short) == assemble(architecture)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"space": "rnn"}, "space"),
        ({"input": [8, 8]}, "input"),
        ({"input": [8, 8, 0]}, "input (channels)"),
        ({"classes": 1}, "classes"),
        ({"classes": True}, "classes"),
        ({"dense": [5]}, "dense[0]"),
        ({"dense": [10.5]}, "dense[0]"),
        ({"dense": [10] * 4}, "dense"),
        ({"pool": {"type": "max", "size": "global"}}, "pool.size"),
        ({"pool": {"type": "max", "size": 3}}, "pool.size"),
        ({"more": 1}, "unknown key more"),
        ({"blocks": []}, "blocks"),
        ({"blocks": [{"branch": True, "layers": [CONV.as_dict()]}]}, "blocks[0].branch"),
        ({"blocks": [{"branch": False, "layers": []}]}, "blocks[0].layers"),
        (
            {"blocks": [{"branch": False, "layers": [CONV.as_dict() | {"kernel": 4}]}]},
            "blocks[0].layers[0].kernel",
        ),
        (
            {"blocks": [{"branch": False, "layers": [DW.as_dict() | {"filters": 4}]}]},
            "blocks[0].layers[0].filters",
        ),
    ],
)
def test_faults_name_the_field(change: dict[str, object], field: str):
    value = cnn(Block(False, (CONV,))).as_dict() | change
    with pytest.raises(BadInputError) as fault:
        Architecture.from_json(json.dumps(value))
    assert field in fault.value.what


def same(one: Architecture, other: Architecture) -> bool:
    return sha256(one) == sha256(other) and canonical(one) == canonical(other)


def test_genes_without_effect_are_recognised():
    serial = Block(False, (CONV,))
    branches = [
        cnn(serial, Block(True, (Layer("conv1x1", True, True, False, f),))) for f in (3, 77)
    ]
    assert same(*branches)
    wide = [cnn(Block(False, (Layer("conv", True, True, False, 8, k, s),)), shape=(3, 3, 1))
            for k, s in ((3, 1), (7, 2))]  # fmt: skip
    assert same(*wide)
    point = Layer("conv1x1", True, True, False, 8)
    pooled = Layer("conv1x1", True, True, True, 8)
    assert same(
        cnn(Block(False, (point,)), shape=(1, 1, 4)),
        cnn(Block(False, (pooled,)), shape=(1, 1, 4), pool=Pooling("avg", 6)),
    )


def test_one_network_cut_into_serial_blocks_in_two_ways_has_one_hash():
    whole = cnn(Block(False, (CONV, DW)))
    cut = cnn(Block(False, (CONV,)), Block(False, (DW,)))
    assert sha256(whole) == sha256(cut) and whole != cut
    assert sha256(cnn(Block(False, (DW, CONV)))) != sha256(whole)


def test_sampling_ranges():
    def tops(sampling: str) -> dict[str, int]:
        found = drawn(600, sampling)
        layers = [layer for a in found for b in a.blocks for layer in b.layers]  # type: ignore[attr-defined]
        return {
            "blocks": max(len(a.blocks) for a in found),  # type: ignore[attr-defined]
            "layers": max(len(b.layers) for a in found for b in a.blocks),  # type: ignore[attr-defined]
            "kernel": max(layer.kernel or 0 for layer in layers),
            "filters": max(layer.filters or 0 for layer in layers),
            "dense": max(len(a.dense) for a in found),
            "units": max(u for a in found for u in a.dense),
        }

    assert tops("inclusive") == {
        "blocks": 10, "layers": 3, "kernel": 7, "filters": 128, "dense": 3, "units": 256,
    }  # fmt: skip
    assert tops("paper") == {
        "blocks": 9, "layers": 2, "kernel": 5, "filters": 127, "dense": 2, "units": 255,
    }  # fmt: skip
    heads = drawn(300, "extended")
    assert any(not a.dense for a in heads)
    assert any(a.pool and a.pool.size == "global" for a in heads)  # type: ignore[attr-defined]
    assert all(a.dense for a in drawn(300, "inclusive"))


def test_morphism_lists_are_as_long_as_the_authors():
    """Measured on the authors' code: mean 110, at least 20, at most 218."""
    rng = Random(1)
    lengths = [len(morphisms(a, rng, "paper")) for a in drawn(120, "paper")]
    assert 95 < mean(lengths) < 125 and min(lengths) < 40 and 180 < max(lengths) < 240


def test_morphisms_are_valid_canonical_and_of_every_kind():
    rng, kinds = Random(2), set()
    for parent in drawn(25):
        for morphism in morphisms(parent, rng):
            child = morphism.child
            assert Architecture.from_json(child.to_json()) == child == canonical(child)
            name = morphism.name.split(" ")[0]
            kinds.add(re.sub(r"[+-]\d+$", "", name))
    assert kinds == {
        "remove-block", "append-block", "toggle-branch", "remove-layer", "remove-only-layer",
        "insert-layer", "toggle-bn", "toggle-relu", "toggle-prepool", "to-conv", "to-conv1x1",
        "to-dwconv", "filters", "kernel", "toggle-stride", "add-pool", "remove-pool", "pool-avg",
        "pool-max", "pool-size", "remove-dense", "append-dense", "units",
    }  # fmt: skip


def test_extended_morphisms_switch_to_the_heads_beyond_the_paper():
    rng = Random(3)
    local = cnn(Block(False, (CONV,)), pool=Pooling("avg", 4))
    ways = {m.name: m.child for m in morphisms(local, rng, "extended")}
    global_ = ways["pool-global"]
    assert global_.pool == Pooling("avg", "global")  # type: ignore[attr-defined]
    assert ways["remove-dense 0"].dense == ()
    names = {m.name: m.child for m in morphisms(global_, rng, "extended")}
    back = names["pool-local"].pool  # type: ignore[attr-defined]
    assert back.type == "avg" and back.size in (2, 4, 6)
    assert not {"pool-global", "pool-max", "pool-size+2", "pool-size-2"} & names.keys()
    for sampling in ("paper", "inclusive"):
        plain = {m.name for m in morphisms(local, rng, sampling)}  # type: ignore[arg-type]
        assert not {"pool-global", "remove-dense 0"} & plain


def test_mlp_morphisms():
    parent = drawn(1, space="mlp")[0]
    names = {m.name.split(" ")[0] for m in morphisms(parent, Random(0))}
    assert names <= {"remove-dense", "append-dense", "units-5", "units-1", "units+1", "units+5"}
    assert names


def test_assembly_rounds_pooling_down_when_deployed_and_up_in_the_paper():
    architecture = cnn(Block(False, (CONV,)), shape=(9, 9, 1), pool=Pooling("max", 2))
    shapes = {
        rules: assemble(architecture, rules).nodes[2].shape for rules in ("deployed", "paper")
    }  # type: ignore[arg-type]
    assert shapes == {"deployed": (3, 3, 8), "paper": (4, 4, 8)}


def test_assembly_joins_by_pooling_and_padding():
    half = Layer("conv", True, True, False, 8, 3, 2)
    architecture = cnn(Block(False, (CONV,)), Block(False, (CONV,)), Block(True, (half,)))
    nodes = assemble(architecture).nodes
    shapes = {node.kind: node.shape for node in nodes}
    # Paths of 8x8 and 4x4: the larger is pooled by two, nothing is left to pad.
    assert shapes["maxpool"] == shapes["add"] == (4, 4, 8) and "pad" not in shapes
    third = Layer("conv", True, True, False, 8, 7, 2)
    uneven = cnn(Block(False, (CONV,)), Block(True, (third,)))
    shapes = {node.kind: node.shape for node in assemble(uneven).nodes}
    # Paths of 10x10 and 3x3: pooled by three to 3x3.
    assert shapes["maxpool"] == (3, 3, 8) and shapes["add"] == (3, 3, 8)


def test_a_join_that_pools_and_pads():
    half = Layer("conv", True, True, False, 8, 5, 2)
    architecture = cnn(Block(False, (CONV,)), Block(True, (half,)), shape=(13, 13, 1))
    # Paths of 11x11 and 5x5: pooled by two to 5x5, nothing to pad. Of 10x10 and 4x4: by two
    # (2.5, rounded to even) to 5x5, and the other is padded by one.
    assert [n.kind for n in assemble(architecture).nodes].count("pad") == 0
    nodes = assemble(replace(architecture, input=(12, 12, 1))).nodes
    padded = next(node for node in nodes if node.kind == "pad")
    pooled = next(node for node in nodes if node.kind == "maxpool")
    joined = next(node for node in nodes if node.kind == "add")
    assert pooled.size == (2, 2) and padded.size == (1, 1)
    assert pooled.shape == padded.shape == joined.shape == (5, 5, 8)
    assert nodes[padded.inputs[0]].shape == (4, 4, 8)
    assert {nodes[term].kind for term in joined.inputs} == {"maxpool", "pad"}
    # The paper's rules round pooling up and pad for free.
    assert "pad" not in [n.kind for n in assemble(architecture, "paper").nodes]


def test_a_depthwise_tail_of_a_branch_gets_a_pointwise_convolution():
    architecture = cnn(Block(False, (CONV,)), Block(True, (DW,)))
    nodes = assemble(architecture).nodes
    tail = [node for node in nodes if node.kind == "conv" and node.size == (1, 1)]
    assert len(tail) == 1 and tail[0].shape[2] == 8 and not tail[0].bn and not tail[0].relu
