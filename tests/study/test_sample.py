"""The architectures that a study draws: spread evenly, different, within the bounds, repeatable."""

from __future__ import annotations

import logging
from collections import Counter
from functools import lru_cache
from math import log10

import pytest

from munas.arch import Architecture, sha256
from munas.cost import Cost, cost
from munas.errors import BadInputError
from munas.search.screen import excess, light_values, screened_values
from munas.study.sample import Drawn, MayFit, paper, stratified

SHAPE = (28, 28, 1)
RANGE = (10_000, 1_000_000)


def small(costs: Cost) -> bool:
    return costs.peak_memory_bytes <= 60_000


def draw_anew(count: int, seed: int) -> list[tuple[Architecture, Cost]]:
    return list(stratified(SHAPE, 10, count=count, seed=seed, macs=RANGE, fits=small))


draw = lru_cache(draw_anew)


def test_every_eighth_of_a_decade_has_an_equal_share() -> None:
    drawn = draw(160, 0)
    bins = Counter(int((log10(costs.macs) - 4) * 8) for _, costs in drawn)
    assert sorted(bins) == list(range(16))
    assert set(bins.values()) == {10}


def test_drawn_architectures_differ_fit_and_come_with_their_costs() -> None:
    drawn = draw(160, 0)
    assert len({sha256(architecture) for architecture, _ in drawn}) == len(drawn) == 160
    for architecture, costs in drawn:
        assert costs == cost(architecture)
        assert small(costs)
        assert RANGE[0] <= costs.macs <= RANGE[1]


def test_the_first_half_is_stratified_too() -> None:
    halves = [costs.macs for _, costs in draw(160, 0)[:80]]
    low = sum(macs < 100_000 for macs in halves)
    assert 25 <= low <= 55


def test_a_seed_gives_the_same_architectures_and_another_seed_others() -> None:
    assert draw_anew(16, 3) == draw_anew(16, 3)
    assert draw_anew(16, 3) != draw_anew(16, 1)


def test_what_cannot_be_filled_is_said_and_left_to_the_others(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("munas.study.sample._PATIENCE", 300)

    def fits(costs: Cost) -> bool:
        return costs.macs > 100_000

    with caplog.at_level(logging.WARNING):
        drawn = list(stratified(SHAPE, 10, count=32, seed=0, macs=RANGE, fits=fits))
    assert len(drawn) == 32
    assert min(costs.macs for _, costs in drawn) > 100_000
    assert len(caplog.records) == 8  # the eighths of the lower decade


@pytest.mark.parametrize("bound", ["peak_memory_bytes", "model_size_bytes", "macs"])
def test_what_cannot_fit_is_not_costed_and_the_draw_stays_the_same(
    bound: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bounds = {
        bound: {"peak_memory_bytes": 9_000, "model_size_bytes": 20_000, "macs": 600_000}[bound]
    }
    costed = []

    def counting(architecture: Architecture) -> Cost:
        costed.append(architecture)
        return cost(architecture)

    monkeypatch.setattr("munas.study.sample.cost", counting)
    monkeypatch.setattr("munas.study.sample._PATIENCE", 500)

    def drawn(may_fit: MayFit) -> list[Drawn]:
        return list(
            stratified(
                SHAPE, 10, count=24, seed=3, macs=RANGE, may_fit=may_fit,
                fits=lambda costs: excess(screened_values(costs), bounds) == 0,
            )
        )  # fmt: skip

    plainly = drawn(lambda _: True)
    without = len(costed)
    assert drawn(lambda graph: excess(light_values(graph), bounds) == 0) == plainly
    assert len(costed) - without < without


def test_bounds_that_nothing_meets_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("munas.study.sample._PATIENCE", 200)
    with pytest.raises(BadInputError, match="Only 0 of 5 architectures"):
        list(stratified(SHAPE, 10, count=5, seed=0, macs=RANGE, fits=lambda _: False))


def test_the_papers_generation_ends_within_its_limits() -> None:
    limits = (60_000, 60_000)
    drawn = list(paper((32, 32, 3), 10, count=4, seed=0, limits=limits))
    assert len({sha256(architecture) for architecture, _ in drawn}) == 4
    for architecture, costs in drawn:
        counted = cost(architecture, "paper")
        assert counted.model_size_bytes <= limits[0]
        assert counted.peak_memory_with_input_bytes <= limits[1]
        assert costs == cost(architecture)


def test_limits_out_of_reach_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("munas.study.sample._shrink", lambda *_: None)
    with pytest.raises(BadInputError, match="could not be brought within 10 B"):
        list(paper(SHAPE, 10, count=1, seed=0, limits=(10, 10)))
