from __future__ import annotations

import hashlib
import math
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from munas.arch import Architecture
from munas.deploy.convert import convert_random
from munas.deploy.engines import aot
from munas.deploy.engines.aot import generate, match_bias_scales
from munas.deploy.golden import GoldenRunner
from munas.deploy.model_file import load_model, save_model
from munas.errors import ConvertError
from munas.resources import data_root

pytestmark = pytest.mark.skipif(not aot.available(), reason="needs the extra `aot`")
SMALL = (Path(__file__).parents[1] / "data" / "small.tflite").read_bytes()
TABLE = data_root() / "firmware" / "lib" / "engine"

MAIN = r"""
#include <stdio.h>
#include "aot_models.h"
static int marks = 0;
void munas_aot_mark(uint32_t index) { marks += (int)index == marks; }
static unsigned char arena[65536] __attribute__((aligned(16)));
static int8_t input[4096], output[256];
int main(void) {
  for (uint32_t m = 0; m < munas_aot_model_count; ++m) {
    const munas_aot_model* model = &munas_aot_models[m];
    if (fread(input, 1, model->input.bytes, stdin) != model->input.bytes) return 1;
    marks = 0;
    model->infer(model->arena_bytes ? arena : 0, input, output);
    fwrite(output, 1, model->output.bytes, stdout);
    model->infer_marked(arena, input, output);
    fwrite(output, 1, model->output.bytes, stdout);
    if (marks != model->operator_count) return 2;
  }
  return 0;
}
"""


def test_a_batch_computes_what_the_wheel_does(tmp_path: Path) -> None:
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("needs a C compiler")
    models = generate([("one", SMALL), ("two", SMALL)], tmp_path, "portable")
    assert [model.sha256 for model in models] == [hashlib.sha256(SMALL).hexdigest()] * 2
    (tmp_path / "main.c").write_text(MAIN)
    sources = [str(path) for path in sorted(tmp_path.glob("*.c"))]
    program = tmp_path / "run"
    subprocess.run(
        [compiler, "-std=c11", "-O1", "-Werror", "-fsanitize=undefined", f"-I{TABLE}",
         f"-I{tmp_path}", *sources, "-o", str(program)],
        check=True,
    )  # fmt: skip
    inputs = np.random.default_rng(5).integers(-128, 128, (2, 12, 12, 1), np.int8)
    done = subprocess.run([program], input=inputs.tobytes(), capture_output=True, check=True)
    golden = GoldenRunner(SMALL)
    expected = b"".join(2 * golden.run(stored).tobytes() for stored in inputs)
    assert done.stdout == expected
    assert done.stderr == b""


def test_the_same_models_touch_no_file_and_others_leave_no_trace(tmp_path: Path) -> None:
    generate([("one", SMALL), ("two", SMALL)], tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    assert any("kernels" in str(path) for path in before)
    generate([("one", SMALL), ("two", SMALL)], tmp_path)
    assert before == {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*") if p.is_file()}
    generate([("other", SMALL)], tmp_path)
    assert not list(tmp_path.glob("*m001*"))
    # Only the table names the model: its own code need not be compiled again.
    changed = [p for p in before if p.is_file() and p.stat().st_mtime_ns != before[p]]
    assert [path.name for path in changed] == ["aot_batch.c"]


def test_an_empty_batch_is_an_image_without_models(tmp_path: Path) -> None:
    assert generate([], tmp_path) == []
    assert "munas_aot_model_count = 0u" in (tmp_path / "aot_batch.c").read_text()


def test_a_bias_scale_one_unit_off_is_taken_and_a_wrong_one_is_not(tmp_path: Path) -> None:
    model = load_model(SMALL, "small")
    bias = model.subgraphs[0].tensors[model.subgraphs[0].operators[0].inputs[2]].quantization
    exact = np.array(bias.scale, np.float32)
    bias.scale = np.nextafter(exact, np.float32(1))
    generate([("nudged", save_model(model))], tmp_path)
    match_bias_scales(model)
    assert np.array_equal(np.asarray(bias.scale, np.float32), exact)
    bias.scale = exact * np.float32(1.5)
    with pytest.raises(ConvertError, match="wrong"):
        generate([("wrong", save_model(model))], tmp_path)


def test_names_cannot_break_the_table(tmp_path: Path) -> None:
    generate([('a"\\\n/evil ' + 100 * "x", SMALL)], tmp_path)
    table = (tmp_path / "aot_batch.c").read_text()
    assert "a____evil_xxx" in table
    assert "\\" not in table


def test_dense_layers_are_scaled_as_tensorflow_lite_micro_does(tmp_path: Path) -> None:
    """Its product of scales is a float's: one answer in some thousands goes the other way else."""
    network = {"space": "mlp", "input": [8, 8, 1], "classes": 10, "dense": [20, 30, 40, 50]}
    data = convert_random(Architecture.from_dict(network), 3).data
    generate([("dense", data)], tmp_path, "portable")
    text = (tmp_path / "bknn_m000_weights.c").read_text()
    graph = load_model(data, "dense").subgraphs[0]
    dense = [operator for operator in graph.operators if len(operator.inputs) == 3]
    found, floats, doubles = [], [], []
    for number, operator in enumerate(graph.operators):
        if operator not in dense:
            continue
        source, weight, output = (
            np.float32(graph.tensors[int(i)].quantization.scale[0])
            for i in (operator.inputs[0], operator.inputs[1], operator.outputs[0])
        )
        listed = re.search(rf"op{number}_multiplier\[\d+\] = \{{([^}}]*)\}}", text)
        assert listed is not None
        found.append(int(re.findall(r"-?\d+", listed[1])[0]))
        floats.append(q31(float(source * weight) / float(output)))
        doubles.append(q31(float(source) * float(weight) / float(output)))
    assert found == floats
    assert floats != doubles, "or this test could not fail"


def q31(real: float) -> int:
    """The multiplier of QuantizeMultiplier; its shift does not matter here."""
    return round(math.frexp(real)[0] * 2**31)
