from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from munas.boards.registry import list_boards
from munas.firmware.build import configuration
from munas.firmware.core import command, surroundings
from munas.resources import data_root

PROJECT = data_root() / "firmware"


@pytest.fixture(scope="module")
def environments(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What PlatformIO itself makes of platformio.ini and every board file."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MUNAS_CACHE", str(tmp_path_factory.mktemp("cache")))
        variables = surroundings(PROJECT)
    done = subprocess.run(
        command("project", "config", "--json-output", "-d", str(PROJECT)),
        env=variables, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    sections = {name: dict(options) for name, options in json.loads(done.stdout)}
    return {
        name.removeprefix("env:"): options
        for name, options in sections.items()
        if name.startswith("env:")
    }


def flags(options: dict[str, Any], key: str) -> list[str]:
    value = options.get(key, [])
    return value.split() if isinstance(value, str) else [w for item in value for w in item.split()]


def test_every_board_is_an_environment(environments: dict[str, dict[str, Any]]) -> None:
    assert {board.name for board in list_boards()} <= set(environments)


def test_flags_take_effect_on_every_board(environments: dict[str, dict[str, Any]]) -> None:
    for name, options in environments.items():
        wanted = flags(options, "build_flags")
        assert "-O2" in wanted, name
        assert {"-DTF_LITE_STATIC_MEMORY", "-DCMSIS_NN"} <= set(wanted), name
        if options["platform"].startswith("ststm32"):
            assert {"-Os", "-DNDEBUG"} <= set(flags(options, "build_unflags")), name
        # Any other value makes PlatformIO download a test framework.
        assert options["test_framework"] == "custom", name


@pytest.mark.parametrize(
    ("board", "fpu"),
    [("nucleo_f767zi", "fpv5-d16"), ("nucleo_h743zi", "fpv5-d16"), ("disco_f746ng", "fpv5-sp-d16")],
)
def test_an_m7_has_its_own_fpu(
    environments: dict[str, dict[str, Any]], board: str, fpu: str
) -> None:
    assert f"-mfpu={fpu}" in flags(environments[board], "build_flags")
    assert "-mfpu=fpv4-sp-d16" in flags(environments[board], "build_unflags")


def test_the_bare_boards_files_are_there() -> None:
    for manifest in (PROJECT / "platforms" / "munas_bare" / "boards").glob("*.json"):
        script = json.loads(manifest.read_text())["build"]["ldscript"]
        assert (PROJECT / "ld" / script).is_file()
    assert (Path(PROJECT) / "models" / "aot_batch.c").is_file()


def test_an_own_file_that_cannot_be_read_fails_no_other_board(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from platformio.project.config import ProjectConfig

    own = tmp_path / "boards"
    own.mkdir()
    (own / "broken.ini").write_text("no section\n")
    (own / "mine.ini").write_text("[env:mine]\nextends = env:nucleo_l4r5zi\n")
    written = configuration(PROJECT, tmp_path, own)
    monkeypatch.chdir(PROJECT)
    assert {"mine", "emulated_stm32l4r5"} <= set(ProjectConfig(str(written)).envs())
