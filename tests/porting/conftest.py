"""The example of docs/porting.md, built for this machine."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from munas.resources import data_root

FIRMWARE = data_root() / "firmware"
EXAMPLE = FIRMWARE / "examples" / "porting"
LINK = FIRMWARE / "lib" / "link"
# How a firmware of one's own is put together, the two ways of the page.
WAYS = {
    "link_only": (
        (EXAMPLE / "link_only.cpp", LINK / "framing.cpp"),
        (LINK,),
    ),
    "own_engine": (
        (
            EXAMPLE / "own_engine.cpp",
            EXAMPLE / "own_port.cpp",
            LINK / "framing.cpp",
            *(FIRMWARE / "src").glob("*.cpp"),
        ),
        (LINK, FIRMWARE / "lib" / "engine", FIRMWARE / "src"),
    ),
}
HERE = Path(__file__).parent
STARTUP = HERE.parent / "emulator" / "firmware"
STRICT = ("-std=gnu++17", "-Wall", "-Wextra", "-Werror", "-fno-exceptions", "-fno-rtti")


@pytest.fixture(scope="session")
def build_example(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Gives the program of one of the WAYS; each is built once."""
    compiler = shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        pytest.skip("no C++ compiler on this machine")
    folder = tmp_path_factory.mktemp("porting")

    def build(way: str) -> Path:
        program = folder / way
        if not program.exists():
            sources, includes = WAYS[way]
            command = [
                compiler, "-g", "-O1", *STRICT,
                "-fsanitize=address,undefined", "-fno-sanitize-recover=all",
                *(f"-I{folder}" for folder in includes), f"-I{EXAMPLE}",
                *sources, EXAMPLE / "model.cpp", EXAMPLE / "machine_native.cpp", "-o", program,
            ]  # fmt: skip
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
        return program

    return build


@pytest.fixture
def build_elf(tmp_path: Path) -> Callable[[str], Path]:
    """Gives one of the WAYS as a firmware for the emulated STM32L4R5, start-up code and all."""
    compiler = shutil.which("arm-none-eabi-g++")
    if compiler is None:
        pytest.skip("needs arm-none-eabi-g++")
    core = ("-mcpu=cortex-m4", "-mthumb", "-O2")

    def build(way: str) -> Path:
        sources, includes = WAYS[way]
        script = (STARTUP / "test.ld").read_text()
        (tmp_path / "own.ld").write_text(script.replace("*(.rodata*)", "*(.rodata*) *(.munas_*)"))
        elf, start = tmp_path / f"{way}.elf", tmp_path / "start.o"
        for command in (
            ["arm-none-eabi-gcc", *core, "-c", STARTUP / "start.c", "-o", start],
            [
                compiler, *core, *STRICT, "-fno-threadsafe-statics",
                "-nostartfiles", "--specs=nosys.specs", "--specs=nano.specs",
                f"-Wl,-T,{tmp_path / 'own.ld'},--no-warn-rwx-segments",
                "-Wl,--defsym=flash_base=0x08000000,--defsym=stack_top=0x200A0000",
                *(f"-I{folder}" for folder in includes), f"-I{EXAMPLE}",
                *sources, EXAMPLE / "model.cpp", EXAMPLE / "machine_cortex_m.cpp",
                HERE / "board_emulated.cpp", start, "-o", elf,
            ],
        ):  # fmt: skip
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
        return elf

    return build


@pytest.fixture
def start(build_example: Callable[[str], Path], tmp_path: Path) -> Iterator[Callable[[str], str]]:
    """Starts the program of one of the WAYS and gives the URL of its line."""
    running: list[subprocess.Popen[str]] = []

    def start_one(way: str) -> str:
        # LeakSanitizer cannot follow the restart into a new program image.
        environment = os.environ | {"PORTING_PORT": "0", "ASAN_OPTIONS": "detect_leaks=0"}
        process = subprocess.Popen(
            [build_example(way)],
            stdout=subprocess.PIPE,
            stderr=(tmp_path / "errors").open("w"),
            text=True,
            env=environment,
        )
        running.append(process)
        assert process.stdout is not None
        return process.stdout.readline().strip()

    yield start_one
    for process in running:
        assert process.poll() is None, (tmp_path / "errors").read_text()
        process.kill()
        process.wait(10)
        assert process.stdout is not None
        process.stdout.close()


@pytest.fixture
def board(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """The example's board file lies where a person puts it."""
    folder = tmp_path / "config" / "boards"
    folder.mkdir(parents=True)
    shutil.copy(EXAMPLE / "porting_example.ini", folder)
    monkeypatch.setenv("MUNAS_CONFIG", str(folder.parent))
    return "porting_example"
