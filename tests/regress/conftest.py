"""A simulated board whose firmware can become worse in chosen ways, and suites over it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from munas.boards.board import Board, Capabilities
from munas.boards.simulated import SimulatedBoard, WheelEngine, simulated_image
from munas.experiment import Suite, SuiteModel
from munas.latency.engine import EngineChoice
from munas.link.messages import Prepared
from munas.link.simulated import SimulatedDevice
from munas.regress import check as checking
from munas.regress import take as taking
from munas.regress.plan import Firmware, Group

SMALL = Path(__file__).parents[1] / "data" / "small.tflite"


@dataclass(frozen=True)
class Behaviour:
    """What a firmware does otherwise than the first one. `noise` is the standard deviation of a
    restart's logarithm of cycles, `session` of all restarts of one opening; both 0: exact."""

    slower: float = 0.0
    more_arena: int = 0
    flipped: bool = False
    noise: float = 0.0
    session: float = 0.0


class Engine(WheelEngine):
    def __init__(self, behaviour: Behaviour, rng: np.random.Generator) -> None:
        super().__init__()
        self.behaviour, self.rng = behaviour, rng
        self.session = rng.normal(0, behaviour.session) if behaviour.session else 0.0
        self.run = 0.0

    def prepare(self, model: bytes | int, arena_bytes: int) -> Prepared:
        found = super().prepare(model, arena_bytes)
        self.run = self.rng.normal(0, self.behaviour.noise) if self.behaviour.noise else 0.0
        used = found.arena_used_bytes + self.behaviour.more_arena
        return replace(found, arena_used_bytes=used)

    def invoke(self, data: bytes) -> tuple[bytes, tuple[int, ...]]:
        answer, cycles = super().invoke(data)
        factor = (1 + self.behaviour.slower) * np.exp(self.run + self.session)
        if self.behaviour.noise:
            factor *= np.exp(self.rng.normal(0, self.behaviour.noise / 4))
        if self.behaviour.flipped:
            answer = bytes([answer[0] ^ 1]) + answer[1:]
        return answer, tuple(round(each * factor) for each in cycles)


class FakeBoard(SimulatedBoard):
    def __init__(self, behaviour: Behaviour, rng: np.random.Generator) -> None:
        super().__init__(SimulatedDevice(Engine(behaviour, rng)))
        if behaviour.noise:
            self.capabilities = Capabilities(source="silicon", deterministic=False, flashes=True)
            self.unit = "066BFF"


Open = Callable[[Group, Firmware, str | None], Board]


@pytest.fixture
def opener(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Open]:
    """`opener(now, old)` opens boards whose firmware behaves like `now` (see Behaviour), or like
    `old` where it is the ELF file old.elf. Nothing is built; suites are of the simulated board."""
    engine = EngineChoice("tflm", "cmsis-nn", None, "for the test")
    kind = SimulatedBoard().type

    def plan(suite: Suite, origin: Path, firmware: Firmware) -> list[Group]:
        del origin, firmware
        models = tuple((model.name, SMALL.read_bytes()) for model in suite.models)
        return [Group(kind, kind, engine, models)]

    monkeypatch.setattr(checking, "plan", plan)
    monkeypatch.setattr(taking, "build", lambda request: simulated_image())
    monkeypatch.setattr(taking, "image_of_elf", lambda path: simulated_image())
    monkeypatch.setattr("munas.latency.measure.check_clock", lambda *given: None)
    monkeypatch.setenv("MUNAS_DATA", str(tmp_path / "data"))
    rng = np.random.default_rng(0)

    def make(now: Mapping[str, Any], old: Mapping[str, Any] | None = None) -> Open:
        def open_device(group: Group, firmware: Firmware, unit: str | None) -> Board:
            del group, unit
            is_old = firmware.elf is not None and firmware.elf.name == "old.elf"
            return FakeBoard(Behaviour(**(old if is_old and old is not None else now)), rng)

        return open_device

    return make


@pytest.fixture
def suite() -> Suite:
    return Suite(
        name="fw",
        boards=("simulated",),
        engines=("tflm",),
        models=(SuiteModel(name="small", path="small.tflite"),),
        alignment_paddings=0,
    )
