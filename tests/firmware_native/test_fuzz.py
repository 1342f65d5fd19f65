"""The fuzz target survives a short run that starts from real requests."""

from __future__ import annotations

import struct
import subprocess
import zlib
from pathlib import Path

from munas.link import framing
from munas.link.messages import (
    Hello,
    Input,
    LoadBegin,
    LoadData,
    LoadEnd,
    Message,
    Prepare,
    Read,
    Reset,
    ResetMode,
    Run,
    Slot,
    Source,
    Stats,
)

RUNS = 30_000
_MODEL = b"FAKE" + struct.pack("<HHHHI", 8, 8, 3, 4, 0)
_REQUESTS: tuple[Message, ...] = (
    Hello(1),
    LoadBegin(Slot.RAM, len(_MODEL)),
    LoadData(0, _MODEL),
    LoadEnd(zlib.crc32(_MODEL)),
    Prepare(Slot.RAM, 0, 0),
    Input(0, bytes(8)),
    Run(1, 2, 1),
    *(Read(source, 0) for source in Source),
    Stats(),
    Reset(ResetMode.CLEAN),
)


def test_the_fuzzer_finds_nothing(fuzz_program: Path, tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    records = b"".join(
        bytes([request.TYPE, len(request.encode())]) + request.encode() for request in _REQUESTS
    )
    line = b"".join(
        framing.encode(framing.Frame(i, request.TYPE, request.encode()))
        for i, request in enumerate(_REQUESTS)
    )
    (corpus / "records").write_bytes(b"\x00" + records)
    (corpus / "line").write_bytes(b"\x01" + line)
    done = subprocess.run(
        [fuzz_program, f"-runs={RUNS}", "-seed=1", "-max_len=2048", "-verbosity=0", corpus],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
