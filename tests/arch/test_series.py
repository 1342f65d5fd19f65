"""The space cnn1d: windows over time, its own ranges, and inputs that do not fit a space."""

from __future__ import annotations

import json
from dataclasses import replace
from random import Random

import pytest

from munas.arch import (
    Architecture,
    Block,
    Cnn1dArchitecture,
    CnnArchitecture,
    Layer,
    Pooling,
    assemble,
    canonical,
    morphisms,
    sample,
    sha256,
)
from munas.arch.sampling import Sampling, Space
from munas.errors import BadInputError


def series(*layers: Layer, length: int = 32) -> Cnn1dArchitecture:
    return Cnn1dArchitecture((length, 1, 3), 6, (10,), (Block(False, layers),), None)


def conv(kernel: int, stride: int, prepool: bool = False) -> Layer:
    return Layer("conv", True, True, prepool, 8, kernel, stride)


def drawn(count: int, sampling: Sampling = "inclusive") -> list[Cnn1dArchitecture]:
    rng = Random(sampling)
    found = [sample(rng, (128, 1, 9), 6, space="cnn1d", sampling=sampling) for _ in range(count)]
    return [one for one in found if isinstance(one, Cnn1dArchitecture)]


def layers_of(architectures: list[Cnn1dArchitecture]) -> list[Layer]:
    return [layer for one in architectures for block in one.blocks for layer in block.layers]


def test_json_canonical_form_and_shapes():
    for architecture in drawn(80, "extended"):
        assert json.loads(architecture.to_json())["space"] == "cnn1d"
        assert Architecture.from_json(architecture.to_json()) == architecture
        short = canonical(architecture)
        assert isinstance(short, Cnn1dArchitecture)
        assert canonical(short) == short and sha256(short) == sha256(architecture)
        for node in assemble(short).nodes:
            assert node.shape[1] == 1
            assert node.size[1] == (0 if node.kind == "pad" else 1)


def test_ranges_of_sampling():
    layers = layers_of(drawn(150))
    assert {layer.kernel for layer in layers} == {None, 3, 5, 7, 9, 11}
    assert {layer.stride for layer in layers} == {None, 1, 2, 4}
    assert max(layer.kernel or 0 for layer in layers_of(drawn(150, "paper"))) == 9
    heads = drawn(150, "extended")
    assert any(not one.dense for one in heads)
    assert any(one.pool == Pooling("avg", "global") for one in heads)


def test_windows_of_the_other_space_are_refused():
    image = {"space": "cnn", "input": [32, 32, 3]}
    for kernel, stride, field in ((9, 1, "kernel"), (3, 4, "stride")):
        value = series(conv(kernel, stride)).as_dict()
        assert Architecture.from_dict(value).space == "cnn1d"
        with pytest.raises(BadInputError, match=rf"blocks\[0\]\.layers\[0\]\.{field}"):
            Architecture.from_dict(value | image)
    with pytest.raises(BadInputError, match=r"width.*must be 1"):
        Architecture.from_dict(series(conv(3, 1)).as_dict() | {"input": [32, 2, 3]})


def test_a_stride_beyond_the_map_has_no_effect_of_its_own():
    positions = {  # of 32 positions or fewer, by stride
        (length, stride): sha256(series(conv(3, stride), length=length))
        for length in (3, 4, 5)
        for stride in (1, 2, 4)
    }
    assert positions[3, 1] == positions[3, 2] == positions[3, 4]
    assert positions[4, 1] != positions[4, 2] == positions[4, 4]
    assert len({positions[5, stride] for stride in (1, 2, 4)}) == 3
    assert canonical(series(conv(3, 4), length=4)).blocks[0].layers[0].stride == 2  # type: ignore[attr-defined]


def test_a_prepool_halves_time_alone():
    nodes = assemble(series(conv(11, 2, prepool=True))).nodes
    assert (nodes[1].kind, nodes[1].size, nodes[1].shape) == ("maxpool", (2, 1), (16, 1, 3))
    assert (nodes[2].size, nodes[2].stride, nodes[2].shape) == ((11, 1), 2, (3, 1, 8))


def test_morphisms_step_kernels_and_strides():
    def ways(kernel: int, stride: int) -> set[str]:
        found = morphisms(series(conv(kernel, stride), length=64), Random(0))
        assert all(isinstance(one.child, Cnn1dArchitecture) for one in found)
        names = {one.name.removesuffix(" 0.0") for one in found}
        return {name for name in names if name.startswith(("kernel", "stride", "toggle-stride"))}

    assert ways(3, 1) == {"kernel+2", "stride-2"}
    assert ways(7, 2) == {"kernel-2", "kernel+2", "stride-1", "stride-4"}
    assert ways(11, 4) == {"kernel-2", "stride-2"}


def test_generic_code_may_treat_it_as_a_cnn():
    architecture = series(conv(9, 4))
    assert isinstance(architecture, CnnArchitecture)
    thinner = replace(
        architecture,
        blocks=(Block(False, (replace(architecture.blocks[0].layers[0], filters=4),)),),
    )
    assert thinner.space == "cnn1d" and assemble(thinner).nodes[1].shape == (6, 1, 4)


@pytest.mark.parametrize(
    ("space", "shape", "said"),
    [
        ("cnn1d", (28, 28, 1), "28x28x1 are images"),
        ("cnn", (128, 1, 9), "128x1x9 are series"),
        ("rnn", (128, 1, 9), "Unknown space"),
    ],
)
def test_a_space_and_inputs_that_do_not_fit(space: Space, shape: tuple[int, int, int], said: str):
    with pytest.raises(BadInputError) as fault:
        sample(Random(0), shape, 6, space=space)
    assert said in fault.value.what and fault.value.mend


def test_single_positions_and_mlps_take_any_input():
    for space, shape in (("cnn", (1, 1, 4)), ("cnn1d", (1, 1, 4)), ("mlp", (128, 1, 9))):
        assert sample(Random(0), shape, 6, space=space).input == shape  # type: ignore[arg-type]
