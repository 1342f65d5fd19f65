"""What a check leaves: words, JUnit XML, Markdown, JSON, the history and its page."""

from __future__ import annotations

import io
import json
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from munas.errors import BadInputError
from munas.experiment import Suite, SuiteModel
from munas.regress.check import Outcome
from munas.regress.history import History, changes, is_history, open_history
from munas.regress.history_page import render, write_history
from munas.regress.judge import Finding, Verdict
from munas.regress.junit import to_junit
from munas.regress.markdown import to_markdown
from munas.regress.record import Case, Image, Operator, Record, Taken
from munas.regress.screen import show
from munas.regress.why import explain
from munas.store import Ledger

CASE = Case("kws|<b>", "emulated_x", "aot", "emulated_x")
SUITE = Suite(name="fw", boards=("emulated_x",), models=(SuiteModel(name="kws|<b>", path="x"),))


def image(**other: object) -> Image:
    first = Image(
        "i1", "s1", "emulated_x", "aot", "r1", "k", "gcc 12.2.1", "-O2",
        {".text": 1000}, {".bss": 80}, {"arm_convolve_s8": 400, "main": 20},
    )  # fmt: skip
    return replace(first, **other)  # type: ignore[arg-type]


def record(cycles: int, held: str = "i1", **other: object) -> Record:
    first = Record(
        case=CASE,
        model_sha256="m",
        unit="emulated",
        source="emulated",
        deterministic=True,
        clock_hz=120_000_000,
        cycles_runs=((cycles,),),
        arena_used_bytes=1000,
        flash_bytes=2000,
        stack_bytes=300,
        outputs_crc32="0badcafe",
        outputs_match=True,
        operators=(Operator("CONV_2D", cycles - 10, 5), Operator("SOFTMAX", 10, 0)),
        image=held,
        model_error_percent=5.0,
    )
    return replace(first, **other)  # type: ignore[arg-type]


def taken(found: Record, of: Image) -> Taken:
    return Taken({found.case: found}, {of.sha256: of})


@pytest.fixture
def worse() -> Outcome:
    from munas.regress.judge import judge

    before = taken(record(1000), image())
    new = image(
        sha256="i2", source_digest="s2", compiler="gcc 13.2.1", flags="-Os",
        flash={".text": 1064}, symbols={"arm_convolve_s8": 450, "main": 20, "helper": 14},
    )  # fmt: skip
    after = taken(record(1100, "i2"), new)
    findings = judge(SUITE, before, after, lambda _: 0.0)
    return Outcome("fw", findings, explain(findings, before, after), after, "old", "new", ["note"])


def shown(outcome: Outcome, width: int = 120) -> str:
    stream = io.StringIO()
    show(outcome, Console(file=stream, width=width))
    return stream.getvalue()


def test_the_screen_says_what_and_why(worse: Outcome) -> None:
    text = shown(worse)
    assert "REGRESSION: 3 of" in text and "+10 %" in text
    for cause in ("operator 0 CONV_2D: 990 → 1,090 (+100) cycles", "symbol arm_convolve_s8: 400",
                  "section .text: 1,000 → 1,064 (+64) bytes", "compiler: gcc 12.2.1 → gcc 13.2.1",
                  "flags: -O2 → -Os", "symbol helper: none → 14"):  # fmt: skip
        assert cause in text


def test_a_narrow_screen_keeps_every_value(worse: Outcome) -> None:
    text = shown(worse, 40)
    assert max(map(len, text.splitlines())) <= 40
    assert "1,100" in text and "WORSE" in text


def test_junit_fails_what_is_worse(worse: Outcome) -> None:
    document = ET.fromstring(to_junit(worse))
    suite = document.find("testsuite")
    assert suite is not None and suite.get("failures") == "3"
    failed = {
        case.get("name") for case in suite.iter("testcase") if case.find("failure") is not None
    }
    assert failed == {"cycles", "flash_bytes", "flash .text"}
    assert int(suite.get("tests") or 0) == len(worse.findings)


def test_junit_of_nothing_measured_is_an_error() -> None:
    gone = Finding("c", "all", None, None, None, Verdict.GONE, "only the baseline has it")
    empty = Outcome("fw", [gone], [], Taken({}, {}), "old", "new\x00")
    document = ET.fromstring(to_junit(empty))
    assert len(list(document.iter("error"))) == 1 and len(list(document.iter("skipped"))) == 1


def test_markdown_stays_a_table_whatever_a_model_is_called(worse: Outcome) -> None:
    text = to_markdown(worse)
    assert text.startswith("### ❌ fw: REGRESSION")
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert len(rows) == 1 + 3
    assert all(row.replace("\\|", "").count("|") == 7 for row in rows)
    assert "<b>" not in text and "**WORSE**" in text


