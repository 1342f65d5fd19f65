from __future__ import annotations

from collections.abc import Iterator

import pytest

from munas.boards.session import QuarantinedError, Session
from munas.boards.simulated import SimulatedBoard, simulated_image
from munas.errors import DeadlineError, TransportError
from munas.link.client import Client
from munas.link.faults import BoardCrashError, BoardRestartedError
from munas.link.messages import MessageType, Statistics
from munas.link.simulated_troubles import Trouble
from munas.link.transport import Transport


@pytest.fixture
def board() -> SimulatedBoard:
    return SimulatedBoard()


@pytest.fixture
def session(board: SimulatedBoard) -> Iterator[Session]:
    with Session(board) as session:
        session.start(simulated_image())
        yield session


def stats(client: Client) -> Statistics:
    return client.stats(client.deadline(2))


@pytest.mark.parametrize(
    "trouble",
    [
        Trouble.DROP_REQUEST, Trouble.DROP_REPLY, Trouble.CORRUPT_REQUEST, Trouble.CORRUPT_REPLY,
        Trouble.HALF_REPLY, Trouble.GARBAGE, Trouble.DUPLICATE_REPLY,
    ],
)  # fmt: skip
def test_what_the_line_does_is_mended_by_resending(
    session: Session, board: SimulatedBoard, trouble: Trouble
) -> None:
    board.device.inject(trouble, MessageType.STATS)
    session.attempt(stats)
    assert session.recoveries == []


@pytest.mark.parametrize("trouble", [Trouble.RESET, Trouble.CRASH])
def test_a_restart_is_followed_by_a_second_attempt(
    session: Session, board: SimulatedBoard, trouble: Trouble
) -> None:
    board.device.inject(trouble, MessageType.STATS)
    session.attempt(stats)
    assert [step.split(":")[0] for step in session.recoveries] == ["resync"]
    assert board.flashed == 1


def test_a_hang_is_reset_from_outside(session: Session, board: SimulatedBoard) -> None:
    board.device.inject(Trouble.HANG, MessageType.STATS)
    session.attempt(stats)
    assert [step.split(":")[0] for step in session.recoveries] == ["resync", "reset"]
    assert board.flashed == 1


@pytest.mark.parametrize(
    ("trouble", "fault"),
    [
        (Trouble.CRASH, BoardCrashError),
        (Trouble.RESET, BoardRestartedError),
        (Trouble.HANG, DeadlineError),
    ],
)
def test_a_second_fault_is_raised_and_the_board_stays_usable(
    session: Session, board: SimulatedBoard, trouble: Trouble, fault: type[Exception]
) -> None:
    board.device.inject(trouble, MessageType.STATS, count=2)
    with pytest.raises(fault):
        session.attempt(stats)
    assert session.attempt(stats).fault_kind in (0, 1)


def test_a_board_that_never_answers_is_quarantined(session: Session, board: SimulatedBoard) -> None:
    board.device.inject(Trouble.DROP_REQUEST, count=10_000)
    with pytest.raises(QuarantinedError, match="did not come back"):
        session.attempt(stats)
    assert board.flashed == 2  # the last step was to flash it anew
    with pytest.raises(QuarantinedError, match="is quarantined"):
        session.attempt(stats)


def test_a_port_that_does_not_open_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    board = SimulatedBoard()

    def closed() -> Transport:
        raise TransportError("There is no permission to use /dev/ttyACM0.", "usermod")

    monkeypatch.setattr(board, "open", closed)
    with Session(board) as session:
        with pytest.raises(TransportError, match="no permission"):
            session.start(simulated_image())
        assert session.recoveries == []


def test_a_board_that_ended_between_two_pieces_of_work_is_flashed_anew(
    session: Session, board: SimulatedBoard
) -> None:
    board.close()  # as an emulator's process does that ends
    session.start(simulated_image())
    assert board.flashed == 2
    assert session.attempt(stats).fault_kind == 0


def test_an_emulated_board_is_not_to_be_plugged_in(session: Session, board: SimulatedBoard) -> None:
    board.device.inject(Trouble.DROP_REQUEST, count=10_000)
    for _ in range(2):
        with pytest.raises(QuarantinedError) as lost:
            session.attempt(stats)
        assert "Unplug" not in lost.value.mend and "emulator" in lost.value.mend


def test_a_board_file_with_another_clock_than_the_firmware_s_is_refused() -> None:
    board = SimulatedBoard()
    board.type = board.type.model_copy(update={"clock_hz": 99_000_000})
    with Session(board) as session:
        for _ in range(2):
            with pytest.raises(QuarantinedError, match=r"120,000,000 Hz.*= 99,000,000") as fault:
                session.start(simulated_image())
            assert "120000000" in fault.value.mend
    board.type = board.type.model_copy(update={"kind": "physical"})
    with Session(board) as session:
        session.start(simulated_image())
