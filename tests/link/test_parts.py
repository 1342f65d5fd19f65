"""Deadlines, fault words, and the transport over pyserial."""

from __future__ import annotations

import pytest

from munas.errors import DeadlineError, TransportError
from munas.link.deadline import Deadline
from munas.link.faults import BoardRefusedError, describe
from munas.link.messages import Fault, FaultKind
from munas.link.transport import SerialTransport, Transport


def test_a_deadline_within_another_never_ends_later() -> None:
    now = 100.0
    outer = Deadline(5, lambda: now)
    assert outer.within(2).remaining_s == 2
    assert outer.within(10).remaining_s == 5
    now = 104.0
    assert outer.remaining_s == 1
    now = 106.0
    assert outer.expired
    assert outer.within(10).expired


def test_a_hard_fault_in_words() -> None:
    fault = Fault(FaultKind.HARD_FAULT, 0x08000123, 0x08000457, 0, 1 << 9 | 1 << 15, 1 << 30, 0x123)
    text = describe(fault)
    assert "PC 0x08000123" in text
    assert "precise data bus error" in text
    assert "address 0x00000123" in text
    assert "forced" in text


def test_an_address_that_the_core_did_not_vouch_for_is_left_out() -> None:
    assert "address" not in describe(Fault(FaultKind.HARD_FAULT, 1, 2, 0, 1 << 10, 0, 0x123))


def test_a_watchdog_needs_no_registers() -> None:
    assert describe(Fault(FaultKind.WATCHDOG, 0, 0, 0, 0, 0, 0)) == "WATCHDOG"


def test_a_code_that_is_unknown_here_still_reads() -> None:
    assert "ErrorCode 999" in str(BoardRefusedError(999, 0, "", "RUN"))


def test_bytes_go_through_a_pyserial_url() -> None:
    line = SerialTransport("loop://", 115_200)
    assert isinstance(line, Transport)
    deadline = Deadline(5)
    line.write(b"hello", deadline)
    got = b""
    while len(got) < 5:
        got += line.read(deadline)
    assert got == b"hello"
    line.write(b"old", deadline)
    line.drain()
    with pytest.raises(DeadlineError):
        line.read(Deadline(0.01))
    line.close()
    with pytest.raises(TransportError):
        line.read(deadline)
    line.close()


def test_a_port_that_is_not_there_names_the_mend() -> None:
    with pytest.raises(TransportError, match="cannot be opened") as caught:
        SerialTransport("/dev/no-such-port", 115_200)
    assert "munas boards scan" in caught.value.mend
