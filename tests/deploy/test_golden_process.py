"""Golden outputs by a process of their own: the wheel's, and no model brings munas down."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import numpy as np
import pytest

from munas.arch import Architecture
from munas.deploy.convert import convert_random
from munas.deploy.golden import GoldenRunner
from munas.deploy.golden_process import GoldenProcess
from munas.deploy.model_file import kind_of, load_model, save_model
from munas.errors import ConvertError
from munas.latency.oracle import ask_oracle, check_model

ARCHITECTURE = {
    "space": "cnn",
    "input": [8, 8, 1],
    "classes": 4,
    "blocks": [
        {
            "branch": False,
            "layers": [
                {
                    "type": "conv",
                    "filters": 4,
                    "kernel": 3,
                    "stride": 1,
                    "bn": False,
                    "relu": True,
                    "prepool": False,
                }
            ],
        }
    ],
    "pool": {"type": "max", "size": 2},
    "dense": [10],
}


@pytest.fixture(scope="module")
def model() -> bytes:
    return convert_random(Architecture.from_dict(ARCHITECTURE), 0).data


@pytest.fixture
def golden() -> Iterator[GoldenProcess]:
    process = GoldenProcess()
    yield process
    process.close()


def malicious(model: bytes) -> bytes:
    """A dense layer whose output is far larger than its weights say."""
    opened = load_model(model, "model")
    graph = opened.subgraphs[0]
    dense = next(op for op in graph.operators if kind_of(opened, op) == "FULLY_CONNECTED")
    graph.tensors[int(dense.outputs[0])].shape = np.array([1, 1240], np.int32)
    return save_model(opened)


def test_outputs_are_the_wheels(model: bytes, golden: GoldenProcess) -> None:
    checked = check_model("model", model)
    inputs = [checked.input(index) for index in range(3)]
    runner = GoldenRunner(model)
    assert golden.outputs(model, inputs) == tuple(runner.run(each).tobytes() for each in inputs)
    assert golden.outputs(model, inputs[:1]) == (runner.run(inputs[0]).tobytes(),)


def test_a_model_that_breaks_the_wheel_is_a_bad_model(model: bytes, golden: GoldenProcess) -> None:
    bad = check_model("bad", malicious(model))
    with pytest.raises(ConvertError, match=r"breaks down \(SIG\w+\)"):
        golden.outputs(bad.data, [bad.input(0)])
    good = check_model("good", model)
    assert len(golden.outputs(model, [good.input(0)])[0]) == 4, "the next model is answered"


def test_the_oracle_refuses_it_too(model: bytes) -> None:
    with pytest.raises(ConvertError, match="damaged or malicious"):
        ask_oracle(check_model("bad", malicious(model)))


def test_a_model_that_never_ends_is_a_bad_model(model: bytes) -> None:
    impatient = GoldenProcess(longest_s=0.0)
    with pytest.raises(ConvertError, match="does not end within 0 s"):
        impatient.outputs(model, [check_model("model", model).input(0)])
    impatient.close()


def test_a_process_that_was_killed_is_started_again(model: bytes, golden: GoldenProcess) -> None:
    inputs = [check_model("model", model).input(0)]
    before = golden.outputs(model, inputs)
    assert golden._process is not None
    os.kill(golden._process.pid, signal.SIGKILL)
    golden._process.wait()
    assert golden.outputs(model, inputs) == before


def test_huge_tensors_are_refused_before_anything_is_made_of_them(model: bytes) -> None:
    opened = load_model(model, "model")
    graph = opened.subgraphs[0]
    graph.tensors[int(graph.inputs[0])].shape = np.array([1, 60_000, 60_000, 8], np.int32)
    with pytest.raises(ConvertError, match="more than any board here holds"):
        check_model("huge", save_model(opened))
