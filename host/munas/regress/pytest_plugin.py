"""The pytest plugin: tests that measure models on a board.

    def test_it_is_fast_enough(munas_measure):
        assert munas_measure("model.tflite").latency_us < 20_000

pytest loads this in every run where munas is installed, so nothing heavy is imported before a
fixture is used. Must not know what a test compares.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from munas.regress.rig import MeasuringBoard

DEFAULT_BOARD = "emulated_stm32l4r5"
_PROPERTY = "munas"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Which boards, engine and firmware; the ini key `munas_boards` names boards too."""
    group = parser.getgroup("munas", "measuring on microcontrollers")
    group.addoption(
        "--munas-board",
        action="append",
        metavar="BOARD",
        help=f"board of `munas boards list`, may be repeated; {DEFAULT_BOARD} unless given",
    )
    group.addoption("--munas-engine", default="auto", help="auto, tflm or aot")
    group.addoption("--munas-firmware", metavar="FOLDER", help="build this firmware tree")
    group.addoption("--munas-elf", metavar="FILE", help="use this firmware; build none")
    group.addoption("--munas-port", metavar="URL", help="a firmware that runs already")
    group.addoption("--munas-unit", metavar="SERIAL", help="probe serial, where several fit")
    group.addoption(
        "--munas-wait",
        type=float,
        default=600.0,
        metavar="SECONDS",
        help="how long to wait for a board that another worker uses (600)",
    )
    parser.addini("munas_boards", "boards to measure on", type="linelist", default=[])


def pytest_configure(config: pytest.Config) -> None:
    """Refuse options that contradict each other before anything is collected."""
    given = [name for name in ("firmware", "elf", "port") if config.getoption(f"munas_{name}")]
    if len(given) > 1:
        options = " and ".join(f"--munas-{name}" for name in given)
        raise pytest.UsageError(f"{options} each name the firmware: give one of them.")


def _boards(config: pytest.Config) -> list[str]:
    named = config.getoption("munas_board") or config.getini("munas_boards") or [DEFAULT_BOARD]
    return list(dict.fromkeys(named))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Tests that use a board run once on every board."""
    if "munas_board" in metafunc.fixturenames:
        metafunc.parametrize("munas_board", _boards(metafunc.config), indirect=True)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With pytest-xdist's `--dist loadgroup` all tests of a board go to one worker, so that none
    waits. In its other modes workers wait for the board."""
    if not config.pluginmanager.hasplugin("xdist"):
        return
    for item in items:
        board = getattr(item, "callspec", None) and item.callspec.params.get("munas_board")  # type: ignore[attr-defined]
        if board and item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(f"munas-{board}"))


@pytest.fixture
def munas_board(request: pytest.FixtureRequest) -> Iterator[MeasuringBoard]:
    """A board for this test alone: no other worker or process has it meanwhile.

    `munas_board.name`, `.unit` and `.engine` say what it is, `.measure(model)` measures.
    """
    from munas.errors import MunasError
    from munas.regress.rig import MeasuringBoard, rig_of

    option = request.config.getoption
    try:
        rig = rig_of(
            request.param,
            engine=option("munas_engine"),
            tree=option("munas_firmware"),
            elf=option("munas_elf"),
            port=option("munas_port"),
            unit=option("munas_unit"),
        )
        with rig.held(option("munas_wait")):
            board = MeasuringBoard(rig)
            yield board
    except MunasError as error:
        pytest.fail(f"munas: {error}", pytrace=False)
    for found in board.measured:
        request.node.user_properties.append((_PROPERTY, found))


@pytest.fixture
def munas_measure(munas_board: MeasuringBoard) -> MeasuringBoard:
    """Measures one model: `munas_measure(model)`, a path or bytes, gives a munas Measurement.

    Raises munas faults (a build that fails, a wrong answer, a board that is lost).
    """
    return munas_board


def pytest_unconfigure(config: pytest.Config) -> None:
    """Let go of all boards."""
    import sys

    del config
    rig = sys.modules.get("munas.regress.rig")
    if rig is not None:
        rig.close_all()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What was measured, and how true it is."""
    lines: dict[str, None] = {}
    for reports in terminalreporter.stats.values():
        for report in reports:
            if getattr(report, "when", None) != "teardown":
                continue
            for name, found in getattr(report, "user_properties", ()):
                if name == _PROPERTY:
                    lines[f"{report.nodeid}: {found}"] = None
    if lines:
        terminalreporter.section("munas")
        for line in lines:
            terminalreporter.write_line(line)
