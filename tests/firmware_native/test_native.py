"""The firmware's framing, dispatch, runner and slots, driven by the real client over a socket."""

from __future__ import annotations

import socket
import struct
import subprocess
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from munas.errors import DeadlineError, TransportError
from munas.link import framing
from munas.link.client import Client
from munas.link.deadline import Deadline
from munas.link.exchange import Exchange
from munas.link.faults import BoardRefusedError
from munas.link.framing import Corrupt, Frame
from munas.link.messages import (
    MESSAGES,
    Error,
    ErrorCode,
    LoadBegin,
    LoadData,
    LoadEnd,
    LoadProgress,
    Message,
    MessageType,
    Read,
    Run,
    Slot,
    Source,
    field_formats,
)


def fake_model(
    *, inputs: int = 8, outputs: int = 8, operators: int = 3, arena_units: int = 4, fails: int = 0
) -> bytes:
    return b"FAKE" + struct.pack("<HHHHI", inputs, outputs, operators, arena_units, fails)


class NativeBoard:
    """A running firmware process as a Transport; a sanitizer's word ends in a TransportError."""

    def __init__(self, program: Path) -> None:
        self.name = "native"
        self.clock = time.monotonic
        self._socket, far = socket.socketpair()
        self.process = subprocess.Popen([program], stdin=far, stdout=far, stderr=subprocess.PIPE)
        far.close()

    def read(self, deadline: Deadline) -> bytes:
        self._socket.settimeout(max(deadline.remaining_s, 0.001))
        try:
            data = self._socket.recv(4096)
        except TimeoutError:
            raise DeadlineError("nothing came") from None
        if not data:
            self.process.wait(10)
            assert self.process.stderr is not None
            raise TransportError(f"ended: {self.process.stderr.read().decode()}")
        return data

    def write(self, data: bytes, deadline: Deadline) -> None:
        self._socket.settimeout(max(deadline.remaining_s, 0.001))
        self._socket.sendall(data)

    def drain(self) -> None:
        self._socket.setblocking(False)
        try:
            while self._socket.recv(4096):
                pass
        except BlockingIOError:
            pass

    def close(self) -> None:
        self._socket.close()
        self.process.kill()
        self.process.wait(10)
        assert self.process.stderr is not None
        self.process.stderr.close()


@pytest.fixture
def board(native_firmware: Path) -> Iterator[NativeBoard]:
    board = NativeBoard(native_firmware)
    yield board
    board.close()


@pytest.fixture
def client(board: NativeBoard) -> Client:
    client = Client(board)
    client.hello(client.deadline(20))
    return client


def ready(client: Client, model: bytes, slot: Slot = Slot.RAM) -> Deadline:
    deadline = client.deadline(20)
    client.load(model, slot, deadline)
    client.prepare(slot, deadline)
    return deadline


def test_the_firmware_says_who_it_is(board: NativeBoard) -> None:
    client = Client(board)
    identity = client.hello(client.deadline(20))
    assert (identity.engine, identity.mcu, identity.uid) == (
        "fake",
        "native",
        "1".zfill(8) + "2".zfill(8) + "3".zfill(8),
    )
    assert len(identity.source_digest) == 64
    assert [model.name for model in client.models(client.deadline(5))] == ["first", "second"]


@pytest.mark.parametrize("slot", [Slot.RAM, Slot.FLASH])
def test_a_model_is_loaded_and_run(client: Client, slot: Slot) -> None:
    model = fake_model() + bytes(range(250)) * 20 + b"odd"
    deadline = ready(client, model, slot)
    client.input(bytes(range(8)), deadline)
    result = client.run(deadline, repeats=5, warmup=2, per_operator=True)
    assert len(result.cycles) == 5
    assert len(set(result.cycles)) == 1
    assert len(result.operator_cycles) == 3
    assert client.operators(deadline) == ("EVEN", "ODD", "EVEN")
    assert client.output(deadline) == bytes(range(7, -1, -1))


def test_an_image_model_is_chosen_by_index(client: Client) -> None:
    deadline = client.deadline(20)
    assert client.prepare(Slot.IMAGE, deadline, index=1).input_bytes == 4
    with pytest.raises(BoardRefusedError, match="BAD_INDEX"):
        client.prepare(Slot.IMAGE, deadline, index=2)


def test_long_tensors_and_tables_come_in_chunks(client: Client) -> None:
    deadline = ready(client, fake_model(inputs=1500, outputs=2000, operators=256))
    data = bytes(i % 256 for i in range(1500))
    client.input(data, deadline)
    result = client.run(deadline, repeats=256, per_operator=True)
    assert len(result.cycles) == 256
    assert len(result.operator_cycles) == 256
    assert len(client.operators(deadline)) == 256
    assert client.output(deadline) == data[::-1] + bytes(500)


def test_flash_wear_is_counted_across_loads(client: Client) -> None:
    deadline = client.deadline(20)
    for expected in (1, 2, 3):
        client.load(fake_model(), Slot.FLASH, deadline)
        assert client.stats(deadline).flash_erases == expected


