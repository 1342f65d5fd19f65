"""Engine `aot`: a batch of int8 models to the C files of one image, by bakenn.

The only file that knows bakenn. What it writes into a folder:

    bknn_mNNN*.c, .h    model NNN, its weights and its calls of kernels
    aot_batch.c         the table that firmware/lib/engine/aot_models.h declares
    kernels/            CMSIS-NN as bakenn ships it; the same for every batch

File names are constant, and a file whose contents do not change is not touched, so a build compiles
only what is new. Output bytes are not checked here: every measurement checks them against the
tflite-micro wheel. Must not know of boards or of how the files are compiled.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import numpy as np

from munas.deploy.engines.pins import BAKENN, CMSIS_NN_OF_BAKENN
from munas.deploy.model_file import kind_of, load_model, save_model
from munas.errors import ConvertError, missing_extra

Kernels = Literal["cmsis-nn", "portable"]
REVISION = f"bakenn {BAKENN}"
ADAPTER = 2
"""To be raised with every change of what this file writes: images that were built before are then
built anew."""
MAX_ARENA_ALIGNMENT = 16


@dataclass(frozen=True)
class AotModel:
    """One model of a batch: `operators` are the indices of the .tflite's operators, in order."""

    name: str
    sha256: str
    prefix: str
    arena_bytes: int
    operators: tuple[int, ...]
    kernels: tuple[str, ...]


def available() -> bool:
    """Whether the extra `aot` is installed."""
    return find_spec("bakenn") is not None


def kernel_set(kernels: Kernels) -> str:
    """The name of the kernels that results carry; without spaces, for a compiler's option."""
    return f"cmsis-nn-{CMSIS_NN_OF_BAKENN}" if kernels == "cmsis-nn" else "bakenn-portable"


def generate(
    models: Sequence[tuple[str, bytes]], folder: Path, kernels: Kernels = "cmsis-nn"
) -> list[AotModel]:
    """Write the C files of `models` ((name, .tflite bytes) each) into `folder`.

    What stands there from another batch goes. Raises ConvertError for a model that the engine does
    not take, and MissingExtraError.
    """
    if not available():
        raise missing_extra("aot", "The engine aot")
    with tempfile.TemporaryDirectory(prefix="munas-aot-") as temporary:
        new = Path(temporary)
        made = [_one(index, name, data, new, kernels) for index, (name, data) in enumerate(models)]
        (new / "aot_batch.c").write_text(_table(made, new))
        for path in new.glob("*.json"):
            path.unlink()
        if kernels == "cmsis-nn":
            _add_kernels(new / "kernels")
        (new / "KERNELS").write_text(kernel_set(kernels))
        _replace(new, folder)
    return [model for model, _ in made]


def _one(
    index: int, name: str, data: bytes, folder: Path, kernels: Kernels
) -> tuple[AotModel, _Shape]:
    model = load_model(data, name)
    match_bias_scales(model)
    symbol = f"m{index:03d}"
    prefix = f"bknn_{symbol}"
    with tempfile.TemporaryDirectory(prefix="munas-bakenn-") as temporary:
        artifacts = _compile(save_model(model), Path(temporary), symbol, kernels, name).artifacts
        for path in Path(temporary).glob(f"{prefix}*.[ch]"):
            shutil.copy(path, folder / path.name)
    steps = artifacts.memory_report.steps
    operators = tuple(_operator_index(step.name, name) for step in steps)
    kinds = [kind_of(model, operator) for operator in model.subgraphs[0].operators]
    report = artifacts.memory_report
    if report.arena_alignment > MAX_ARENA_ALIGNMENT:
        raise ConvertError(f"{name} wants an arena aligned to {report.arena_alignment} bytes.")
    made = AotModel(
        name=name,
        sha256=hashlib.sha256(data).hexdigest(),
        prefix=prefix,
        arena_bytes=report.arena_bytes,
        operators=operators,
        kernels=tuple(step.kernel_id for step in steps),
    )
    marked = _marked((folder / f"{prefix}.c").read_text(), prefix, len(steps))
    if marked is not None:
        (folder / f"{prefix}_marked.c").write_text(marked)
    shape = _Shape(
        report.arena_alignment, tuple(kinds[i] for i in operators), _tensors(model), bool(marked)
    )
    return made, shape


