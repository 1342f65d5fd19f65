"""A PlatformIO project that runs one model: the engine aot's C code, and a check of its answers.

The program runs inputs whose answers TensorFlow Lite Micro gave on the host, says whether it gives
the same bytes, and how many cycles it took. Must not know boards beyond what is handed in.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from munas.deploy.engines.aot import AotModel, Kernels, generate
from munas.deploy.model_file import load_model, shape_of

Int8 = npt.NDArray[np.int8]


@dataclass(frozen=True)
class Target:
    """A PlatformIO environment to write: `board` is PlatformIO's name, `kernels` what it runs."""

    name: str
    board: str
    kernels: Kernels


def write_project(
    folder: Path,
    data: bytes,
    target: Target,
    inputs: Sequence[Int8],
    outputs: Sequence[bytes],
) -> AotModel:
    """Write the project of the int8 .tflite `data` into `folder` (made here).

    `outputs` are what the model must answer to `inputs`. Raises ConvertError for a model that the
    engine aot does not take.
    """
    library = folder / "lib" / "model"
    (folder / "src").mkdir(parents=True)
    (model,) = generate([("model", data)], library, target.kernels)
    for name in ("aot_batch.c", "KERNELS", f"{model.prefix}_marked.c"):
        (library / name).unlink(missing_ok=True)
    (library / "model.h").write_text(_header(model, data))
    (library / "model.c").write_text(_WRAPPER.replace("PREFIX", model.prefix))
    (library / "library.json").write_text(_library(library))
    (folder / "src" / "main.cpp").write_text(_MAIN)
    (folder / "src" / "vectors.h").write_text(_vectors(inputs, outputs))
    (folder / "platformio.ini").write_text(_INI.format(name=target.name, board=target.board))
    return model


def _header(model: AotModel, data: bytes) -> str:
    graph = load_model(data, model.name).subgraphs[0]
    source, result = (graph.tensors[int(i)] for i in (graph.inputs[0], graph.outputs[0]))
    define = []
    for name, tensor in (("INPUT", source), ("OUTPUT", result)):
        shape = shape_of(tensor)[1:]
        define += [
            f"#define MODEL_{name}_BYTES {int(np.prod(shape))}",
            f"#define MODEL_{name}_SCALE {float(tensor.quantization.scale[0])!r}f",
            f"#define MODEL_{name}_ZERO_POINT {int(tensor.quantization.zeroPoint[0])}",
        ]
        define.append(f"/* {name.lower()} shape: {' x '.join(map(str, shape))} */")
    return f"""/* The model: int8 in, int8 out. real = (stored - ZERO_POINT) * SCALE.
   SHA-256 of the .tflite: {model.sha256}; its arena takes {model.arena_bytes} bytes of RAM. */
#ifndef MODEL_H
#define MODEL_H

#include <stdint.h>

{chr(10).join(define)}
#define MODEL_ARENA_BYTES {model.arena_bytes}

#ifdef __cplusplus
extern "C" {{
#endif

/* One inference. Not reentrant: it uses one arena. */
void model_infer(const int8_t input[MODEL_INPUT_BYTES], int8_t output[MODEL_OUTPUT_BYTES]);

#ifdef __cplusplus
}}
#endif

#endif
"""


_WRAPPER = """#include "model.h"

#include <stddef.h>

#include "PREFIX.h"

#if MODEL_ARENA_BYTES > 0
#if defined(__GNUC__)
__attribute__((aligned(16)))
#endif
static uint8_t arena[MODEL_ARENA_BYTES];
#define MODEL_ARENA arena
#else
#define MODEL_ARENA NULL
#endif

void model_infer(const int8_t input[MODEL_INPUT_BYTES], int8_t output[MODEL_OUTPUT_BYTES]) {
  PREFIX_infer(MODEL_ARENA, input, output);
}
"""


def _library(library: Path) -> str:
    folders = sorted(
        path.relative_to(library).as_posix()
        for path in library.glob("kernels/**/Include")
        if path.is_dir()
    )
    build = {"srcDir": ".", "includeDir": ".", "flags": [f"-I{folder}" for folder in folders]}
    return json.dumps({"name": "model", "version": "1.0.0", "build": build}, indent=2) + "\n"


def _vectors(inputs: Sequence[Int8], outputs: Sequence[bytes]) -> str:
    def rows(values: Sequence[bytes]) -> str:
        signed = (np.frombuffer(value, np.int8) for value in values)
        return ",\n".join("  {" + ",".join(map(str, row)) + "}" for row in signed)

    return f"""/* Random inputs, and what TensorFlow Lite Micro answers to them. */
#pragma once
#include "model.h"

constexpr int kVectors = {len(inputs)};
const int8_t kInputs[kVectors][MODEL_INPUT_BYTES] = {{
{rows([each.tobytes() for each in inputs])}
}};
const int8_t kOutputs[kVectors][MODEL_OUTPUT_BYTES] = {{
{rows(outputs)}
}};
"""


_MAIN = """// Runs the model on inputs with known answers, and says how long it takes.
// Replace vectors.h by your own input: model.h says how it is quantised.
#include <Arduino.h>
#include <string.h>

#include "model.h"
#include "vectors.h"

static int8_t output[MODEL_OUTPUT_BYTES];

void setup() {
  Serial.begin(115200);
  CoreDebug->DEMCR |= CoreDebug_DEMCR_TRCENA_Msk;
#if defined(__CORTEX_M) && __CORTEX_M == 7
  DWT->LAR = 0xC5ACCE55;
#endif
  DWT->CTRL |= DWT_CTRL_CYCCNTENA_Msk;
}

void loop() {
  for (int i = 0; i < kVectors; ++i) {
    const uint32_t begun = DWT->CYCCNT;
    model_infer(kInputs[i], output);
    const uint32_t cycles = DWT->CYCCNT - begun;
    const bool right = memcmp(output, kOutputs[i], sizeof output) == 0;
    Serial.print(right ? "OK, " : "WRONG ANSWER, ");
    Serial.print(cycles);
    Serial.println(" cycles");
  }
  delay(2000);
}
"""

_INI = """; `pio run -t upload`, then `pio device monitor`. Needs PlatformIO's registry once.
[env:{name}]
platform = ststm32@19.6.0
framework = arduino
board = {board}
monitor_speed = 115200
build_unflags = -Os
build_flags = -O2
"""