def test_the_stack_mark_is_told(client: Client) -> None:
    stats = client.stats(client.deadline(20))
    # The native port leaves a mark in word 60 of 64.
    assert (stats.stack_bytes, stats.stack_used_bytes) == (256, 16)


@pytest.mark.parametrize(
    ("model", "code"),
    [
        (b"nonsense" * 4, ErrorCode.BAD_MODEL),
        (fake_model(arena_units=5000), ErrorCode.ARENA_TOO_SMALL),
        (fake_model(operators=257), ErrorCode.TOO_MANY_OPERATORS),
        (fake_model(inputs=5000), ErrorCode.DOES_NOT_FIT),
        (fake_model(inputs=4000, outputs=200), ErrorCode.DOES_NOT_FIT),
    ],
)
def test_a_model_that_cannot_be_prepared_is_refused(
    client: Client, model: bytes, code: ErrorCode
) -> None:
    with pytest.raises(BoardRefusedError) as caught:
        ready(client, model)
    assert caught.value.code == code
    ready(client, fake_model())


def test_an_arena_limit_holds(client: Client) -> None:
    deadline = ready(client, fake_model(arena_units=10))
    with pytest.raises(BoardRefusedError, match="ARENA_TOO_SMALL") as caught:
        client.prepare(Slot.RAM, deadline, arena_limit_bytes=159)
    assert caught.value.detail == 160
    assert client.prepare(Slot.RAM, deadline, arena_limit_bytes=160).arena_bytes == 160
    with pytest.raises(BoardRefusedError, match="BAD_VALUE"):
        client.prepare(Slot.RAM, deadline, arena_limit_bytes=1 << 20)


def test_what_comes_in_the_wrong_order_is_refused(client: Client) -> None:
    deadline = client.deadline(20)
    with pytest.raises(BoardRefusedError, match="NOT_PREPARED"):
        client.run(deadline, repeats=1)
    with pytest.raises(BoardRefusedError, match="NOT_PREPARED"):
        client.input(b"12345678", deadline)
    with pytest.raises(BoardRefusedError, match="NOT_LOADED"):
        client.prepare(Slot.RAM, deadline)
    ready(client, fake_model())
    with pytest.raises(BoardRefusedError, match="NO_INPUT"):
        client.run(deadline, repeats=1)
    client.load(fake_model(), Slot.RAM, deadline)
    with pytest.raises(BoardRefusedError, match="NOT_PREPARED"):
        client.run(deadline, repeats=1)


def test_an_inference_that_fails_is_told_and_the_next_model_works(client: Client) -> None:
    deadline = ready(client, fake_model(fails=77))
    client.input(bytes(8), deadline)
    with pytest.raises(BoardRefusedError, match="INVOKE_FAILED") as caught:
        client.run(deadline, repeats=3)
    assert caught.value.detail == 77
    deadline = ready(client, fake_model())
    client.input(bytes(8), deadline)
    assert len(client.run(deadline, repeats=3).cycles) == 3


def test_loads_that_lie_are_refused(board: NativeBoard, client: Client) -> None:
    exchange, deadline = Exchange(board), Deadline(20)
    for size in (0, 8 * 1024 + 1, 0xFFFFFFFF):
        with pytest.raises(BoardRefusedError, match="DOES_NOT_FIT"):
            exchange.ask(LoadBegin(Slot.RAM, size), deadline)
    for slot in (Slot.IMAGE, 3, 255):
        with pytest.raises(BoardRefusedError, match="BAD_SLOT"):
            exchange.ask(LoadBegin(slot, 16), deadline)
    exchange.ask(LoadBegin(Slot.RAM, 16), deadline)
    with pytest.raises(BoardRefusedError, match="BAD_LENGTH"):
        exchange.ask(LoadData(0, bytes(17)), deadline)
    assert exchange.ask(LoadData(8, bytes(8)), deadline) == LoadProgress(0)
    assert exchange.ask(LoadData(0, bytes(8)), deadline) == LoadProgress(8)
    assert exchange.ask(LoadData(0, bytes(8)), deadline) == LoadProgress(8)
    with pytest.raises(BoardRefusedError, match="BAD_LENGTH"):
        exchange.ask(LoadEnd(0), deadline)
    exchange.ask(LoadData(8, bytes(8)), deadline)
    with pytest.raises(BoardRefusedError, match="CRC_MISMATCH"):
        exchange.ask(LoadEnd(1), deadline)
    with pytest.raises(BoardRefusedError, match="NOT_LOADED"):
        exchange.ask(LoadEnd(zlib.crc32(bytes(16))), deadline)


def test_a_run_of_nothing_or_of_too_much_is_refused(client: Client) -> None:
    deadline = ready(client, fake_model())
    client.input(bytes(8), deadline)
    for warmup, repeats in ((0, 0), (257, 1), (65535, 0), (0, 257)):
        with pytest.raises(BoardRefusedError, match="BAD_VALUE"):
            client.run(deadline, repeats=repeats, warmup=warmup)
    assert client.run(deadline, repeats=0, warmup=1).cycles == ()
    assert client.output(deadline) == bytes(8)
    assert len(client.run(deadline, repeats=256, warmup=256).cycles) == 256


