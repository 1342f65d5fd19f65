"""Before a build: chooses the engine and adds the files that go with it.

PlatformIO runs this file (see platformio.ini). Models and their kernels are sources outside the
project's folders, so that new ones never make PlatformIO throw away what is built.
"""

import json
import os
from pathlib import Path

Import("env")  # noqa: F821 (SCons)

engine = os.environ.get("MUNAS_ENGINE", "aot")
scripts = Path(env.subst("$PROJECT_DIR"), "scripts")  # noqa: F821
generated = Path(env.subst("$BUILD_DIR"), "generated")  # noqa: F821

env.Append(CPPPATH=[str(generated)])  # noqa: F821


def build_as(folder, which, suffix):
    """Compile sources to objects whose names end in `suffix`.

    The linker script knows them by it: unlike any other part of a path, no folder's name ends so.
    """
    nodes = env.CollectBuildFiles("$BUILD_DIR/models", str(folder), which)  # noqa: F821
    env.Append(PIOBUILDFILES=[env.Object(node, OBJSUFFIX=suffix) for node in nodes])  # noqa: F821


if engine == "aot":
    default_models = scripts.parent / "models"
    models = Path(os.environ.get("MUNAS_MODELS") or default_models)
    table = Path(env.subst("$PROJECT_DIR"), "lib", "engine")  # noqa: F821
    kernels = [path for path in sorted((models / "kernels").glob("**/Include")) if path.is_dir()]
    env.Append(  # noqa: F821
        CPPDEFINES=["MUNAS_ENGINE_AOT"],
        CPPPATH=[str(table), str(models), *map(str, kernels)],
    )
    if (models / "KERNELS").is_file():
        name = (models / "KERNELS").read_text().strip()
        env.Append(CPPDEFINES=[("MUNAS_KERNELS", env.StringifyMacro(name))])  # noqa: F821
    build_as(models, "+<kernels/>", ".kernel.o")
    build_as(models, "+<*.c>", ".model.o")
elif engine == "tflm":
    library = os.environ.get("MUNAS_TFLM")
    if not library or not Path(library, "library.json").is_file():
        print("MUNAS_TFLM names no TFLM library: get one with `munas engine install tflm`.")
        env.Exit(1)  # noqa: F821
    record = json.loads(Path(library, "munas.json").read_text())
    env.Append(  # noqa: F821
        CPPDEFINES=[
            "MUNAS_ENGINE_TFLM",
            ("MUNAS_ENGINE_REVISION", env.StringifyMacro(record["revision"])),  # noqa: F821
            ("MUNAS_KERNELS", env.StringifyMacro(record["kernels"])),  # noqa: F821
        ],
        LIBSOURCE_DIRS=[str(Path(library).parent)],
        # Assertions name their file; an image must not depend on where the library lies.
        CCFLAGS=[f"-ffile-prefix-map={Path(library).resolve()}=tflm"],
    )
else:
    print(f"MUNAS_ENGINE is {engine!r}; there are aot and tflm.")
    env.Exit(1)  # noqa: F821

if env.GetProjectOption("framework", None):  # noqa: F821
    # Not "-Wl,-T": PlatformIO would take it for the main script and leave that out.
    env.Append(LINKFLAGS=["-T", str(scripts.parent / "ld" / "arduino.ld")])  # noqa: F821

padding = os.environ.get("MUNAS_PADDING")
if padding:
    env.Append(LINKFLAGS=[f"-Wl,--defsym=munas_padding={int(padding)}"])  # noqa: F821

probe = os.environ.get("MUNAS_PROBE_SERIAL")
if probe:
    # Two probes on one machine: without this the wrong board may be flashed.
    env.Append(UPLOAD_FLAGS=["-c", f"adapter serial {probe}"])  # noqa: F821
