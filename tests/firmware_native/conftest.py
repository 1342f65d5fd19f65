"""Builds the firmware for this machine, with sanitizers, once a session."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from munas.resources import data_root

HERE = Path(__file__).parent
FIRMWARE = data_root() / "firmware"
# Everything above the ports and beside the engines.
SOURCES = (
    *(FIRMWARE / "lib" / "link").glob("*.cpp"),
    *(path for path in (FIRMWARE / "src").glob("*.cpp") if path.name != "main.cpp"),
    HERE / "port_native.cpp",
    HERE / "fake_engine.cpp",
)
FLAGS = (
    "-std=c++17",
    "-g",
    "-O1",
    "-Wall",
    "-Wextra",
    "-Werror",
    "-fno-exceptions",
    "-fno-rtti",
    "-fno-sanitize-recover=all",
    f"-I{FIRMWARE / 'src'}",
    f"-I{FIRMWARE / 'lib' / 'link'}",
    f"-I{FIRMWARE / 'lib' / 'engine'}",
    f"-I{HERE}",
)


def compile_native(compiler: str, sanitizers: str, sources: tuple[Path, ...], out: Path) -> None:
    """Compile and link in one go; the compiler's words are in the failure."""
    command = [compiler, *FLAGS, f"-fsanitize={sanitizers}", *map(str, sources), "-o", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="session")
def native_firmware(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The firmware as a program that speaks on its standard input and output."""
    compiler = shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        pytest.skip("no C++ compiler on this machine")
    out = tmp_path_factory.mktemp("native") / "firmware"
    sources = (*SOURCES, FIRMWARE / "src" / "main.cpp", HERE / "harness_stdio.cpp")
    compile_native(compiler, "address,undefined", sources, out)
    return out


@pytest.fixture(scope="session")
def fuzz_program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The libFuzzer target of the dispatch."""
    compiler = shutil.which("clang++")
    if compiler is None:
        pytest.skip("no clang++ on this machine, so no libFuzzer")
    folder = tmp_path_factory.mktemp("fuzz")
    empty = folder / "empty.cpp"
    empty.write_text(
        'extern "C" int LLVMFuzzerTestOneInput(const char*, unsigned long);\n'
        "int LLVMFuzzerTestOneInput(const char*, unsigned long) { return 0; }\n"
    )
    probe = [compiler, "-fsanitize=fuzzer,address,undefined", str(empty), "-o", str(folder / "e")]
    if subprocess.run(probe, capture_output=True, check=False).returncode != 0:
        pytest.skip("clang++ is here, its sanitizer runtime is not (libclang-rt-dev)")
    out = folder / "fuzz_dispatch"
    sources = (*SOURCES, HERE / "fuzz_dispatch.cpp")
    compile_native(compiler, "fuzzer,address,undefined", sources, out)
    return out
