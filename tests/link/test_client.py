"""The client against a simulated device: what a person asks, and all that can go wrong under way.

Time is the line's own; nothing here waits.
"""

from __future__ import annotations

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from munas.errors import DeadlineError, ImplausibleError, TransportError
from munas.link.client import Client
from munas.link.faults import BoardCrashError, BoardRefusedError, BoardRestartedError
from munas.link.framelog import FrameLog
from munas.link.messages import ErrorCode, MessageType, Ran, ResetMode, Slot
from munas.link.simulated import SimulatedDevice, SimulatedTraits
from munas.link.simulated_engine import DigestEngine
from munas.link.simulated_line import SimulatedLine
from munas.link.simulated_troubles import Trouble

MODEL = bytes(i * 7 % 256 for i in range(20_000))
INPUT = bytes(range(64))

RECOVERABLE = (
    Trouble.DROP_REQUEST,
    Trouble.DROP_REPLY,
    Trouble.CORRUPT_REQUEST,
    Trouble.CORRUPT_REPLY,
    Trouble.HALF_REPLY,
    Trouble.GARBAGE,
    Trouble.DUPLICATE_REPLY,
)


def connected(traits: SimulatedTraits | None = None) -> tuple[Client, SimulatedDevice]:
    device = SimulatedDevice(traits=traits)
    client = Client(SimulatedLine(device, latency_s=0.002))
    client.hello(client.deadline(5))
    return client, device


def infer(client: Client, seconds: float = 60) -> tuple[bytes, tuple[int, ...]]:
    deadline = client.deadline(seconds)
    client.load(MODEL, Slot.RAM, deadline)
    client.prepare(Slot.RAM, deadline)
    client.input(INPUT, deadline)
    result = client.run(deadline, repeats=2, warmup=1, per_operator=True)
    return client.output(deadline), result.cycles


def expected() -> tuple[bytes, tuple[int, ...]]:
    engine = DigestEngine()
    engine.prepare(MODEL, 1 << 20)
    output, cycles = engine.invoke(INPUT)
    return output, (sum(cycles),) * 2


def test_hello_tells_who_is_there() -> None:
    device = SimulatedDevice(traits=SimulatedTraits(uid=(1, 2, 0xABC), board="here"))
    client = Client(SimulatedLine(device))
    identity = client.hello(client.deadline(5))
    assert identity.uid == "000000010000000200000abc"
    assert identity.board == "here"
    assert identity.engine == "digest"
    assert identity.clock_hz == 120_000_000
    assert identity.slot_bytes(Slot.RAM) == 256 * 1024
    assert identity.slot_bytes(Slot.IMAGE) == 0


@pytest.mark.parametrize(
    "traits",
    [
        SimulatedTraits(clock_hz=0),
        SimulatedTraits(max_repeats=0),
        SimulatedTraits(frame_capacity=100),
    ],
    ids=["clock", "repeats", "frames"],
)
def test_numbers_that_nothing_can_be_measured_with_are_refused(traits: SimulatedTraits) -> None:
    client = Client(SimulatedLine(SimulatedDevice(traits=traits)))
    with pytest.raises(ImplausibleError, match=r"says \w+ \d+ in its WELCOME"):
        client.hello(client.deadline(5))


def test_lists_that_contradict_themselves_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    client, _ = connected()
    monkeypatch.setattr(Client, "read", lambda *_: b"one\0two\0three\0")
    with pytest.raises(ImplausibleError, match="3 strings"):
        client.models(client.deadline(5))
    fewer = Ran(repeats=2, operators=0, empty_cycles=0, profiled_cycles=0)
    monkeypatch.setattr(Client, "_ask", lambda *_, **__: fewer)
    with pytest.raises(ImplausibleError, match="3 repeats were asked for"):
        client.run(client.deadline(5), repeats=3)


def test_a_model_is_loaded_prepared_and_run() -> None:
    client, _ = connected()
    deadline = client.deadline(60)
    client.load(MODEL, Slot.RAM, deadline)
    prepared = client.prepare(Slot.RAM, deadline)
    assert prepared.arena_used_bytes == prepared.arena_head_bytes + prepared.arena_tail_bytes
    client.input(INPUT, deadline)
    result = client.run(deadline, repeats=2, per_operator=True)
    assert client.operators(deadline) == ("CONV_2D", "MAX_POOL_2D", "FULLY_CONNECTED")
    assert sum(result.operator_cycles) == result.profiled_cycles == result.cycles[0]
    assert (client.output(deadline), result.cycles) == expected()
    assert client.resends == 0


@pytest.mark.parametrize("slot", [Slot.RAM, Slot.FLASH])
def test_a_load_takes_little_more_than_its_bytes_on_the_line(slot: Slot) -> None:
    client, device = connected()
    client.load(MODEL, slot, client.deadline(60))
    assert device.requests.count(MessageType.LOAD_DATA) == -(-len(MODEL) // 1024)


@pytest.mark.parametrize("on", [t for t in MessageType if t < MessageType.BOOTED])
@pytest.mark.parametrize("trouble", RECOVERABLE)
def test_a_spoiled_frame_changes_nothing(trouble: Trouble, on: MessageType) -> None:
    client, device = connected()
    device.inject(trouble, on)
    client.hello(client.deadline(30))
    assert infer(client) == expected()
    client.stats(client.deadline(10))
    assert device.requests.count(MessageType.RUN) == 1, "a run is never done twice"


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(RECOVERABLE), st.integers(0, 40), st.integers(1, 3)), max_size=6
    )
)
def test_any_mixture_of_spoiled_frames_changes_nothing(
    troubles: list[tuple[Trouble, int, int]],
) -> None:
    client, device = connected()
    for trouble, skip, count in troubles:
        device.inject(trouble, skip=skip, count=count)
    assert infer(client, 600) == expected()
    assert device.requests.count(MessageType.RUN) == 1


