"""Where the linker script puts things: kernels, firmware, models, stack."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
from pathlib import Path

import pytest

from munas.deploy.model_file import load_model, save_model
from munas.firmware.build import BuildRequest, build
from munas.resources import data_root

SMALL = (Path(__file__).parents[1] / "data" / "small.tflite").read_bytes()
LD = data_root() / "firmware" / "ld"
CPU = ["-mcpu=cortex-m4", "-mthumb", "-mfpu=fpv4-sp-d16", "-mfloat-abi=hard"]

pytestmark = pytest.mark.skipif(
    shutil.which("arm-none-eabi-gcc") is None, reason="needs arm-none-eabi-gcc"
)

SOURCES = {
    "firmware.o": "int kernel(int); int model(int);\n"
    "int used(int x) { return model(x); } int unused(int x) { return x + 2; }\n"
    "void Reset_Handler(void) { used(1); }\n",
    "z.kernel.o": "int kernel(int x) { return x * 3; } int idle_kernel(int x) { return x * 5; }\n",
    "a.model.o": "int kernel(int);\n"
    "static const int weights[] = {1, 2, 3};\n"
    "int model(int x) { return kernel(x) + weights[x % 3]; }\n",
}


def symbols(elf: Path) -> dict[str, int]:
    lines = subprocess.run(
        ["arm-none-eabi-nm", elf], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    return {name: int(address, 16) for address, _, name in (line.split() for line in lines)}


@pytest.mark.parametrize("chip", ["stm32l4r5", "stm32f405"])
@pytest.mark.parametrize("folder", ["plain", "arm_bknn_aot_batch.kernel.d/my.model.builds"])
def test_parts_keep_their_order_wherever_the_project_lies(
    tmp_path: Path, chip: str, folder: str
) -> None:
    place = tmp_path / folder
    place.mkdir(parents=True)
    for name, text in SOURCES.items():
        (place / "source.c").write_text(text)
        subprocess.run(
            ["arm-none-eabi-gcc", *CPU, "-O1", "-ffunction-sections", "-fdata-sections",
             "-c", place / "source.c", "-o", place / name],
            check=True,
        )  # fmt: skip
    elf = place / "firmware.elf"
    subprocess.run(
        ["arm-none-eabi-gcc", *CPU, "-nostdlib", "-Wl,--gc-sections", f"-L{LD}",
         f"-T{LD / chip}.ld", *(place / name for name in SOURCES), "-o", elf],
        check=True,
    )  # fmt: skip
    found = symbols(elf)
    assert found["kernel"] < found["used"] < found["model"]
    # Kernels stay whether a model needs them or not; the firmware's own dead code does not.
    assert found["idle_kernel"] < found["used"]
    assert "unused" not in found
    # Below the stack there is no memory.
    assert found["_sstack"] == 0x20000000
    assert found["_sstack"] < found["_estack"] <= found["_sdata"]


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("bakenn") is None, reason="needs the extra `aot`")
def test_another_model_moves_no_code_but_its_own() -> None:
    shorter = load_model(SMALL, "small")
    graph = shorter.subgraphs[0]
    last = graph.operators.pop()
    graph.outputs = [int(last.inputs[0])]
    board = "emulated_stm32l4r5"
    one = build(BuildRequest(board, "aot", [("small", SMALL)]))
    two = build(BuildRequest(board, "aot", [("shorter", save_model(shorter)), ("small", SMALL)]))
    assert one.sections[".aot_models"] != two.sections[".aot_models"]
    first, second = (
        {
            name: address
            for name, address in symbols(image.elf).items()
            if "bknn" not in name and "munas_aot_model" not in name
        }
        for image in (one, two)
    )
    assert len([name for name in first if name.startswith("arm_")]) > 20
    assert first == second
