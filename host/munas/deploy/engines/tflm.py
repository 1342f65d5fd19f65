"""Engine `tflm`: TensorFlow Lite Micro's sources made into a PlatformIO library.

Upstream is no PlatformIO library. From its repository and four third parties, all at pinned
commits (see pins.py), this takes the files that the firmware's operators need, with CMSIS-NN's
kernels in place of the reference ones, and writes a `library.json` for them. The result is checked
against a digest of all its files. Must not know how the library is compiled.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from munas.deploy.engines.checkouts import Roots, fetch_all, find_roots, patch_flatbuffers
from munas.deploy.engines.pins import LIBRARY_SHA256, TFLITE_MICRO_WHEEL, TFLM, THIRD_PARTIES
from munas.errors import InfrastructureError

MANIFEST = "library.json"
RECORD = "munas.json"
_LITE = "tensorflow/lite"
_MICRO = f"{_LITE}/micro"

# Kernels of the operators that firmware/lib/engine/tflm.cpp registers. A `cmsis_nn` twin replaces
# the file of the same name.
_KERNELS = (
    "activations", "activations_common", "add", "add_common", "concatenation", "conv",
    "conv_common", "depthwise_conv", "depthwise_conv_common", "dequantize", "dequantize_common",
    "fully_connected", "fully_connected_common", "kernel_util", "logistic", "logistic_common",
    "micro_tensor_utils", "mul", "mul_common", "pad", "pad_common", "pooling", "pooling_common",
    "quantize", "quantize_common", "reduce", "reduce_common", "reshape", "reshape_common",
    "softmax", "softmax_common",
)  # fmt: skip
# debug_log.cc is the firmware's own; fakes, mocks and recorders are for tests.
_SOURCES = (
    "tensorflow/compiler/mlir/lite/core/api/error_reporter.cc",
    "tensorflow/compiler/mlir/lite/schema/schema_utils.cc",
    f"{_LITE}/core/api/flatbuffer_conversions.cc",
    f"{_LITE}/core/api/tensor_utils.cc",
    f"{_LITE}/core/c/common.cc",
    f"{_LITE}/kernels/internal/common.cc",
    f"{_LITE}/kernels/internal/portable_tensor_utils.cc",
    f"{_LITE}/kernels/internal/quantization_util.cc",
    f"{_LITE}/kernels/internal/reference/portable_tensor_utils.cc",
    f"{_LITE}/kernels/internal/runtime_shape.cc",
    f"{_LITE}/kernels/internal/tensor_ctypes.cc",
    f"{_LITE}/kernels/internal/tensor_utils.cc",
    f"{_LITE}/kernels/kernel_util.cc",
    f"{_MICRO}/arena_allocator/persistent_arena_buffer_allocator.cc",
    f"{_MICRO}/arena_allocator/non_persistent_arena_buffer_allocator.cc",
    f"{_MICRO}/arena_allocator/single_arena_buffer_allocator.cc",
    f"{_MICRO}/flatbuffer_utils.cc",
    f"{_MICRO}/memory_helpers.cc",
    f"{_MICRO}/memory_planner/greedy_memory_planner.cc",
    f"{_MICRO}/memory_planner/linear_memory_planner.cc",
    f"{_MICRO}/micro_allocation_info.cc",
    f"{_MICRO}/micro_allocator.cc",
    f"{_MICRO}/micro_context.cc",
    f"{_MICRO}/micro_interpreter.cc",
    f"{_MICRO}/micro_interpreter_context.cc",
    f"{_MICRO}/micro_interpreter_graph.cc",
    f"{_MICRO}/micro_log.cc",
    f"{_MICRO}/micro_op_resolver.cc",
    f"{_MICRO}/micro_profiler.cc",
    f"{_MICRO}/micro_resource_variable.cc",
    f"{_MICRO}/micro_time.cc",
    f"{_MICRO}/micro_utils.cc",
    f"{_MICRO}/system_setup.cc",
    f"{_MICRO}/tflite_bridge/flatbuffer_conversions_bridge.cc",
    f"{_MICRO}/tflite_bridge/micro_error_reporter.cc",
)
# What the firmware's own engine file includes.
_HEADERS = (
    f"{_MICRO}/micro_mutable_op_resolver.h",
    f"{_MICRO}/micro_profiler_interface.h",
    f"{_MICRO}/debug_log.h",
    f"{_LITE}/schema/schema_generated.h",
)
_INCLUDES = (
    ".",
    "third_party/flatbuffers/include",
    "third_party/gemmlowp",
    "third_party/ruy",
    "third_party/cmsis_nn",
    "third_party/cmsis_nn/Include",
)
_CMSIS_NN_LEFT_OUT = re.compile(r"_f16|_f32|/LSTMFunctions/|/SVDFunctions/")


def is_library(folder: Path) -> bool:
    """Whether `folder` holds a library that `install` made."""
    return (folder / MANIFEST).is_file() and (folder / RECORD).is_file()


def install(folder: Path, source: Path | str | None = None, revision: str | None = None) -> Path:
    """Make the library in `folder`.

    `source` is null for upstream, a URL of another tflite-micro repository, or a path: such a
    library, a tree of create_tflm_tree.py, or a folder with checkouts named as in pins.py.
    `revision` is another commit than the pinned one; its outputs may then differ from the wheel's.
    Raises InfrastructureError where a source cannot be reached, lacks a file, or holds other
    contents than are pinned.
    """
    path = Path(source) if source is not None and "://" not in str(source) else None
    with tempfile.TemporaryDirectory(prefix="munas-tflm-") as temporary:
        new = Path(temporary) / "library"
        wanted = revision or TFLM.revision
        if path is not None and is_library(path):
            shutil.copytree(path, new)
            wanted = json.loads((new / RECORD).read_text())["revision"]
        else:
            if path is None:
                url = None if source is None else str(source)
                roots = fetch_all(Path(temporary), url, wanted)
            else:
                roots = find_roots(path)
            _assemble(roots, new)
        digest = library_digest(new)
        if wanted == TFLM.revision and digest != LIBRARY_SHA256:
            raise InfrastructureError(
                f"The sources of TensorFlow Lite Micro are not those of {wanted[:12]}: "
                f"their digest is {digest[:12]}, pinned is {LIBRARY_SHA256[:12]}.",
                "Use checkouts at the commits of munas.deploy.engines.pins, or name theirs with "
                "--revision.",
            )
        _describe(new, wanted)
        shutil.rmtree(folder, ignore_errors=True)
        folder.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(new, folder)
    return folder


def library_digest(folder: Path) -> str:
    """SHA-256 over names and contents of all sources of a library."""
    total = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = path.relative_to(folder).as_posix()
        if name in (MANIFEST, RECORD):
            continue
        content = path.read_bytes()
        total.update(f"{len(name)} {name} {len(content)} ".encode())
        total.update(content)
    return total.hexdigest()


def _assemble(roots: Roots, folder: Path) -> None:
    """Copy the sources, the headers that they include, and the licences."""
    sources = [*_SOURCES, *_kernel_files(roots.tflm)]
    for name in sources:
        _copy(roots.tflm / name, folder / name)
    cmsis = [
        path
        for path in sorted((roots.cmsis_nn / "Source").rglob("*.c"))
        if not _CMSIS_NN_LEFT_OUT.search(path.as_posix())
    ]
    for path in cmsis:
        relative = path.relative_to(roots.cmsis_nn)
        _copy(path, folder / "third_party/cmsis_nn" / relative)
    for path in sorted((roots.cmsis_nn / "Include").rglob("*.h")):
        _copy(path, folder / "third_party/cmsis_nn" / path.relative_to(roots.cmsis_nn))
    _copy_headers(roots, folder, [*sources, *_HEADERS])
    for part, root in roots.by_folder().items():
        for licence in ("LICENSE", "LICENSE.txt"):
            if (root / licence).is_file():
                _copy(root / licence, folder / part / licence)
    patch_flatbuffers(folder / "third_party/flatbuffers", roots.tflm)


def _kernel_files(tflm: Path) -> Iterator[str]:
    for name in _KERNELS:
        twin = f"{_MICRO}/kernels/cmsis_nn/{name}.cc"
        yield twin if (tflm / twin).is_file() else f"{_MICRO}/kernels/{name}.cc"


def _copy_headers(roots: Roots, folder: Path, start: list[str]) -> None:
    """Everything that the sources include, directly or not, from the roots that have it."""
    places = {
        "": roots.tflm,
        "third_party/flatbuffers/include/": roots.flatbuffers / "include",
        "third_party/gemmlowp/": roots.gemmlowp,
        "third_party/ruy/": roots.ruy,
    }
    pending = [(roots.tflm / name, name) for name in start]
    seen = {name for _, name in pending}
    while pending:
        path, name = pending.pop()
        if not (folder / name).is_file():
            _copy(path, folder / name)
        text = path.read_text(encoding="utf-8", errors="replace")
        for included in re.findall(r'^\s*#\s*include\s+["<]([^">]+)[">]', text, re.MULTILINE):
            near = [(path.parent / included, str(Path(name).parent / included))]
            far = [(root / included, prefix + included) for prefix, root in places.items()]
            for candidate, target in far + near:
                if candidate.is_file() and target not in seen:
                    seen.add(target)
                    pending.append((candidate, target))
                    break


def _copy(path: Path, target: Path) -> None:
    if not path.is_file():
        raise InfrastructureError(
            f"The sources of TensorFlow Lite Micro lack {path}.",
            "They are of another revision than the pinned one, or not whole.",
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, target)


def _describe(folder: Path, revision: str) -> None:
    kernels = next(party.revision for party in THIRD_PARTIES if party.name == "CMSIS-NN")
    pinned = revision == TFLM.revision
    record = {
        "revision": revision,
        "kernels": f"cmsis-nn-{kernels[:8]}" if pinned else "cmsis-nn",
        "wheel": TFLITE_MICRO_WHEEL if pinned else None,
        "digest": library_digest(folder),
    }
    manifest = {
        "name": folder.name if folder.name != "library" else "munas_tflm",
        "version": "1.0.0",
        "description": "TensorFlow Lite Micro with the kernels of CMSIS-NN",
        "license": "Apache-2.0",
        "build": {
            "srcDir": ".",
            "includeDir": ".",
            "srcFilter": ["+<tensorflow/**/*.cc>", "+<third_party/cmsis_nn/Source/**/*.c>"],
            "flags": [*(f"-I{path}" for path in _INCLUDES), "-w"],
            "libLDFMode": "off",
            "libArchive": True,
        },
    }
    (folder / RECORD).write_text(json.dumps(record, indent=2) + "\n")
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n")
