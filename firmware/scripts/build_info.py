"""After PlatformIO has settled all flags: writes what the image tells of itself.

The digest is of the firmware's sources alone, so two images of the same sources carry the same one
wherever they were built. PlatformIO runs this file (see platformio.ini).
"""

import hashlib
import json
from pathlib import Path

Import("env")  # noqa: F821 (SCons)

SOURCES = ("src", "lib", "ld", "platforms", "scripts")
SUFFIXES = {".c", ".cc", ".cpp", ".h", ".ld", ".json", ".py"}


def source_digest(project):
    """SHA-256 over relative paths and contents of all sources of the firmware."""
    total = hashlib.sha256()
    files = (
        path
        for folder in SOURCES
        for path in (project / folder).rglob("*")
        if path.suffix in SUFFIXES and path.is_file()
    )
    for path in sorted(files):
        name = path.relative_to(project).as_posix().encode()
        content = path.read_bytes()
        total.update(b"%d %s %d " % (len(name), name, len(content)))
        total.update(content)
    return total.hexdigest()


def effective_flags(env):
    """Machine, optimisation and code generation flags, in the order the compiler sees them."""
    words = env.subst("$CCFLAGS $CXXFLAGS").split()
    return " ".join(
        word
        for word in words
        if word.startswith(("-O", "-m", "-f", "-std"))
        and "=/" not in word
        and "prefix-map" not in word
    )


def write_if_changed(path, text):
    if not path.is_file() or path.read_text() != text:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


project = Path(env.subst("$PROJECT_DIR"))  # noqa: F821
# The linker chooses the C library's variant by the same FPU flag.
for flag in env.Flatten(env["CCFLAGS"]):  # noqa: F821
    if str(flag).startswith("-mfpu=") and flag not in env["LINKFLAGS"]:  # noqa: F821
        env.Append(LINKFLAGS=[flag])  # noqa: F821
if env.GetProjectOption("framework", None):  # noqa: F821
    # Sections of ld/arduino.ld that the platform's count of flash does not know.
    counted = env["SIZEPROGREGEXP"].replace(  # noqa: F821
        r"\.text|", r"\.text|\.munas_kernels|\.aot_models|"
    )
    env.Replace(SIZEPROGREGEXP=counted)  # noqa: F821
definitions = {
    "MUNAS_SOURCE_DIGEST": source_digest(project),
    "MUNAS_FLAGS": effective_flags(env),  # noqa: F821
    "MUNAS_BOARD": env.subst("$PIOENV"),  # noqa: F821
}
header = "".join(f"#define {name} {json.dumps(value)}\n" for name, value in definitions.items())
write_if_changed(Path(env.subst("$BUILD_DIR"), "generated", "munas_build_info.h"), header)  # noqa: F821