def _compile(data: bytes, folder: Path, symbol: str, kernels: Kernels, name: str) -> Any:
    from bakenn.backend.portable_c import CBackendOptions, KernelPolicy
    from bakenn.compiler import compile_tflite
    from bakenn.errors import BakeNNError
    from bakenn.targets import CORTEX_M4, PORTABLE_32

    optimised = kernels == "cmsis-nn"
    options = CBackendOptions(
        kernel_policy=KernelPolicy.STATIC_PRIORITY if optimised else KernelPolicy.PORTABLE,
        enable_cmsis_nn=optimised,
        target=CORTEX_M4 if optimised else PORTABLE_32,
    )
    _scale_dense_layers_as_tflm()
    try:
        return compile_tflite(data, folder, name=symbol, backend_options=options)
    except (BakeNNError, ValueError) as error:
        raise ConvertError(
            f"The engine aot does not take {name}: {str(error).splitlines()[0]}",
            "It takes CONV_2D, DEPTHWISE_CONV_2D, FULLY_CONNECTED, ADD, PAD, RESHAPE and pooling; "
            "the engine tflm takes more.",
        ) from None


@cache
def _scale_dense_layers_as_tflm() -> None:
    """Have bakenn scale dense layers as TensorFlow Lite Micro does, for the life of this process.

    Of a dense layer with one weight scale, TensorFlow Lite Micro multiplies input and weight scale
    as floats (`GetQuantizedConvolutionMultipler`), bakenn as doubles. The difference is of the last
    bits and turns one answer in some thousands the other way.
    """
    from bakenn.ir import LinearOp
    from bakenn.plan.lower import lower_op
    from bakenn.quantization.fixedpoint import quantize_multiplier

    lower = lower_op.dispatch(LinearOp)

    def lower_linear(op: Any, graph: Any) -> Any:
        step = lower(op, graph)
        source, weight, output = (
            graph.values[value].qparams for value in (op.input, op.weight, op.output)
        )
        if len(set(weight.scales)) != 1:
            return step
        product = np.float32(source.scale) * np.float32(weight.scales[0])
        multiplier, shift = quantize_multiplier(float(product) / output.scale)
        channels = len(weight.scales)
        return replace(step, multipliers=(multiplier,) * channels, shifts=(shift,) * channels)

    lower_op.register(LinearOp, lower_linear)


def match_bias_scales(model: Any) -> None:
    """Make every bias' scale the exact product of input and weight scale, rounded once.

    The converter rounds it otherwise now and then, by one unit in the last place; bakenn compares
    exactly. TensorFlow Lite Micro computes with input and weight scales alone.
    """
    tensors = model.subgraphs[0].tensors
    for operator in model.subgraphs[0].operators:
        weighted = kind_of(model, operator) in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
        if not weighted or len(operator.inputs) < 3 or operator.inputs[2] < 0:
            continue
        source, weights, bias = (tensors[int(i)].quantization for i in operator.inputs[:3])
        if any(part is None or part.scale is None for part in (source, weights, bias)):
            continue
        product = np.float64(source.scale[0]) * np.asarray(weights.scale, np.float64)
        if np.allclose(product, bias.scale, rtol=1e-5, atol=0):
            bias.scale = product.astype(np.float32)


@dataclass(frozen=True)
class _Shape:
    """What the table needs besides."""

    arena_alignment: int
    kinds: tuple[str, ...]
    tensors: tuple[str, str]
    marked: bool


def _operator_index(step: str, name: str) -> int:
    found = re.fullmatch(r"tflite_(\d+)_\w+", step)
    if found is None:
        raise ConvertError(f"bakenn calls a step of {name} {step!r}, which names no operator.")
    return int(found.group(1))


def _tensors(model: Any) -> tuple[str, str]:
    """C initialisers of input and output tensor."""
    graph = model.subgraphs[0]
    return _tensor(graph.tensors[graph.inputs[0]]), _tensor(graph.tensors[graph.outputs[0]])


