"""What a suite asks for: which models, on which boards, with which engine and firmware.

Must not know how any of it is measured.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from munas.boards.registry import find_board
from munas.boards.types import BoardType
from munas.errors import BadInputError
from munas.experiment import Suite
from munas.latency.engine import EngineChoice, EngineName, choose_engine, kernels_of
from munas.regress.models import Model, suite_models
from munas.regress.record import Case


@dataclass(frozen=True)
class Firmware:
    """The firmware under test: one of these, or munas' own tree where all are null.

    `tree` is a folder with a platformio.ini, `elf` a built image, `port` the URL of a firmware
    that runs already.
    """

    tree: Path | None = None
    elf: Path | None = None
    port: str | None = None

    @property
    def given(self) -> bool:
        """Whether it is there already, so that nothing is built."""
        return self.elf is not None or self.port is not None

    def __str__(self) -> str:
        return str(self.elf or self.port or self.tree or "the firmware of this munas")


OWN = Firmware()
"""The firmware tree of this munas."""


def parse_firmware(text: str) -> Firmware:
    """A firmware tree (a folder), an ELF file, or a port's URL. Raises BadInputError."""
    path = Path(text).expanduser()
    if path.is_dir():
        if not (path / "platformio.ini").is_file():
            raise BadInputError(
                f"{text} is not a firmware tree: it has no platformio.ini.",
                "Give the folder that `pio run` works in, an ELF file, or a port.",
            )
        return Firmware(tree=path.resolve())
    if path.is_file():
        return Firmware(elf=path)
    if "://" in text or text.startswith(("/dev/", "COM")):
        return Firmware(port=text)
    raise BadInputError(
        f"There is no firmware {text}.", "Give a firmware tree (a folder), an ELF file, or a port."
    )


@dataclass(frozen=True)
class Group:
    """Models that one firmware measures on one board.

    `environment` is the board type whose firmware is built; that of `board` unless the suite names
    others.
    """

    board: BoardType
    environment: BoardType
    engine: EngineChoice
    models: tuple[Model, ...]

    def case(self, model: str, engine: str | None = None) -> Case:
        return Case(model, self.board.name, engine or self.engine.name, self.environment.name)

    def __str__(self) -> str:
        built = "" if self.environment.name == self.board.name else f" ({self.environment.name})"
        return f"{self.board.name}{built}, {self.engine.name}"


def plan(suite: Suite, origin: Path, firmware: Firmware) -> list[Group]:
    """Every board with every engine and environment of the suite, `origin` being its file.

    Raises BadInputError for what does not exist or does not fit, InfrastructureError where an
    engine cannot be had.
    """
    pairs = _pairs(suite)
    if firmware.given and len(pairs) > 1:
        raise BadInputError(
            f"The suite {suite.name} names {len(pairs)} boards and environments; {firmware} is the "
            "firmware of one.",
            "Choose one: --set 'boards=[\"NAME\"]'.",
        )
    models = tuple(suite_models(suite, origin))
    groups: list[Group] = []
    for board, environment in pairs:
        seen: set[str] = set()
        for engine in _engines(suite, environment, firmware):
            if engine.name not in seen:  # auto may be one that is named too
                seen.add(engine.name)
                groups.append(Group(board, environment, engine, models))
    return groups


def _pairs(suite: Suite) -> list[tuple[BoardType, BoardType]]:
    boards = [find_board(name) for name in suite.boards]
    if not suite.environments:
        return [(board, board) for board in boards]
    found = []
    for name in suite.environments:
        environment = find_board(name)
        fitting = [board for board in boards if _fits(environment, board)]
        if not fitting:
            raise BadInputError(
                f"The environment {name} is for an {environment.mcu}; no board of the suite is.",
                f"Boards of the suite: {', '.join(suite.boards)}.",
            )
        found += [(board, environment) for board in fitting]
    return found


def _fits(environment: BoardType, board: BoardType) -> bool:
    return (environment.mcu, environment.kind) == (board.mcu, board.kind)


def _engines(suite: Suite, board: BoardType, firmware: Firmware) -> list[EngineChoice]:
    if not firmware.given:
        return [choose_engine(board, name) for name in suite.engines]
    # It has the engine that it has; what HELLO says is compared with the suite's.
    name: EngineName = next((name for name in suite.engines if name != "auto"), "tflm")
    return [EngineChoice(name, kernels_of(board), None, "the firmware is given")]