def test_json_has_the_agreed_shape(worse: Outcome) -> None:
    document = json.loads(json.dumps(worse.as_dict()))
    assert document["verdict"] == "regression"
    assert set(document["cases"][0]) == {
        "name", "metric", "before", "after", "change", "verdict", "reason"
    }  # fmt: skip


def outcome(cycles: int, flash: int) -> Outcome:
    of = image(flash={".text": flash})
    same = Finding(str(CASE), "cycles", 1, 1, 0.0, Verdict.SAME, "")
    return Outcome("fw", [same], [], taken(record(cycles), of), "old", "new")


@pytest.fixture
def history(tmp_path: Path) -> Path:
    path = tmp_path / "fw.ledger"
    with open_history(path, SUITE) as opened:
        for index, (cycles, flash) in enumerate(
            [(1000, 500), (1000, 500), (1030, 500), (1030, 516)]
        ):
            assert opened.add(outcome(cycles, flash), f"{index:040x}") == index + 1
    return path


def test_changes_are_where_they_were_made(history: Path) -> None:
    with open_history(history, SUITE) as opened:
        found = changes(opened.series(), SUITE)
        assert [(c.metric, c.number, c.after) for c in found] == [
            ("cycles", 3, 1030),
            ("image_flash_bytes", 4, 516),
        ]
        assert [check.verdict for check in opened.checks()] == ["passed"] * 4


def test_the_page_shows_series_changes_and_checks(history: Path, tmp_path: Path) -> None:
    with open_history(history, SUITE) as opened:
        series, checks = opened.series(), opened.checks()
        text = render(SUITE, checks, series, changes(series, SUITE))
        write_history(opened, SUITE, tmp_path / "h.html", history)
    assert (tmp_path / "h.html").read_text() == text
    assert "2 changes of level in 4 checks" in text
    assert "kws|&lt;b&gt;" in text and "kws|<b>" not in text.split("<script")[0]


def test_a_history_of_another_suite_is_refused(history: Path) -> None:
    with pytest.raises(BadInputError, match="history fw"):
        open_history(history, SUITE.model_copy(update={"name": "other"}))
    with Ledger.open(history) as ledger:
        assert is_history(ledger)


def test_an_empty_history_is_told(tmp_path: Path) -> None:
    with open_history(tmp_path / "e.ledger", SUITE) as opened:
        assert isinstance(opened, History)
        assert "No check was made yet" in render(SUITE, [], [], [])


def test_two_checks_at_once_get_two_numbers(tmp_path: Path) -> None:
    path = tmp_path / "h.ledger"
    with open_history(path, SUITE) as one, open_history(path, SUITE) as other:
        assert one.add(outcome(1000, 500), None) == 1
        assert other.add(outcome(1000, 500), None) == 2
        assert one.add(outcome(1000, 500), None) == 3
        assert [check.number for check in other.checks()] == [1, 2, 3]


def test_names_are_text_wherever_they_are_shown(worse: Outcome) -> None:
    name = "a[/b] **x** [l](http://y) @team `c` &amp; ]]>"
    named = replace(
        worse, findings=[replace(f, name=name) for f in worse.findings], before="`x` @y"
    )
    flat = "".join(shown(named, 400).split())
    assert "a[/b]**x**[l](http://y)@team" in flat
    ET.fromstring(to_junit(named))
    text = to_markdown(named)
    assert r"a\[/b\] \*\*x\*\* \[l\](http://y) &\#64;team" in text or "&#64;team" in text
    assert "@team" not in text and "](http" not in text.replace(r"\](http", "")


def test_what_failed_and_what_was_not_measured_is_on_the_page(tmp_path: Path) -> None:
    failed = Finding(
        str(CASE), "runs", "yes", "no", None, Verdict.CHANGED, "board-fault: HARD_FAULT"
    )
    broken = Outcome("fw", [failed], [], Taken({}, {}), "old", "new")
    with open_history(tmp_path / "h.ledger", SUITE) as opened:
        for each in (outcome(1000, 500), broken, outcome(1001, 500)):
            opened.add(each, None)
        series, checks = opened.series(), opened.checks()
        found = changes(series, SUITE)
        text = render(SUITE, checks, series, found)
    assert [(c.metric, c.number) for c in found] == [("cycles", 3)]
    assert "board-fault: HARD_FAULT" in text
    assert '"x":[1,2,3]' in text.replace(" ", "") and "[0.0,null," in text.replace(" ", "")
