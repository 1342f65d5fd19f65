"""A search finds the predictor, says what it is, and goes on with the very same one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from munas.cost import cost
from munas.errors import InfrastructureError
from munas.experiment import Experiment, parse_experiment
from munas.latency import MacProvider
from munas.latency.engine import EngineChoice
from munas.latency.measurement import StandIn
from munas.latency.predict import PredictedProvider, Predictor, PredictorError, keep, load
from munas.latency.predict.files import user_data_root
from munas.pipeline import sources
from munas.pipeline.sources import provider_for
from munas.units import LatencySource


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No board and no emulator."""
    monkeypatch.setenv("MUNAS_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(sources, "attached_unit", lambda _board: None)
    monkeypatch.setattr(sources, "absent_packages", lambda _extra: ["unicorn"])


def experiment(**latency: Any) -> Experiment:
    return parse_experiment({"name": "t", "data": {"name": "digits"}, "latency": latency}, "test")


def with_source(predictor: Predictor, source: str, board: str) -> Predictor:
    return replace(predictor, conditions=replace(predictor.conditions, source=source, board=board))


def test_predicted_is_what_was_asked_for_and_says_of_what(predictor: Predictor) -> None:
    digest = load(keep(predictor))[1]
    provider, choice = provider_for(experiment(source="predicted"))
    assert isinstance(provider, PredictedProvider)
    assert (choice.source, choice.trained_on) == (LatencySource.PREDICTED, LatencySource.EMULATED)
    assert provider.predictor_sha256 == digest
    for said in ("40 networks", "emulated_stm32l4r5 (emulated)", "tflm", digest[:12], "10 %"):
        assert said in choice.reason


def test_without_one_it_says_how_to_get_one() -> None:
    with pytest.raises(InfrastructureError, match="there is no predictor") as refused:
        provider_for(experiment(source="predicted"))
    assert "munas calibrate --board emulated_stm32l4r5" in refused.value.mend


def test_auto_takes_it_before_macs_and_mac_is_still_to_be_had(predictor: Predictor) -> None:
    keep(predictor)
    assert isinstance(provider_for(experiment())[0], PredictedProvider)
    assert isinstance(provider_for(experiment(source="mac"))[0], MacProvider)


def test_of_another_engine_it_is_not_taken(predictor: Predictor) -> None:
    keep(predictor)
    assert isinstance(provider_for(experiment(engine="tflm"))[0], PredictedProvider)
    assert isinstance(provider_for(experiment(engine="aot"))[0], MacProvider)
    with pytest.raises(InfrastructureError):
        provider_for(experiment(engine="aot", source="predicted"))


def test_a_board_is_predicted_by_its_twin_s_but_sooner_by_its_own(predictor: Predictor) -> None:
    keep(predictor)
    wanted = experiment(board="nucleo_l4r5zi", source="predicted")
    provider, choice = provider_for(wanted)
    assert choice.trained_on is LatencySource.EMULATED
    assert provider.board == "emulated_stm32l4r5"
    keep(with_source(predictor, "silicon", "nucleo_l4r5zi"))
    provider, choice = provider_for(wanted)
    assert choice.trained_on is LatencySource.SILICON
    assert provider.board == "nucleo_l4r5zi"
    # Once the emulated board is lost, only what was fitted on emulation ranks below it.
    _, choice = provider_for(experiment(board="nucleo_l4r5zi"), after=LatencySource.EMULATED)
    assert choice.trained_on is LatencySource.EMULATED


def test_a_run_goes_on_with_its_own_predictor(predictor: Predictor) -> None:
    first = load(keep(predictor))[1]
    second = load(keep(replace(predictor, created_at="2030-01-01T00:00:00.000+00:00")))[1]
    assert first != second
    wanted = experiment(source="predicted")
    assert provider_for(wanted)[0].predictor_sha256 == second
    again, _ = provider_for(wanted, source=LatencySource.PREDICTED, predictor=first)
    assert again.predictor_sha256 == first


@pytest.mark.parametrize("requested", ["predicted", "auto"])
def test_a_run_whose_predictor_is_gone_or_changed_is_refused(
    requested: str, predictor: Predictor
) -> None:
    keep(predictor)
    digest = load(keep(predictor))[1]
    wanted = experiment(source=requested)
    kept = next((user_data_root() / "predictors").rglob(f"*.{digest[:16]}.json"))
    text = kept.read_text()
    kept.write_text(text.replace('"n": 40', '"n":  40'))
    with pytest.raises(PredictorError, match="was changed"):
        provider_for(wanted, source=LatencySource.PREDICTED, predictor=digest)
    kept.unlink()
    with pytest.raises(InfrastructureError, match="not at hand") as refused:
        provider_for(wanted, source=LatencySource.PREDICTED, predictor=digest)
    assert "new search" in refused.value.mend
    kept.write_text(text)
    provider_for(wanted, source=LatencySource.PREDICTED, predictor=digest)


def test_a_damaged_one_stops_only_who_asked_for_it(
    predictor: Predictor, caplog: pytest.LogCaptureFixture
) -> None:
    keep(predictor).write_text("{")
    with pytest.raises(PredictorError, match="damaged"):
        provider_for(experiment(source="predicted"))
    assert isinstance(provider_for(experiment())[0], MacProvider)
    assert "passed over" in caplog.text


@pytest.fixture
def emulator(monkeypatch: pytest.MonkeyPatch) -> None:
    """An emulator and one engine are at hand."""
    engine = EngineChoice("tflm", "cmsis-nn", None, "it is installed")
    monkeypatch.setattr(sources, "absent_packages", lambda _extra: [])
    monkeypatch.setattr(sources.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr("munas.latency.engine.choose_engine", lambda _board, _wanted: engine)


@pytest.mark.usefixtures("emulator")
def test_a_twin_with_another_clock_measures_at_the_target_s() -> None:
    for requested in ("auto", "measured"):
        _, choice = provider_for(experiment(board="nucleo_f401re", source=requested))
        assert choice.board == "emulated_stm32f405"
        assert choice.stands_for == StandIn("nucleo_f401re", 84_000_000)
        assert choice.reason.startswith(
            "emulated_stm32f405 stands for nucleo_f401re; cycles taken at its 84 MHz"
        )
    assert sources.measured_choice("nucleo_f446re").stands_for == StandIn(
        "nucleo_f446re", 180_000_000
    )
    same = provider_for(experiment(board="nucleo_l4r5zi"))[1]
    assert "stands for nucleo_l4r5zi; engine" in same.reason
    itself = provider_for(experiment(board="emulated_stm32f405"))[1]
    assert itself.stands_for is None and "emulates STM32F405" in itself.reason


def test_what_was_fitted_on_emulation_predicts_at_the_target_s_clock(
    predictor: Predictor, drawn: Any
) -> None:
    keep(with_source(predictor, "emulated", "emulated_stm32f405"))
    architecture = drawn(1)[0]
    costs = cost(architecture)
    for board, megahertz in (("nucleo_f401re", 84), ("emulated_stm32f405", 168)):
        provider, choice = provider_for(experiment(board=board, source="predicted"))
        latency = provider.read(architecture, costs, None).latency
        assert latency.latency_us == pytest.approx(latency.cycles / megahertz, abs=1)  # type: ignore[operator]
        assert provider.screened_us(costs) == latency.latency_us
        assert ("cycles taken at its 84 MHz" in choice.reason) == (board == "nucleo_f401re")


@pytest.mark.usefixtures("emulator")
def test_what_spares_measurements_predicts_at_the_clock_that_is_measured_at(
    predictor: Predictor, drawn: Any
) -> None:
    keep(with_source(predictor, "emulated", "emulated_stm32f405"))
    costs = cost(drawn(1)[0])
    found = {}
    for board in ("nucleo_f401re", "emulated_stm32f405"):
        wanted = experiment(board=board, source="measured", measure="undecided")
        reading = provider_for(wanted)[0].spared(costs)
        assert reading is not None and reading.latency.latency_us is not None
        found[board] = reading.latency.latency_us
    assert found["nucleo_f401re"] == pytest.approx(2 * found["emulated_stm32f405"], abs=2)