def test_over_an_overflowing_stack_nothing_is_answered(board: NativeBoard, client: Client) -> None:
    board.write(framing.encode(Frame(9, MessageType.RESET, b"\x03")), Deadline(20))
    assert board.process.wait(20) == 42
    with pytest.raises(TransportError):
        board.read(Deadline(5))


def test_a_resent_run_is_not_done_again(board: NativeBoard, client: Client) -> None:
    deadline = ready(client, fake_model())
    client.input(bytes(8), deadline)
    exchange = Exchange(board)
    before = client.stats(deadline).uptime_cycles
    exchange.send(Run(0, 200, 0), 77, deadline)
    first = exchange.receive(deadline)
    between = client.stats(deadline).uptime_cycles
    assert between - before > 200 * 10
    exchange.send(Run(0, 200, 0), 78, deadline)
    exchange.receive(deadline)
    exchange.send(Run(0, 200, 0), 78, deadline)
    again = exchange.receive(deadline)
    assert isinstance(first, Frame)
    assert isinstance(again, Frame)
    assert (again.sequence, again.payload) == (78, first.payload)
    assert client.stats(deadline).uptime_cycles - between < 2 * (between - before)


def test_unknown_and_misshapen_requests_get_an_answer(board: NativeBoard, client: Client) -> None:
    deadline = Deadline(20)
    for frame, code in (
        (Frame(5, 0x7F, b""), ErrorCode.UNKNOWN_TYPE),
        (Frame(6, MessageType.WELCOME, b""), ErrorCode.UNKNOWN_TYPE),
        (Frame(7, MessageType.HELLO, b"short"), ErrorCode.BAD_LENGTH),
        (Frame(8, MessageType.RUN, bytes(40)), ErrorCode.BAD_LENGTH),
        (Frame(9, MessageType.STATS, b"", version=9), ErrorCode.BAD_VERSION),
    ):
        board.write(framing.encode(frame), deadline)
        reply = Exchange(board).receive(deadline)
        assert isinstance(reply, Frame)
        assert reply.sequence == frame.sequence
        assert Error.decode(reply.payload).code == code
    with pytest.raises(BoardRefusedError, match="BAD_VALUE"):
        Exchange(board).ask(Read(9, 0), deadline)
    with pytest.raises(BoardRefusedError, match="BAD_VALUE"):
        Exchange(board).ask(Read(Source.IDENTITY, 1 << 30), deadline)


def test_a_frame_longer_than_the_capacity_is_refused_and_forgotten(
    board: NativeBoard, client: Client
) -> None:
    deadline = Deadline(20)
    board.write(framing.encode(Frame(5, MessageType.INPUT, bytes(range(1, 200)) * 20)), deadline)
    reply = Exchange(board).receive(deadline)
    assert isinstance(reply, Frame)
    assert Error.decode(reply.payload).code == ErrorCode.CORRUPT_FRAME
    client.stats(deadline)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(noise=st.binary(max_size=3000))
def test_hello_comes_through_after_any_noise(board: NativeBoard, noise: bytes) -> None:
    board.write(noise, Deadline(20))
    client = Client(board)
    assert client.hello(client.deadline(20)).engine == "fake"


_INTS = {"B": 8, "H": 16, "I": 32, "Q": 64}


@st.composite
def any_request(draw: st.DrawFn) -> Message:
    types = [t for t in MessageType if t < MessageType.RESET]
    kind = MESSAGES[draw(st.sampled_from(types))]
    values: dict[str, object] = {}
    for name, code in field_formats(kind):
        edge = 2 ** _INTS.get(code, 0) - 1
        small = st.integers(0, min(edge, 64))
        values[name] = draw(st.binary(max_size=200) if code == "tail" else small | st.just(edge))
    return kind(**values)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(requests=st.lists(any_request(), max_size=12))
def test_any_sequence_of_requests_is_answered(board: NativeBoard, requests: list[Message]) -> None:
    exchange, deadline = Exchange(board), Deadline(30)
    for request in requests:
        sequence = exchange.next_sequence()
        exchange.send(request, sequence, deadline)
        while True:
            reply = exchange.receive(deadline)
            assert not isinstance(reply, Corrupt)
            if reply.sequence == sequence:
                break


def test_a_reset_is_announced_before_it_happens(board: NativeBoard, client: Client) -> None:
    client.reset(client.deadline(20))
    assert board.process.wait(20) == 42


def test_the_firmware_stuffs_as_the_host_does(board: NativeBoard, client: Client) -> None:
    deadline = ready(client, fake_model(inputs=1024, outputs=1024))
    for data in (bytes(1024), b"\x01" * 1024, b"\x00" + b"\x02" * 1023, bytes(range(256)) * 4):
        client.input(data, deadline)
        client.run(deadline, repeats=1)
        assert client.output(deadline) == data[::-1]
    assert client.resends == 0


def test_a_start_is_announced(board: NativeBoard) -> None:
    frame = Exchange(board).receive(Deadline(20))
    assert isinstance(frame, Frame)
    assert frame.type == MessageType.BOOTED
