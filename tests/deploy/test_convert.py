"""Conversion: what is emitted equals the cost model and computes what TensorFlow converted."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Callable
from functools import lru_cache
from random import Random

import numpy as np
import pytest

from munas.arch import Architecture, canonical, sample
from munas.cost import best_schedule, cost, peak_of_order
from munas.deploy import convert as conversion
from munas.deploy.convert import convert_random
from munas.deploy.evaluate import Int8Runner
from munas.deploy.golden import GoldenRunner
from munas.deploy.model_file import buffer_offsets, load_model, read_graph, save_model
from munas.errors import ConvertError

TAKEN = {
    "CONV_2D",
    "DEPTHWISE_CONV_2D",
    "FULLY_CONNECTED",
    "ADD",
    "PAD",
    "MAX_POOL_2D",
    "AVERAGE_POOL_2D",
    "RESHAPE",
}


def architecture(number: int) -> Architecture:
    """Inputs, class counts, spaces and samplings take turns."""
    return canonical(
        sample(
            Random(f"emitted:{number}"),
            ((28, 28, 1), (32, 32, 3), (8, 8, 1))[number % 3],
            (10, 2)[number % 2],
            space="mlp" if number % 10 == 9 else "cnn",
            sampling="extended",
        )
    )


def series(number: int) -> Architecture:
    """Of the space cnn1d; class counts and lengths take turns."""
    length = (128, 50, 9, 300)[number % 4]
    drawn = sample(
        Random(f"series:{number}"),
        (length, 1, 9),
        (6, 2)[number % 2],
        space="cnn1d",
        sampling="extended",
    )
    return canonical(drawn)


@lru_cache(maxsize=1)
def small_model() -> bytes:
    return convert_random(architecture(9), 0).data


@pytest.mark.parametrize(
    ("draw", "number"),
    [*((architecture, number) for number in range(20)), *((series, number) for number in range(4))],
)
def test_emitted_model_equals_the_cost_model(
    draw: Callable[[int], Architecture], number: int
) -> None:
    drawn = draw(number)
    expected = cost(drawn)
    data = convert_random(drawn, number).data
    graph = read_graph(load_model(data, "test"))
    in_file_order = tuple(range(len(graph.operators)))
    assert graph.macs == expected.macs
    assert graph.weight_bytes == expected.model_size_bytes
    assert [o.name for o in graph.operators] == [o.name for o in expected.graph.operators]
    peak = peak_of_order(graph, in_file_order)
    assert peak == expected.peak_memory_with_input_bytes
    assert peak == best_schedule(graph).peak_bytes
    assert {operator.kind for operator in graph.operators} <= TAKEN


def one_channel_column() -> Architecture:
    """Maps of 5x1x1 that are added: the converter turns them into rows and broadcasts."""
    layer = {"type": "conv", "kernel": 5, "stride": 1, "bn": False, "relu": True, "prepool": False}
    branch = [layer | {"filters": 1, "kernel": 7, "stride": 2}]
    return Architecture.from_dict(
        {
            "space": "cnn",
            "input": [9, 1, 1],
            "classes": 2,
            "blocks": [
                {"branch": False, "layers": [layer | {"filters": 1}]},
                {"branch": True, "layers": branch},
            ],
            "pool": {"type": "max", "size": 6},
            "dense": [10],
        }
    )


@pytest.mark.parametrize(
    "drawn",
    [
        architecture(0),
        pytest.param(architecture(4), marks=pytest.mark.long),
        architecture(14),
        one_channel_column(),
        series(2),
    ],
)
def test_canonical_form_computes_the_same_bytes(
    drawn: Architecture, monkeypatch: pytest.MonkeyPatch
):
    kept: list[bytes] = []
    quantise = conversion._quantise

    def keep(model: object, images: object) -> bytes:
        kept.append(quantise(model, images))  # type: ignore[arg-type]
        return kept[-1]

    monkeypatch.setattr(conversion, "_quantise", keep)
    data = convert_random(drawn, 5).data
    assert data != kept[0] and len(data) < len(kept[0])
    before, after = GoldenRunner(kept[0]), GoldenRunner(data)
    rng = np.random.default_rng(1)
    for _ in range(20):
        image = rng.integers(-128, 128, drawn.input, dtype=np.int8)
        assert np.array_equal(before.run(image), after.run(image))


def test_single_position_networks_keep_their_flattening_and_additions():
    """Where maps are 1x1 the converter drops the flattening and broadcasts the additions."""
    layer = {"type": "conv1x1", "filters": 5, "bn": False, "relu": True, "prepool": False}
    branch = {"branch": True, "layers": [layer]}
    drawn = Architecture.from_dict(
        {
            "space": "cnn",
            "input": [1, 1, 7],
            "classes": 3,
            "blocks": [{"branch": False, "layers": [layer]}, branch, branch],
            "pool": None,
            "dense": [12],
        }
    )
    graph = read_graph(load_model(convert_random(drawn, 0).data, "test"))
    kinds = [operator.kind for operator in graph.operators]
    assert kinds.count("ADD") == 2 and kinds.count("RESHAPE") == 1
    assert all(len(graph.tensors[t].shape) == 3 for o in graph.operators[:5] for t in o.inputs)


def test_batch_norm_without_relu_before_a_dense_layer():
    """The converter moves such a batch norm into the dense layer, name and all."""
    drawn = Architecture.from_dict(
        {
            "space": "cnn",
            "input": [6, 6, 1],
            "classes": 3,
            "blocks": [
                {
                    "branch": False,
                    "layers": [
                        {"type": "dwconv", "kernel": 7, "stride": 1, "bn": True, "relu": False,
                         "prepool": False}
                    ],
                }
            ],
            "pool": None,
            "dense": [10],
        }
    )  # fmt: skip
    assert len(convert_random(drawn, 1).graph.operators) == 4


def test_buffers_are_aligned_and_input_and_output_are_int8():
    data = convert_random(architecture(3), 0).data
    offsets = list(buffer_offsets(data))
    assert len(offsets) > 4 and all(offset % 16 == 0 for offset in offsets)
    runner = Int8Runner(data)
    outputs = runner.run(np.zeros((2, *architecture(3).input), np.float32))
    assert outputs.dtype == np.int8 and outputs.shape == (2, architecture(3).logits)


def test_zero_biases_are_kept():
    """A bias of zeros gets lost in conversion; the canonical form has it."""
    from munas.deploy.keras_model import build_model
    from munas.deploy.quiet import silence_tensorflow

    silence_tensorflow()
    drawn = architecture(9)
    model = build_model(drawn)
    images = np.random.default_rng(0).random((4, *drawn.input), dtype=np.float32)
    data = conversion.convert(drawn, model.get_weights(), images).data
    assert read_graph(load_model(data, "x")).weight_bytes == cost(drawn).model_size_bytes


def test_bytes_repeat_in_another_process():
    script = (
        "import sys, hashlib; from munas.arch import Architecture;"
        "from munas.deploy.convert import convert_random;"
        "data = convert_random(Architecture.from_json(sys.argv[1]), 3).data;"
        "print(hashlib.sha256(data).hexdigest())"
    )
    text = architecture(2).to_json()
    here = hashlib.sha256(convert_random(architecture(2), 3).data).hexdigest()
    there = subprocess.run(
        [sys.executable, "-c", script, text], capture_output=True, text=True, check=True
    )
    assert there.stdout.strip() == here
    assert there.stderr == "", "TensorFlow's chatter reached the screen"


def test_saving_a_loaded_model_changes_nothing():
    data = small_model()
    assert save_model(load_model(data, "x")) == data


@pytest.mark.parametrize("keep", [0, 4, 7, 100, 0.5, 0.99])
def test_truncated_files_are_refused_with_their_name(keep: float):
    data = small_model()
    cut = data[: int(keep * len(data)) if isinstance(keep, float) else keep]
    with pytest.raises(ConvertError, match=r"broken\.tflite|damaged"):
        read_graph(load_model(cut, "broken.tflite"))


def test_damaged_files_never_crash_the_reader():
    data = bytearray(small_model())
    rng = Random(1)
    for _ in range(60):
        broken = bytearray(data)
        for _ in range(3):
            broken[rng.randrange(8, min(4000, len(broken)))] = rng.randrange(256)
        try:
            read_graph(load_model(bytes(broken), "broken.tflite"))
        except ConvertError:
            continue
