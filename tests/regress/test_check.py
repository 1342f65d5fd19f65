"""Whole checks on a simulated board: what became worse is found, what did not is not."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from munas.errors import (
    BadInputError,
    BoardFaultError,
    ConvertError,
    ExitCode,
    MunasError,
    TransportError,
)
from munas.experiment import Suite, SuiteModel
from munas.latency.measure import Measurer
from munas.regress.baseline import BaselineError, read_baseline, to_text
from munas.regress.check import Outcome, Request, check, record
from munas.regress.plan import OWN, Firmware

Open = Any
Opener = Callable[..., Open]
EXACT: dict[str, Any] = {}
NOISY: dict[str, Any] = {"noise": 0.002, "session": 0.0005}


def baseline_of(suite: Suite, device: Open, path: Path) -> Path:
    found = record(suite, Path("fw.toml"), OWN, commit="abc", open_device=device)
    path.write_text(to_text(found))
    return path


def checked(suite: Suite, baseline: Path, device: Open) -> Outcome:
    return check(Request(suite, Path("fw.toml"), baseline=baseline), open_device=device)


def verdicts(outcome: Outcome) -> dict[str, str]:
    return {f.metric: f.verdict.value for f in outcome.findings if f.verdict.value != "same"}


def test_the_same_firmware_passes(opener: Opener, suite: Suite, tmp_path: Path) -> None:
    path = baseline_of(suite, opener(EXACT), tmp_path / "b.json")
    outcome = checked(suite, path, opener(EXACT))
    assert (outcome.verdict, outcome.exit_code, verdicts(outcome)) == ("passed", ExitCode.DONE, {})
    assert {f.metric for f in outcome.findings} >= {
        "cycles", "arena_used_bytes", "outputs_crc32", "operators"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("behaviour", "metric", "verdict"),
    [
        ({"slower": 0.01}, "cycles", "worse"),
        ({"slower": 0.03}, "cycles", "worse"),
        ({"slower": 0.10}, "cycles", "worse"),
        ({"slower": 0.0005}, "cycles", "worse"),
        ({"more_arena": 16}, "arena_used_bytes", "worse"),
        ({"flipped": True}, "outputs_crc32", "changed"),
    ],
)
def test_a_regression_is_found(
    opener: Opener,
    suite: Suite,
    tmp_path: Path,
    behaviour: dict[str, Any],
    metric: str,
    verdict: str,
) -> None:
    path = baseline_of(suite, opener(EXACT), tmp_path / "b.json")
    outcome = checked(suite, path, opener(behaviour))
    assert verdicts(outcome) == {metric: verdict}
    assert (outcome.verdict, outcome.exit_code) == ("regression", ExitCode.REGRESSION)


def test_what_got_better_passes_and_is_told(opener: Opener, suite: Suite, tmp_path: Path) -> None:
    path = baseline_of(suite, opener({"slower": 0.1, "more_arena": 16}), tmp_path / "b.json")
    outcome = checked(suite, path, opener(EXACT))
    assert verdicts(outcome) == {"cycles": "better", "arena_used_bytes": "better"}
    assert outcome.exit_code is ExitCode.DONE


def test_a_spreading_board_is_compared_by_statistics(
    opener: Opener, suite: Suite, tmp_path: Path
) -> None:
    path = baseline_of(suite, opener(NOISY), tmp_path / "b.json")
    same = checked(suite, path, opener(NOISY))
    assert same.verdict == "passed", same.findings
    slow = checked(suite, path, opener(NOISY | {"slower": 0.03}))
    assert verdicts(slow) == {"cycles": "worse"}
    assert "munas noise --board simulated" in " ".join(slow.notes)


def test_old_and_new_by_turns(opener: Opener, suite: Suite, tmp_path: Path) -> None:
    old = tmp_path / "old.elf"
    old.write_bytes(b"")
    request = Request(suite, Path("fw.toml"), against=Firmware(elf=old))
    outcome = check(request, open_device=opener(NOISY | {"slower": 0.03}, NOISY))
    assert verdicts(outcome) == {"cycles": "worse"}
    outcome = check(request, open_device=opener(NOISY, NOISY))
    assert outcome.verdict == "passed"
    record_of_new = next(iter(outcome.taken.records.values()))
    assert len(record_of_new.cycles_runs) == suite.runs


def test_budgets_hold_whatever_the_baseline_says(
    opener: Opener, suite: Suite, tmp_path: Path
) -> None:
    tight = Suite.model_validate(
        {
            **suite.as_dict(),
            "models": [{"name": "small", "path": "x", "budget": {"cycles": 10}}],
        }
    )
    path = baseline_of(tight, opener(EXACT), tmp_path / "b.json")
    outcome = checked(tight, path, opener(EXACT))
    assert verdicts(outcome) == {"cycles budget": "over-budget"}
    assert outcome.exit_code is ExitCode.REGRESSION


def test_a_gate_that_compared_nothing_never_passes(
    opener: Opener, suite: Suite, tmp_path: Path
) -> None:
    path = baseline_of(suite, opener(EXACT), tmp_path / "b.json")
    renamed = suite.model_copy(update={"models": (SuiteModel(name="other", path="x"),)})
    outcome = checked(renamed, path, opener(EXACT))
    assert verdicts(outcome) == {"all": "gone"} or set(verdicts(outcome).values()) == {"gone"}
    assert (outcome.verdict, outcome.exit_code) == ("nothing-measured", ExitCode.NOTHING_MEASURED)


def test_a_case_that_cannot_be_measured_fails_the_gate(
    opener: Opener, suite: Suite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = suite.model_copy(update={"models": (*suite.models, SuiteModel(name="second", path="x"))})
    path = baseline_of(both, opener(EXACT), tmp_path / "b.json")
    whole = Measurer._one

    def broken(self: Measurer, entry: object) -> object:
        if entry.model.name == "second":  # type: ignore[attr-defined]
            raise TransportError("The line broke.", "Mend it.")
        return whole(self, entry)  # type: ignore[arg-type]

    monkeypatch.setattr(Measurer, "_one", broken)
    outcome = checked(both, path, opener(EXACT))
    assert (outcome.verdict, outcome.exit_code) == ("failed", ExitCode.INFRASTRUCTURE)
    assert "The line broke." in " ".join(f.reason for f in outcome.findings)
    worse = checked(both, path, opener({"slower": 0.1}))
    assert worse.exit_code is ExitCode.REGRESSION, "one that was found is one"


def test_a_firmware_that_breaks_down_is_a_regression(
    opener: Opener, suite: Suite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = baseline_of(suite, opener(EXACT), tmp_path / "b.json")

    def broken(self: Measurer, entry: object) -> object:
        raise BoardFaultError("The board broke down during RUN.")

    monkeypatch.setattr(Measurer, "_one", broken)
    outcome = checked(suite, path, opener(EXACT))
    assert verdicts(outcome) == {"runs": "changed"}
    assert outcome.exit_code is ExitCode.REGRESSION
    renamed = suite.model_copy(update={"models": (SuiteModel(name="other", path="x"),)})
    unknown = checked(renamed, path, opener(EXACT))
    assert unknown.exit_code is ExitCode.NOTHING_MEASURED, "what never ran is no regression"


def test_a_wrong_answer_is_no_baseline(opener: Opener, suite: Suite) -> None:
    with pytest.raises(BaselineError, match="answers differ"):
        record(suite, Path("fw.toml"), OWN, open_device=opener({"flipped": True}))


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (TransportError("The line broke."), ExitCode.INFRASTRUCTURE),
        (ConvertError("It is float."), ExitCode.BAD_INPUT),
    ],
)
def test_half_a_baseline_is_never_recorded(
    opener: Opener,
    suite: Suite,
    monkeypatch: pytest.MonkeyPatch,
    fault: MunasError,
    code: ExitCode,
) -> None:
    def broken(self: Measurer, entry: object) -> object:
        raise fault

    monkeypatch.setattr(Measurer, "_one", broken)
    with pytest.raises(MunasError, match=fault.what) as raised:
        record(suite, Path("fw.toml"), OWN, open_device=opener(EXACT))
    assert raised.value.exit_code is code


def test_a_baseline_of_another_unit_is_refused(
    opener: Opener, suite: Suite, tmp_path: Path
) -> None:
    path = baseline_of(suite, opener(EXACT), tmp_path / "b.json")
    with pytest.raises(BaselineError, match="unit simulated"):
        checked(suite, path, opener(NOISY))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"protocol": 99}, "version 99"),
        ({"board": "nucleo_x"}, "board nucleo_x"),
        ({"engine": "aot"}, "engine aot"),
        ({"environment": "other_env"}, "environment other_env"),
        ({"model_sha256": "00"}, "another one now"),
    ],
)
def test_a_baseline_of_something_else_is_refused(
    opener: Opener, suite: Suite, tmp_path: Path, change: dict[str, object], said: str
) -> None:
    path = baseline_of(suite, opener(EXACT), tmp_path / "b.json")
    found = read_baseline(path)
    if "protocol" in change:
        other = replace(found, protocol=99)
    else:
        records = {}
        for case, entry in found.taken.records.items():
            of_case = {k: v for k, v in change.items() if hasattr(case, k)}
            moved = replace(case, **of_case)  # type: ignore[arg-type]
            rest = {k: v for k, v in change.items() if k not in of_case}
            records[moved] = replace(entry, case=moved, **rest)  # type: ignore[arg-type]
        other = replace(found, taken=replace(found.taken, records=records))
    path.write_text(to_text(other))
    with pytest.raises(BaselineError, match=said) as fault:
        checked(suite, path, opener(EXACT))
    assert fault.value.exit_code is ExitCode.BAD_INPUT


def test_a_damaged_baseline_is_refused(opener: Opener, suite: Suite, tmp_path: Path) -> None:
    path = baseline_of(suite, opener(EXACT), tmp_path / "b.json")
    text = path.read_text()
    cycles = next(iter(read_baseline(path).taken.records.values())).cycles
    for damage in (
        text[: len(text) // 2],
        text.replace(str(cycles), str(cycles + 1)),
        "[]",
        "not json",
        json.dumps({**json.loads(text), "version": 9}),
    ):
        path.write_text(damage)
        with pytest.raises(BaselineError):
            checked(suite, path, opener(EXACT))
    with pytest.raises(BaselineError, match="cannot be read"):
        read_baseline(tmp_path / "nowhere.json")


def test_a_baseline_reads_as_it_was_written(opener: Opener, suite: Suite, tmp_path: Path) -> None:
    found = record(suite, Path("fw.toml"), OWN, commit="abc", open_device=opener(NOISY))
    path = tmp_path / "b.json"
    path.write_text(to_text(found))
    again = read_baseline(path)
    assert again.taken == found.taken and again.commit == "abc"
    assert to_text(again) == path.read_text()


def test_something_to_compare_with_is_needed(suite: Suite) -> None:
    with pytest.raises(BadInputError, match="nothing to compare"):
        check(Request(suite, Path("fw.toml")))


def test_what_failed_with_the_old_firmware_fails_the_gate(
    opener: Opener, suite: Suite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = tmp_path / "old.elf"
    old.write_bytes(b"")
    both = suite.model_copy(update={"models": (*suite.models, SuiteModel(name="second", path="x"))})
    whole, calls = Measurer._one, []

    def broken(self: Measurer, entry: Any) -> object:
        calls.append(entry.model.name)
        if calls == ["small", "second"]:  # the old firmware comes first
            raise BoardFaultError("The board broke down during RUN.")
        return whole(self, entry)

    monkeypatch.setattr(Measurer, "_one", broken)
    request = Request(both, Path("fw.toml"), against=Firmware(elf=old))
    outcome = check(request, open_device=opener(EXACT, EXACT))
    assert (outcome.verdict, outcome.exit_code) == ("failed", ExitCode.INFRASTRUCTURE)
    assert any("before, board-fault" in finding.reason for finding in outcome.findings)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"format": NaN}', '{"format": Infinity}'])
def test_no_text_breaks_the_reader_of_baselines(tmp_path: Path, text: str) -> None:
    path = tmp_path / "b.json"
    path.write_text(text)
    with pytest.raises(BaselineError, match="damaged"):
        read_baseline(path)
