"""Every message survives the wire, and the firmware's header is what the definitions say."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from munas.errors import TransportError
from munas.link import generate
from munas.link.messages import (
    MESSAGES,
    Message,
    MessageType,
    field_formats,
)

_VALUES = {
    "B": st.integers(0, 2**8 - 1),
    "H": st.integers(0, 2**16 - 1),
    "I": st.integers(0, 2**32 - 1),
    "Q": st.integers(0, 2**64 - 1),
    "i": st.integers(-(2**31), 2**31 - 1),
    "f": st.floats(width=32, allow_nan=False),
    "tail": st.binary(max_size=300),
}


@st.composite
def any_message(draw: st.DrawFn) -> Message:
    kind = MESSAGES[draw(st.sampled_from(list(MessageType)))]
    return kind(**{name: draw(_VALUES[code]) for name, code in field_formats(kind)})


def test_every_type_has_one_message() -> None:
    assert set(MESSAGES) == set(MessageType)


@given(any_message())
def test_round_trip(message: Message) -> None:
    assert type(message).decode(message.encode()) == message


@given(any_message(), st.data())
def test_a_payload_that_is_too_short_is_refused(message: Message, data: st.DataObject) -> None:
    tail = [name for name, code in field_formats(type(message)) if code == "tail"]
    payload = message.encode()
    fixed = len(payload) - (len(getattr(message, tail[0])) if tail else 0)
    if fixed == 0:
        return
    with pytest.raises(TransportError, match=message.TYPE.name):
        type(message).decode(payload[: data.draw(st.integers(0, fixed - 1))])


def test_bytes_beyond_the_fixed_fields_are_refused() -> None:
    kind = MESSAGES[MessageType.HELLO]
    with pytest.raises(TransportError, match="HELLO"):
        kind.decode(b"\x00" * 9)


def test_the_header_of_the_firmware_is_fresh() -> None:
    written = generate.header_path().read_text(encoding="utf-8")
    assert written == generate.render(), "run: python -m munas.link.generate"


@pytest.mark.skipif(shutil.which("g++") is None, reason="no g++ on this machine")
def test_the_header_compiles_alone(tmp_path: Path) -> None:
    source = tmp_path / "only.cpp"
    source.write_text(f'#include "{generate.header_path()}"\nint main() {{}}\n')
    subprocess.run(
        ["g++", "-std=c++17", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", str(source)],
        check=True,
    )
