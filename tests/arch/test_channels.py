"""Channel groups: what can only be removed together, and what is left."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from munas.arch import (
    Block,
    CnnArchitecture,
    Layer,
    assemble,
    canonical,
    channel_groups,
    evenly_thinned,
    sample,
    thinned,
)
from munas.errors import BadInputError


def conv(filters: int) -> Layer:
    return Layer("conv", True, True, False, filters, 3, 1)


DEPTHWISE = Layer("dwconv", True, True, False, None, 3, 1)


def test_producers_of_one_addition_share_a_group_with_what_carries_them():
    blocks = (
        Block(False, (conv(8),)),
        Block(True, (conv(5), DEPTHWISE)),  # ends in a 1x1 convolution to 8 channels
        Block(False, (DEPTHWISE, conv(6))),
    )
    network = assemble(CnnArchitecture((16, 16, 1), 10, (20,), blocks, None))
    groups = channel_groups(network)
    assert [(g.width, g.least) for g in groups] == [(8, 1), (5, 1), (6, 1), (20, 10)]
    kinds = [[network.nodes[i].kind for i in g.producers] for g in groups]
    assert kinds == [["conv", "conv"], ["conv"], ["conv"], ["dense"]]
    assert [len(g.carriers) for g in groups] == [1, 1, 0, 0]


def test_channels_of_the_input_are_nobodys_to_remove():
    blocks = (Block(False, (DEPTHWISE,)), Block(False, (conv(4),)))
    groups = channel_groups(assemble(CnnArchitecture((8, 8, 3), 2, (), blocks, None)))
    assert [g.width for g in groups] == [4]


@given(st.integers(0, 10_000), st.sampled_from(["cnn", "mlp"]))
def test_what_is_left_has_the_same_nodes_with_fewer_channels(seed: int, space: str):
    rng = Random(seed)
    whole = canonical(sample(rng, (20, 14, 2), 7, space=space, sampling="extended"))
    before = assemble(whole)
    groups = channel_groups(before)
    kept = [rng.randint(group.least, group.width) for group in groups]
    after = assemble(thinned(whole, kept))
    width = {i: n for group, n in zip(groups, kept, strict=True) for i in group.bearers}
    assert len(after.nodes) == len(before.nodes)
    for index, (old, new) in enumerate(zip(before.nodes, after.nodes, strict=True)):
        assert (new.kind, new.inputs, new.size, new.stride) == (
            old.kind,
            old.inputs,
            old.size,
            old.stride,
        )
        assert new.shape[:2] == old.shape[:2]
        if old.kind != "flatten":
            assert new.shape[2] == width.get(index, old.shape[2])
    assert [g.width for g in channel_groups(after)] == kept
    assert thinned(whole, [group.width for group in groups]) == whole


def test_even_thinning_stops_at_the_least():
    whole = canonical(sample(Random(4), (16, 16, 1), 10))
    groups = channel_groups(assemble(evenly_thinned(whole, 0.999)))
    assert all(group.width == group.least for group in groups)
    assert evenly_thinned(whole, 0.0) == whole


def test_a_count_out_of_range_is_refused():
    whole = canonical(sample(Random(4), (16, 16, 1), 10))
    counts = [group.width for group in channel_groups(assemble(whole))]
    with pytest.raises(BadInputError, match="Channel group 0 keeps"):
        thinned(whole, [0, *counts[1:]])
