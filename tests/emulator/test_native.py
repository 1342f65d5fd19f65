"""The cache of compiled functions."""

from __future__ import annotations

from pathlib import Path

import pytest

from munas.emulator.native import NativeCode, NativeFunction, Signature


def _twice(value: int) -> int:
    return 2 * value


TWICE = NativeFunction(_twice, Signature("uint64", ("uint64",)), {})


def call(code: NativeCode, value: int) -> int:
    import ctypes

    function = ctypes.CFUNCTYPE(ctypes.c_uint64, ctypes.c_uint64)(code.addresses[0])
    return int(function(value))


def test_compiled_once_and_mended_when_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("numba", reason="the extra `emulator` is not installed")
    monkeypatch.setenv("MUNAS_CACHE", str(tmp_path))
    assert call(NativeCode([TWICE], {}), 21) == 42
    (kept,) = (tmp_path / "emulator").iterdir()
    whole = kept.read_text()
    assert call(NativeCode([TWICE], {}), 4) == 8
    kept.write_text(whole[: len(whole) // 2])
    assert call(NativeCode([TWICE], {}), 5) == 10
    assert len(kept.read_text()) == len(whole)


def test_a_folder_that_cannot_be_written_only_costs_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("numba", reason="the extra `emulator` is not installed")
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MUNAS_CACHE", str(tmp_path / "file"))
    assert call(NativeCode([TWICE], {}), 3) == 6


def _inverse(value: int) -> int:
    return 1 // value


def test_what_may_raise_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("numba", reason="the extra `emulator` is not installed")
    monkeypatch.setenv("MUNAS_CACHE", str(tmp_path))
    with pytest.raises(TypeError, match="inverse needs Python"):
        NativeCode([NativeFunction(_inverse, Signature("int64", ("int64",)), {})], {})