@pytest.mark.parametrize("on", [MessageType.LOAD_DATA, MessageType.PREPARE, MessageType.RUN])
def test_a_crash_is_told_with_its_place_and_the_next_candidate_works(on: MessageType) -> None:
    client, device = connected()
    device.inject(Trouble.CRASH, on)
    with pytest.raises(BoardCrashError, match=r"PC 0x08001234.*undefined instruction") as caught:
        infer(client)
    assert caught.value.fault.pc == 0x08001234
    assert client.hello(client.deadline(5)).welcome.last_fault != 0
    assert infer(client) == expected()


@pytest.mark.parametrize("on", [MessageType.LOAD_DATA, MessageType.INPUT, MessageType.RUN])
def test_a_restart_in_the_middle_ends_the_wait_at_once(on: MessageType) -> None:
    client, device = connected()
    device.inject(Trouble.RESET, on)
    deadline = client.deadline(1000)
    with pytest.raises(BoardRestartedError, match="restarted by itself"):
        infer(client, 1000)
    assert deadline.remaining_s > 990
    client.hello(client.deadline(5))
    assert infer(client) == expected()


@pytest.mark.parametrize("on", [MessageType.LOAD_DATA, MessageType.RUN, MessageType.HELLO])
def test_a_hang_ends_at_the_deadline_and_a_reset_heals_it(on: MessageType) -> None:
    device = SimulatedDevice()
    line = SimulatedLine(device)
    client = Client(line)
    client.hello(client.deadline(5))
    device.inject(Trouble.HANG, on)
    begun_s = line.now_s
    with pytest.raises(DeadlineError):
        client.hello(client.deadline(3))
        infer(client, 3)
    assert line.now_s - begun_s < 3.5
    line.reset_device()
    client.hello(client.deadline(5))
    assert infer(client) == expected()


def test_a_line_of_noise_is_given_up_with_a_word_about_the_cable() -> None:
    client, device = connected()
    device.inject(Trouble.CORRUPT_REPLY, count=10_000)
    with pytest.raises(TransportError, match="corrupt") as caught:
        client.stats(client.deadline(1000))
    assert "cable" in caught.value.mend


def test_a_load_that_does_not_get_through_is_given_up() -> None:
    client, device = connected()
    device.inject(Trouble.DROP_REQUEST, MessageType.LOAD_DATA, count=100_000)
    with pytest.raises(TransportError, match="do not get through"):
        client.load(MODEL, Slot.RAM, client.deadline(1000))


def test_a_slow_line_is_not_taken_for_a_silent_one() -> None:
    line = SimulatedLine(SimulatedDevice(), baud=4800, latency_s=0.05)
    client = Client(line)
    client.hello(client.deadline(60))
    client.load(MODEL, Slot.RAM, client.deadline(300))
    assert line.now_s < 2 * len(MODEL) * 10 / 4800


def test_refusals_name_the_reason() -> None:
    client, _ = connected(SimulatedTraits(ram_slot_bytes=1000))
    deadline = client.deadline(60)
    with pytest.raises(BoardRefusedError, match="DOES_NOT_FIT") as caught:
        client.load(MODEL, Slot.RAM, deadline)
    assert (caught.value.code, caught.value.detail) == (ErrorCode.DOES_NOT_FIT, 1000)
    with pytest.raises(BoardRefusedError, match="NOT_LOADED"):
        client.prepare(Slot.RAM, deadline)
    with pytest.raises(BoardRefusedError, match="NOT_PREPARED"):
        client.run(deadline, repeats=1)
    client.load(MODEL[:500], Slot.RAM, deadline)
    with pytest.raises(BoardRefusedError, match="ARENA_TOO_SMALL"):
        client.prepare(Slot.RAM, deadline, arena_limit_bytes=100)
    client.prepare(Slot.RAM, deadline)
    with pytest.raises(BoardRefusedError, match="NO_INPUT"):
        client.run(deadline, repeats=1)
    client.input(INPUT, deadline)
    with pytest.raises(BoardRefusedError, match="BAD_VALUE"):
        client.run(deadline, repeats=1000)
    assert len(client.run(deadline, repeats=256).cycles) == 256


def test_a_reset_on_purpose_is_no_fault_and_a_crash_on_purpose_is() -> None:
    client, _ = connected()
    client.reset(client.deadline(5))
    assert client.hello(client.deadline(5)).welcome.boots == 2
    with pytest.raises(BoardCrashError):
        client.reset(client.deadline(5), ResetMode.HARD_FAULT)
    assert client.hello(client.deadline(5)).welcome.boots == 3
    with pytest.raises(BoardCrashError, match="WATCHDOG"):
        client.reset(client.deadline(60), ResetMode.WATCHDOG)
    client.hello(client.deadline(5))
    with pytest.raises(BoardCrashError, match="STACK_OVERFLOW"):
        client.reset(client.deadline(60), ResetMode.STACK_OVERFLOW)


def test_the_frame_log_keeps_every_frame_with_its_bytes() -> None:
    file = io.StringIO()
    line = SimulatedLine(SimulatedDevice())
    client = Client(line, FrameLog(file, line.clock))
    client.hello(client.deadline(5))
    text = file.getvalue()
    assert "> HELLO sequence 1, 8 bytes" in text
    assert "< WELCOME sequence 1" in text
    assert "digest" in text


def test_a_closed_line_is_a_transport_fault() -> None:
    client, _ = connected()
    client.close()
    with pytest.raises(TransportError, match="closed"):
        client.stats(client.deadline(1))
