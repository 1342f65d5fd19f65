"""Frames survive any portioning; what is spoiled is never taken for a frame."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from munas.link import framing
from munas.link.framing import Corrupt, Deframer, Frame

frames = st.builds(
    Frame,
    sequence=st.integers(0, 0xFFFF),
    type=st.integers(0, 0xFF),
    payload=st.binary(max_size=700),
    version=st.integers(0, 0xFF),
)


@given(st.lists(frames, max_size=5), st.integers(1, 300))
def test_frames_come_back_in_any_portions(sent: list[Frame], portion: int) -> None:
    line = b"".join(framing.encode(frame) for frame in sent)
    deframer = Deframer()
    got = [
        frame
        for start in range(0, len(line), portion)
        for frame in deframer.feed(line[start : start + portion])
    ]
    assert got == sent


@given(frames)
def test_the_delimiter_ends_a_frame_and_stands_nowhere_else(frame: Frame) -> None:
    line = framing.encode(frame)
    assert line.index(framing.DELIMITER) == len(line) - 1


@given(frames, st.data())
def test_a_changed_byte_is_always_noticed(frame: Frame, data: st.DataObject) -> None:
    line = bytearray(framing.encode(frame))
    at = data.draw(st.integers(0, len(line) - 1))
    line[at] ^= data.draw(st.integers(1, 255))
    got = Deframer().feed(bytes(line) + framing.DELIMITER)
    assert frame not in got
    assert all(isinstance(part, Corrupt) for part in got)


@given(frames, st.data())
def test_half_a_frame_is_noticed(frame: Frame, data: st.DataObject) -> None:
    line = framing.encode(frame)
    half = line[: data.draw(st.integers(1, len(line) - 2))]
    got = Deframer().feed(half + framing.DELIMITER)
    assert got
    assert all(isinstance(part, Corrupt) for part in got)


@given(st.binary(max_size=400), frames)
def test_the_first_frame_after_garbage_and_a_delimiter_is_whole(noise: bytes, frame: Frame) -> None:
    got = Deframer().feed(noise + framing.DELIMITER + framing.encode(frame))
    assert got[-1] == frame
    assert all(isinstance(part, Corrupt) for part in got[:-1])


def test_endless_noise_without_a_delimiter_is_not_kept() -> None:
    deframer = Deframer(limit_bytes=1000)
    for _ in range(100):
        assert deframer.feed(b"\x55" * 1000) == []
    frame = Frame(1, 2, b"x")
    (corrupt, got) = deframer.feed(framing.DELIMITER + framing.encode(frame))
    assert isinstance(corrupt, Corrupt)
    assert len(corrupt.raw) == 1000
    assert got == frame


def test_a_length_that_lies_is_no_frame() -> None:
    body = framing.HEADER.pack(1, 7, 1, 5) + b"four"
    import zlib

    from cobs import cobs

    line = cobs.encode(body + framing.CRC.pack(zlib.crc32(body))) + framing.DELIMITER
    (got,) = Deframer().feed(line)
    assert isinstance(got, Corrupt)
    assert "length" in got.reason
