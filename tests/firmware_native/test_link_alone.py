"""lib/link needs nothing but a C++17 compiler: it can be copied into any firmware."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from munas.resources import data_root

LINK = data_root() / "firmware" / "lib" / "link"
CORES = ("cortex-m0plus", "cortex-m3", "cortex-m4", "cortex-m7")
COMPILERS = [("g++",), ("clang++",)]
COMPILERS += [("arm-none-eabi-g++", "-mthumb", f"-mcpu={core}") for core in CORES]
STRICT = ("-std=c++17", "-Wall", "-Wextra", "-Werror", "-fno-exceptions", "-fno-rtti")
# Every header by itself, and all that a firmware calls.
USES = {
    "messages.cpp": '#include "messages.h"\n'
    "munas::link::Welcome welcome() { return munas::link::Welcome{}; }\n",
    "framing_header.cpp": '#include "framing.h"\n'
    "munas::link::Deframer in;\n"
    "munas::link::OutFrame out;\n"
    "void answer(const uint8_t* data, size_t bytes, munas::link::OutFrame::Sink sink) {\n"
    "  for (size_t i = 0; i < bytes; ++i)\n"
    "    if (in.feed(data[i]) == munas::link::Deframer::Event::kFrame) {\n"
    "      out.seal(in.header().sequence, munas::link::MessageType::kResetting, 0);\n"
    "      out.send(sink);\n"
    "    }\n"
    "}\n",
}


@pytest.mark.parametrize("compiler", COMPILERS, ids=lambda c: c[-1].removeprefix("-mcpu="))
def test_it_compiles_with_no_other_include_path(compiler: tuple[str, ...], tmp_path: Path) -> None:
    if shutil.which(compiler[0]) is None:
        pytest.skip(f"no {compiler[0]} on this machine")
    alone = tmp_path / "link"
    alone.mkdir()
    for path in LINK.iterdir():
        if path.suffix in (".h", ".cpp"):
            shutil.copy(path, alone)
    for name, text in USES.items():
        (alone / name).write_text(text)
    for source in sorted(alone.glob("*.cpp")):
        command = [*compiler, *STRICT, "-Os", "-c", source, "-o", tmp_path / "object.o"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
