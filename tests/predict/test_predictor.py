"""Predictions beyond what was measured, files, and the provider that a search takes."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from munas.arch import Architecture
from munas.cost import cost
from munas.latency.predict import (
    PredictedProvider,
    Predictor,
    PredictorError,
    build_predictor,
    find,
    keep,
    load,
    predictor_file,
    provenance,
)
from munas.latency.predict.choice import extrapolating_share, next_batch
from munas.latency.predict.features import features_of
from munas.latency.predict.files import from_text, hash_of, to_text
from munas.units import LatencySource

EMULATED = LatencySource.EMULATED


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MUNAS_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


def paths_of(architecture: Architecture) -> set[str]:
    return {operator.path for operator in features_of(cost(architecture))}


def big(kernel: int = 5) -> Architecture:
    layer = {"type": "conv", "filters": 100, "kernel": kernel, "stride": 1, "bn": False,
             "relu": True, "prepool": False}  # fmt: skip
    return Architecture.from_dict(
        {"space": "cnn", "input": [48, 48, 3], "classes": 10, "pool": None, "dense": [],
         "blocks": [{"branch": False, "layers": [layer, layer]}]}
    )  # fmt: skip


def test_a_network_like_the_others_does_not_extrapolate(predictor: Predictor, drawn: Any) -> None:
    for architecture in drawn(40):
        assert predictor.predict(cost(architecture)).extrapolates == ()


def test_what_lies_outside_the_range_is_said_and_the_interval_widens(
    predictor: Predictor, drawn: Any
) -> None:
    found = predictor.predict(cost(big()))
    assert any("MACs" in reason and "were measured" in reason for reason in found.extrapolates)
    usual = np.median([predictor.predict(cost(a)).error_percent for a in drawn(40)])
    assert found.error_percent > 3 * usual


def test_a_path_without_examples_is_priced_and_said(law: Any, drawn: Any) -> None:
    """Never nothing: coarse work prices it, with an interval that owns up to it."""
    path = "depthwise"
    without = tuple(a for a in drawn(120) if path not in paths_of(a))[:30]
    others = [a for a in drawn(120) if path in paths_of(a)]
    predictor = build_predictor(law.examples(without), judged=False)
    assert len(without) == 30 and len(others) > 20
    usual = [predictor.predict(cost(architecture)).error_percent for architecture in without]
    wide, held = [], []
    for architecture in others:
        costs = cost(architecture)
        found = predictor.predict(costs)
        share = 0.0
        for operator in features_of(costs):
            if operator.path == path:
                assert f"{operator.name}: no {path} was measured" in found.extrapolates
                price = predictor.predict_all([(operator,)])[0].cycles
                assert price > 100
                share += price / found.cycles
        if share > 0.05:
            wide.append(found.error_percent)
        held.append(found.low <= law.measure(architecture)["cycles"] <= found.high)
    assert len(wide) > 5
    assert np.median(wide) > 2 * np.median(usual)
    assert np.mean(held) > 0.75  # none of these is like what was measured


def test_a_file_gives_the_same_predictor(predictor: Predictor, drawn: Any) -> None:
    path = keep(predictor)
    read, digest = load(path)
    assert path == predictor_file("emulated_stm32l4r5", "tflm", EMULATED)
    assert to_text(read) == path.read_text() and digest == hash_of(path.read_text())
    assert read.conditions == predictor.conditions and read.accuracy == predictor.accuracy
    for architecture in drawn(10):
        ours, theirs = (each.predict(cost(architecture)) for each in (predictor, read))
        assert theirs.cycles == pytest.approx(ours.cycles, rel=1e-5)
        assert theirs.high == pytest.approx(ours.high, rel=1e-4)


def test_a_file_says_what_it_is_of(predictor: Predictor) -> None:
    document = json.loads(keep(predictor).read_text())
    assert document["format"] == "munas-predictor" and document["version"] == 1
    for name, value in {
        "board": "emulated_stm32l4r5", "engine": "tflm", "source": "emulated", "units": ["u1"],
        "clock_hz": 100_000_000, "flags": "-O2", "compiler": "gcc", "kernels": "k",
        "engine_revision": "r1", "model_error_percent": 10.0, "n": 40,
    }.items():  # fmt: skip
        assert document[name] == value
    assert len(document["examples_sha256"]) == 64
    assert set(document["accuracy"]) >= {"mape_percent", "spearman", "mac_mape_percent"}


def _cut(text: str) -> str:
    return text[: len(text) // 2]


def _changed(**changes: Any) -> Callable[[str], str]:
    return lambda text: json.dumps(json.loads(text) | changes)


def _without(name: str) -> Callable[[str], str]:
    return lambda text: json.dumps({k: v for k, v in json.loads(text).items() if k != name})


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (_cut, "damaged"),
        (lambda _text: "[1, 2]", "no predictor"),
        (lambda _text: "", "no predictor"),
        (_changed(format="other"), "not a munas-predictor"),
        (_changed(version=2), "version 2"),
        (_without("fold_cycles_a_turn"), "damaged"),
        (_without("clock_hz"), "damaged"),
        (_changed(columns=["conv.body"]), "another version"),
        (_changed(cycles_a_turn=[1.0]), "damaged"),
        (_changed(cycles_a_turn=["x"]), "damaged"),
        (_changed(n=3), "damaged"),
        (_changed(clock_hz=0), "damaged"),
        (_changed(accuracy={"mape_percent": 0}), "damaged"),
    ],
)
def test_a_bad_file_is_refused(
    damage: Callable[[str], str], said: str, predictor: Predictor
) -> None:
    path = keep(predictor)
    path.write_text(damage(path.read_text()))
    with pytest.raises(PredictorError, match=said) as refused:
        load(path)
    assert str(path) in str(refused.value)


def test_another_board_s_file_is_refused(predictor: Predictor) -> None:
    path = keep(predictor)
    other = predictor_file("emulated_stm32f405", "tflm", EMULATED)
    other.parent.mkdir(parents=True)
    other.write_text(path.read_text())
    with pytest.raises(PredictorError, match="emulated_stm32l4r5"):
        find("emulated_stm32f405", "tflm", EMULATED)


def test_what_was_in_force_stays_to_be_had(predictor: Predictor) -> None:
    first = load(keep(predictor))[1]
    newer = replace(predictor, created_at="2030-01-01T00:00:00.000+00:00")
    second = load(keep(newer))[1]
    board = predictor.conditions.board
    assert find(board, None, EMULATED) is not None
    assert find(board, None, EMULATED)[1] == second != first  # type: ignore[index]
    assert find(board, "tflm", EMULATED, first)[1] == first  # type: ignore[index]
    assert find(board, "aot", EMULATED) is None
    assert find(board, "tflm", LatencySource.SILICON) is None
    kept = next(predictor_file(board, "tflm", EMULATED).parent.glob(f"*{first[:16]}*"))
    kept.write_text(kept.read_text().replace('"n": 40', '"n":  40'))
    with pytest.raises(PredictorError, match="was changed"):
        find(board, "tflm", EMULATED, first)


def test_a_failed_write_leaves_the_old_file(
    predictor: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = keep(predictor)
    before = path.read_text()

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("munas.latency.predict.files.os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        keep(replace(predictor, created_at="later"))
    assert path.read_text() == before


def test_a_provider_s_values_say_where_they_come_from(predictor: Predictor, drawn: Any) -> None:
    provider = PredictedProvider(predictor, "ab" * 32)
    assert (provider.source, provider.needs_model) == (LatencySource.PREDICTED, False)
    assert (provider.board, provider.engine) == ("emulated_stm32l4r5", "tflm")
    for architecture in drawn(10):
        costs = cost(architecture)
        latency = provider.read(architecture, costs, None).latency
        found = predictor.predict(costs)
        assert latency.source is LatencySource.PREDICTED
        assert latency.latency_us == provider.screened_us(costs) == round(found.cycles / 100)
        assert latency.error_percent == found.error_percent > 0
        assert (latency.cycles, latency.macs) == (round(found.cycles), costs.macs)
    provider.renew()
    provider.close()
    said = provenance(predictor, "ab" * 32)
    assert "40 networks" in said and "emulated" in said and "abababababab" in said
    assert f"{predictor.accuracy.mape_percent:.1f} %" in said


def test_a_provider_says_once_that_it_extrapolates(
    predictor: Predictor, caplog: pytest.LogCaptureFixture
) -> None:
    provider = PredictedProvider(predictor, "ab" * 32)
    for _ in range(3):
        provider.read(big(), cost(big()), None)
    warned = [r for r in caplog.records if r.levelname == "WARNING"]
    assert len(warned) == 1 and "extrapolates" in warned[0].getMessage()


def test_the_next_batch_is_half_at_random_half_where_it_is_least_sure(
    predictor: Predictor, drawn: Any
) -> None:
    pool = [features_of(cost(a)) for a in (*drawn(60), big(5), big(7))]
    taken = set(range(40))
    batch = next_batch(predictor, pool, taken, 8)
    assert len(set(batch)) == 8 and not taken & set(batch)
    assert batch[:4] == [40, 41, 42, 43]
    assert {60, 61} & set(batch[4:])
    assert next_batch(None, pool, taken, 8) == list(range(40, 48))
    assert next_batch(predictor, pool, taken, 99) == list(range(40, 62))
    assert next_batch(predictor, pool, taken, 0) == []
    assert extrapolating_share(predictor, pool, set(range(60))) == 1.0
    assert extrapolating_share(predictor, pool, set(range(62))) == 0.0


def test_text_of_the_same_predictor_is_the_same(predictor: Predictor) -> None:
    assert to_text(predictor) == to_text(from_text(to_text(predictor)))
