"""One suite over every kind of board; see munas.boards.board."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from munas.boards.board import Board
from munas.boards.emulated import EmulatedBoard
from munas.boards.open import open_board
from munas.boards.registry import find_board, list_boards
from munas.boards.session import Session
from munas.boards.simulated import SimulatedBoard, simulated_image
from munas.errors import FlashError, ImplausibleError, MunasError, TransportError
from munas.firmware.build import BuildRequest, build
from munas.firmware.image import FirmwareImage
from munas.link.client import Client


@dataclass
class Bench:
    """A board and an image for it."""

    board: Board
    image: FirmwareImage


def _simulated() -> Bench:
    return Bench(SimulatedBoard(), simulated_image())


def _emulated() -> Bench:
    absent = [p for p in ("unicorn", "numba", "bakenn") if importlib.util.find_spec(p) is None]
    if absent or shutil.which("arm-none-eabi-gcc") is None:
        pytest.skip(f"needs {', '.join([*absent, 'arm-none-eabi-gcc'])}")
    name = "emulated_stm32l4r5"
    return Bench(EmulatedBoard(find_board(name)), build(BuildRequest(name, "aot")))


def _physical() -> Bench:
    for board in list_boards():
        if board.emulated:
            continue
        try:
            device = open_board(board.name)
        except MunasError:
            continue
        return Bench(device, build(BuildRequest(board.name, "aot")))
    pytest.skip("no physical board is attached")


@pytest.fixture(scope="module", params=[_simulated, _emulated, _physical])
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    made: Bench = request.param()
    with made.board.lease():
        yield made
    made.board.close()


def test_after_flash_the_firmware_of_the_image_answers(bench: Bench) -> None:
    bench.board.flash(bench.image)
    identity = bench.board.identity()
    assert identity.source_digest == bench.image.source_digest
    assert identity.clock_hz > 0


def test_an_open_line_carries_requests(bench: Bench) -> None:
    bench.board.flash(bench.image)
    client = Client(bench.board.open())
    try:
        first = client.hello(client.deadline(5)).uid
        assert client.hello(client.deadline(5)).uid == first
        assert client.stats(client.deadline(5)).fault_kind == 0
    finally:
        client.close()


def test_reset_restarts_the_firmware(bench: Bench) -> None:
    bench.board.flash(bench.image)
    client = Client(bench.board.open())
    try:
        before = client.hello(client.deadline(5)).welcome.boots
        bench.board.reset()
        assert client.hello(client.deadline(5)).welcome.boots > before
    finally:
        client.close()


def test_another_firmware_is_refused(bench: Bench) -> None:
    bench.board.flash(bench.image)
    identity = bench.board.identity()
    if isinstance(bench.board, SimulatedBoard):
        pytest.skip("a simulated board runs no firmware that could be another")
    with pytest.raises(ImplausibleError, match="another firmware"):
        bench.board.verify(replace(identity, source_digest="f" * 64))


def test_an_image_for_another_board_is_refused(bench: Bench) -> None:
    if isinstance(bench.board, SimulatedBoard):
        pytest.skip("a simulated board takes any image")
    with pytest.raises(FlashError, match="was built for"):
        bench.board.flash(replace(bench.image, board="nucleo_other"))


def test_a_session_starts_and_starts_over(bench: Bench) -> None:
    with Session(bench.board) as session:
        identity = session.start(bench.image)
        session.fresh()
        assert session.identity.uid == identity.uid
        assert session.attempt(lambda client: client.stats(client.deadline(5))).fault_kind == 0
        assert session.recoveries == []


def test_closing_twice_is_harmless_and_flash_brings_it_back(bench: Bench) -> None:
    bench.board.close()
    bench.board.close()
    with pytest.raises((FlashError, TransportError)):
        bench.board.open()
    bench.board.flash(bench.image)
    assert bench.board.identity().source_digest == bench.image.source_digest