def _tensor(tensor: Any) -> str:
    shape = [int(side) for side in tensor.shape]
    sides = ", ".join(map(str, (shape + [0] * 4)[:4]))
    scale = float(np.float32(tensor.quantization.scale[0])).hex()
    zero = int(tensor.quantization.zeroPoint[0])
    return f"{{{int(np.prod(shape))}, {len(shape)}, {{{sides}}}, {scale}f, {zero}}}"


def _marked(source: str, prefix: str, steps: int) -> str | None:
    """The model's file with a mark after each step; None where it cannot be cut into the steps.

    bakenn separates the steps' code by blank lines.
    """
    start, brace, body = source.partition("    (void)arena;\n")
    body, closing, _ = body.rpartition("\n}\n")
    parts = body.split("\n\n")
    if not brace or not closing or len(parts) != steps:
        return None
    marks = "\n\n".join(f"{part}\n    munas_aot_mark({i}u);" for i, part in enumerate(parts))
    start = start.replace(f"void {prefix}_infer(", f"void {prefix}_infer_marked(")
    return f'#include "aot_models.h"\n{start}{brace}{marks}{closing}'


def _table(made: Iterable[tuple[AotModel, _Shape]], folder: Path) -> str:
    """aot_batch.c: one wrapper a function, one row a model."""
    del folder
    lines = ['#include "aot_models.h"', "#include <stddef.h>", ""]
    rows = []
    count = 0
    for model, shape in made:
        prefix, count = model.prefix, count + 1
        lines.append(f'#include "{prefix}.h"')
        functions = [f"{prefix}_infer"] + ([f"{prefix}_infer_marked"] if shape.marked else [])
        if shape.marked:
            lines.append(
                f"void {prefix}_infer_marked(uint8_t *arena, const int8_t *input, int8_t *output);"
            )
        for function in functions:
            lines.append(
                f"static int run_{function}(void *arena, const int8_t *input, int8_t *output) "
                f"{{ {function}((uint8_t *)arena, input, output); return 0; }}"
            )
        names = ", ".join(f'"{kind}"' for kind in shape.kinds)
        lines.append(f"static const char *const {prefix}_operators[] = {{{names}}};")
        marked = f"run_{prefix}_infer_marked" if shape.marked else "NULL"
        rows.append(
            f'  {{"{_plain(model.name)}", "{model.sha256}", "{REVISION}", {model.arena_bytes}u, '
            f"{shape.arena_alignment}u, {shape.tensors[0]}, {shape.tensors[1]}, "
            f"{len(shape.kinds)}u, {prefix}_operators, run_{prefix}_infer, {marked}}},"
        )
    body = "\n".join(rows) if rows else "  {0},"
    lines += ["", f"const munas_aot_model munas_aot_models[] = {{\n{body}\n}};"]
    lines.append(f"const uint32_t munas_aot_model_count = {count}u;")
    return "\n".join(lines) + "\n"


def _plain(name: str) -> str:
    """A name that is safe within a C string; at most 63 characters."""
    return re.sub(r"[^A-Za-z0-9_.+-]", "_", name)[:63]


def _add_kernels(folder: Path) -> None:
    """CMSIS-NN as bakenn ships it, whole: which of it is linked is the linker's business."""
    spec = find_spec("bakenn.backend.cmsis_nn")
    if spec is None or not spec.submodule_search_locations:
        raise missing_extra("aot", "The engine aot")
    vendor = Path(next(iter(spec.submodule_search_locations))) / "vendor"
    for part in ("cmsis_nn", "cmsis_core"):
        shutil.copytree(
            vendor / part,
            folder / part,
            ignore=shutil.ignore_patterns("*.py", "__pycache__"),
        )


def _replace(new: Path, folder: Path) -> None:
    """Make `folder` hold what `new` holds; equal files keep their times."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted = {path.relative_to(new) for path in new.rglob("*") if path.is_file()}
    for path in [path for path in folder.rglob("*") if path.is_file()]:
        if path.relative_to(folder) not in wanted:
            path.unlink()
    for relative in sorted(wanted):
        target = folder / relative
        content = (new / relative).read_bytes()
        if not target.is_file() or target.read_bytes() != content:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
