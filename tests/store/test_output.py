"""Files written on a person's word never take the place of what cannot be had again."""

from __future__ import annotations

import os
import stat
import sys
import threading
from pathlib import Path

import pytest

from munas.errors import BadInputError
from munas.store import Ledger, RunInfo
from munas.store.output import require_writable, write_output


def test_a_ledger_is_never_replaced(path: Path, ledger: Ledger, tmp_path: Path) -> None:
    link = tmp_path / "link.csv"
    link.symlink_to(path)
    log = path.with_name(f"{path.name}-wal")
    assert log.exists(), "an open ledger has a log beside it"
    for target in (path, link, log):
        with pytest.raises(BadInputError, match="ledger or belongs to one"):
            write_output(target, b"new")
    with Ledger.open(path) as opened:
        assert opened.run == ledger.run


def test_what_the_command_reads_is_never_replaced(tmp_path: Path) -> None:
    read, hard, soft = (tmp_path / name for name in ("a.json", "hard", "soft"))
    read.write_text("{}")
    hard.hardlink_to(read)
    soft.symlink_to(read)
    for target in (read, hard, soft):
        with pytest.raises(BadInputError, match="what this command reads"):
            write_output(target, b"new", inputs=[read])
    assert read.read_text() == "{}"


def test_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="folder"):
        require_writable(tmp_path)


def test_a_link_stays_and_its_target_is_written(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    target, link = tmp_path / "elsewhere" / "target", tmp_path / "link"
    link.symlink_to("elsewhere/target")
    for data in (b"first", b"second"):
        write_output(link, data)
        assert link.is_symlink() and target.read_bytes() == data
    assert [entry.name for entry in target.parent.iterdir()] == ["target"]
    loop = tmp_path / "loop"
    loop.symlink_to("loop")
    with pytest.raises(BadInputError, match="loop cannot be written"):
        write_output(loop, b"new")


def test_a_pipe_is_written_to(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
    reader.start()
    write_output(pipe, b"through")
    reader.join(10)
    assert read == [b"through"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_a_device_is_written_to() -> None:
    write_output(Path("/dev/null"), b"gone")
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)


@pytest.mark.parametrize("name", ["-", "/dev/stdout"])
def test_standard_output(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    kept = os.dup(1)
    target = tmp_path / "out"
    try:
        with target.open("wb") as file, open(1, "w", closefd=False) as stream:
            os.dup2(file.fileno(), 1)
            monkeypatch.setattr(sys, "stdout", stream)
            stream.write("before ")
            write_output(Path(name), b"data")
    finally:
        os.dup2(kept, 1)
        os.close(kept)
    assert target.read_bytes() == b"before data"
    assert [entry.name for entry in tmp_path.iterdir()] == ["out"]


def test_a_table_never_replaces_another_ledger(
    ledger: Ledger, run: RunInfo, tmp_path: Path
) -> None:
    other = tmp_path / "other.ledger"
    Ledger.create(other, run).close()
    with pytest.raises(BadInputError, match=r"other\.ledger is a ledger"):
        ledger.export(other, "csv")
    Ledger.open(other).close()
