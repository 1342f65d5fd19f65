"""Requests that keep the board busy for long, in the line's own time."""

from __future__ import annotations

import pytest

from munas.errors import DeadlineError
from munas.link.client import Client
from munas.link.faults import BoardCrashError, BoardRefusedError
from munas.link.messages import FaultKind, Slot
from munas.link.simulated import SimulatedDevice
from munas.link.simulated_engine import DigestEngine
from munas.link.simulated_line import SimulatedLine

CLOCK_HZ = 120_000_000


class SlowEngine(DigestEngine):
    """Every inference takes `seconds` of the device's time."""

    seconds = 0.0

    def invoke(self, data: bytes) -> tuple[bytes, tuple[int, ...]]:
        output, _ = super().invoke(data)
        return output, (0, 0, round(self.seconds * CLOCK_HZ))


def prepared(seconds: float) -> tuple[Client, SimulatedLine]:
    engine = SlowEngine()
    line = SimulatedLine(SimulatedDevice(engine), latency_s=0.002)
    client = Client(line)
    client.hello(client.deadline(5))
    ready(client)
    engine.seconds = seconds
    return client, line


def ready(client: Client) -> None:
    deadline = client.deadline(60)
    client.load(b"any model", Slot.RAM, deadline)
    client.prepare(Slot.RAM, deadline)
    client.input(bytes(64), deadline)


def test_a_long_run_is_waited_for_and_done_once() -> None:
    client, line = prepared(seconds=20)
    before = line.now_s
    result = client.run(client.deadline(300), repeats=9, warmup=1)
    assert result.cycles == (20 * CLOCK_HZ,) * 9
    # Resent requests were answered from memory, not carried out.
    assert line.now_s - before == pytest.approx(200, abs=1)
    assert client.resends > 3
    assert client.stats(client.deadline(5)).fault_kind == FaultKind.NONE


def test_an_inference_that_outlasts_the_watchdog_is_a_fault() -> None:
    client, line = prepared(seconds=93)
    before = line.now_s
    with pytest.raises(BoardCrashError, match=r"RUN: WATCHDOG") as caught:
        client.run(client.deadline(300), repeats=1)
    assert caught.value.during == "RUN"
    assert line.now_s - before == pytest.approx(26, abs=1)
    assert client.hello(client.deadline(5)).welcome.last_fault == FaultKind.WATCHDOG


def test_the_deadline_ends_the_wait_and_a_reset_the_work() -> None:
    client, line = prepared(seconds=20)
    before = line.now_s
    with pytest.raises(DeadlineError, match="did not answer RUN"):
        client.run(client.deadline(60), repeats=250)
    assert line.now_s - before == pytest.approx(60)
    with pytest.raises(DeadlineError, match="HELLO"):
        client.hello(client.deadline(5))
    line.reset_device()
    client.hello(client.deadline(5))
    ready(client)
    assert len(client.run(client.deadline(60), repeats=2).cycles) == 2


def test_a_run_of_nothing_or_of_too_much_is_refused() -> None:
    client, _ = prepared(seconds=0.001)
    for warmup, repeats in ((0, 0), (257, 1)):
        with pytest.raises(BoardRefusedError, match="BAD_VALUE"):
            client.run(client.deadline(5), repeats=repeats, warmup=warmup)
