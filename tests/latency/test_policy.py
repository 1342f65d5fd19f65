"""The choice of a latency source: first there is, said once, never silently another."""

from __future__ import annotations

from itertools import product

import pytest

from munas.errors import ExitCode, InfrastructureError
from munas.latency import MacModel, MacProvider, choose
from munas.units import LatencySource


class Around:
    def __init__(self, attached=False, silicon=False, emulated=False, emulation=False):
        self.has = {
            LatencySource.SILICON: silicon,
            LatencySource.EMULATED: emulation,
        }
        self.unit = "066BFF" if attached else None
        self.twin = "twin" if emulated else None

    def attached(self, board: str) -> str | None:
        return self.unit

    def predictor(self, board: str, trained_on: LatencySource) -> str | None:
        return "p.json" if self.has[trained_on] else None

    def emulated(self, board: str) -> tuple[str | None, str]:
        return self.twin, "twin emulates it" if self.twin else "it has no twin"


@pytest.mark.parametrize(
    ("has", "source", "board"),
    [
        ({"attached", "silicon", "emulated", "emulation"}, "silicon", "b"),
        ({"silicon", "emulated", "emulation"}, "predicted", "b"),
        ({"emulated", "emulation"}, "emulated", "twin"),
        ({"emulation"}, "predicted", "b"),
        (set(), "mac", "b"),
    ],
)
def test_auto_takes_the_first_there_is(has: set[str], source: str, board: str):
    choice = choose("auto", "b", Around(**dict.fromkeys(has, True)))
    assert (choice.source, choice.board) == (source, board)
    assert choice.reason


def test_auto_never_fails():
    for flags in product([False, True], repeat=4):
        choose("auto", "b", Around(*flags))


def test_measured_means_silicon_or_emulated():
    for flags in product([False, True], repeat=4):
        around = Around(*flags)
        if around.unit or around.twin:
            choice = choose("measured", "b", around)
            assert choice.source in ("silicon", "emulated")
        else:
            with pytest.raises(InfrastructureError) as fault:
                choose("measured", "b", around)
            assert fault.value.exit_code == ExitCode.INFRASTRUCTURE and fault.value.mend


def test_mac_is_taken_when_asked_for_even_with_a_board():
    assert choose("mac", "b", Around(attached=True)).source == "mac"


def test_predicted_without_a_predictor_is_a_fault():
    with pytest.raises(InfrastructureError):
        choose("predicted", "b", Around(attached=True, emulated=True))


def test_a_run_that_goes_on_keeps_its_source():
    everything = Around(attached=True, silicon=True, emulated=True, emulation=True)
    assert choose("auto", "b", everything, only=LatencySource.MAC).source == "mac"
    assert choose("measured", "b", everything, only=LatencySource.EMULATED).board == "twin"
    with pytest.raises(InfrastructureError, match="not at hand now"):
        choose("auto", "b", Around(), only=LatencySource.EMULATED)


def test_what_takes_a_lost_board_s_place_says_so():
    around = Around(emulated=True)
    lost = choose("auto", "b", around, after=LatencySource.EMULATED)
    assert (lost.source, lost.reason) == ("mac", "twin was lost")
    lost = choose("auto", "b", Around(attached=True, emulated=True), after=LatencySource.SILICON)
    assert (lost.source, lost.reason) == ("emulated", "b was lost; twin emulates it")


def test_the_engine_of_a_missing_predictor_stands_in_message_and_command():
    with pytest.raises(InfrastructureError, match="for b with the engine aot") as fault:
        choose("predicted", "b", Around(), engine="aot")
    assert fault.value.mend.endswith("--board b --engine aot")


def test_mac_model_in_microseconds():
    assert MacModel(40_000, 6.0, 120_000_000).latency_us(1_000_000) == 50_333


def test_mac_without_constants_gives_macs_alone():
    from random import Random

    from munas.arch import sample
    from munas.cost import cost

    drawn = sample(Random(0), (8, 8, 1), 10)
    costs = cost(drawn)
    bare = MacProvider(board="b").read(drawn, costs, None).latency
    assert (bare.latency_us, bare.macs, bare.source) == (None, costs.macs, "mac")
    model = MacModel(0, 1.0, 1_000_000, 50)
    known = MacProvider(board="b", model=model).read(drawn, costs, None).latency
    assert (known.latency_us, known.error_percent) == (costs.macs, 50)
