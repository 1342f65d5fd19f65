"""Architectures, durations and sources in words."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from munas.arch import Architecture, sample
from munas.report.words import architecture, duration, latency_sentence

BRANCHED: dict[str, Any] = {
    "space": "cnn",
    "input": [28, 28, 1],
    "classes": 10,
    "blocks": [
        {
            "branch": False,
            "layers": [
                {
                    "type": "conv", "filters": 8, "kernel": 3, "stride": 2,
                    "bn": True, "relu": True, "prepool": True,
                },
                {"type": "conv1x1", "filters": 1, "bn": False, "relu": False, "prepool": False},
            ],
        },
        {
            "branch": True,
            "layers": [
                {
                    "type": "dwconv", "kernel": 5, "stride": 1,
                    "bn": False, "relu": True, "prepool": False,
                }
            ],
        },
    ],
    "pool": {"type": "max", "size": 2},
    "dense": [10],
}  # fmt: skip


def test_an_architecture_in_words() -> None:
    assert architecture(BRANCHED) == [
        "Input 28×28×1",
        "Block 1: max-pool 2×2, conv 3×3, 8 filters, stride 2, batch norm, ReLU; "
        "conv 1×1, 1 filter → 6×6×1",
        "Block 2, parallel to block 1, joined by addition: depthwise conv 5×5, ReLU → 24×24×1",
        "Max pooling, 2×2",
        "Dense, 10 units, ReLU",
        "Output, 10 logits",
    ]


def test_windows_over_time_have_one_column() -> None:
    block = BRANCHED["blocks"][0]
    strided = {**block["layers"][0], "kernel": 11, "stride": 4}
    series = {**BRANCHED, "space": "cnn1d", "input": [28, 1, 1]}
    series["blocks"] = [{**block, "layers": [strided]}]
    assert architecture(series) == [
        "Input 28×1×1",
        "Block 1: max-pool 2×1, conv 11×1, 8 filters, stride 4, batch norm, ReLU → 1×1×8",
        "Max pooling, 2×1",
        "Dense, 10 units, ReLU",
        "Output, 10 logits",
    ]


@pytest.mark.parametrize("space", ["cnn", "cnn1d", "mlp"])
def test_every_architecture_has_words(space: Any) -> None:
    rng = Random(1)
    for _ in range(30):
        shape = (64, 1, 3) if space == "cnn1d" else (28, 28, 1)
        drawn = sample(rng, shape, 2, space=space, sampling="extended")
        lines = architecture(drawn.as_dict())
        assert lines is not None
        assert lines[-1] == "Output, 1 logit"
        blocks = drawn.as_dict().get("blocks", [])
        assert sum(line.startswith("Block") for line in lines) == len(blocks)
        assert Architecture.from_dict(drawn.as_dict()) == drawn


def test_an_unknown_architecture_has_none() -> None:
    assert architecture({"space": "transformer"}) is None


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.0, "0.0 s"), (59.94, "59.9 s"), (60, "1 min 00 s"), (3599.6, "1 h 00 min")],
)
def test_durations(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_only_silicon_is_measured_on_the_board() -> None:
    for source in ("emulated", "predicted", "mac", "not recorded", "anything"):
        sentence = latency_sentence({"latency_source": source, "board": "b", "engine": "aot"})
        assert "Measured on the board" not in sentence
        assert sentence.endswith("Target board: b, engine aot.")
    assert "Measured on the board." in latency_sentence({"latency_source": "silicon"})
