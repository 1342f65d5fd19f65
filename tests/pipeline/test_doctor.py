"""What the doctor finds missing, with a compiler and an engine that lack parts."""

from __future__ import annotations

from pathlib import Path

import pytest

from munas.pipeline.doctor import EXTRAS, Check, examine


def found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, says: str) -> dict[str, Check]:
    """All checks with a compiler that says this of every file, and an empty cache."""
    compiler = tmp_path / "arm-none-eabi-gcc"
    compiler.write_text(f"#!/bin/sh\necho {says}\n")
    compiler.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("MUNAS_CACHE", str(tmp_path / "cache"))
    return {check.name: check for check in examine("emulated_stm32l4r5")}


def test_a_compiler_without_libraries(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    checks = found(monkeypatch, tmp_path, "libc_nano.a")
    assert checks["newlib for arm"].state == "missing"
    assert "libnewlib-arm-none-eabi" in checks["newlib for arm"].mend
    assert "libstdc++-arm-none-eabi-newlib" in checks["libstdc++ for arm"].mend


def test_a_compiler_with_libraries(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    library = tmp_path / "lib.a"
    library.touch()
    checks = found(monkeypatch, tmp_path, str(library))
    assert checks["newlib for arm"].state == checks["libstdc++ for arm"].state == "ok"


def test_sources_of_tflm(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    check = found(monkeypatch, tmp_path, "x")["engine tflm"]
    assert (check.state, check.mend) == ("optional", "munas engine install tflm")


def test_only_extras_that_are_used_are_offered() -> None:
    assert set(EXTRAS) == {"emulator", "aot", "baselines", "ray", "tfds"}
