"""A check's outcome as JUnit XML: what CI systems show as tests."""

from __future__ import annotations

import re

from munas.regress import words
from munas.regress.check import Outcome
from munas.regress.judge import REGRESSIONS, Finding, Verdict

_SKIPPED = frozenset({Verdict.NEW, Verdict.GONE, Verdict.UNDECIDED})
# What XML 1.0 cannot hold.
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd]")


def to_junit(outcome: Outcome) -> bytes:
    """One test case a metric: regressions fail, what could not be measured is an error, what was
    not compared or not decided is skipped, with the reason."""
    from junitparser import Error, Failure, JUnitXml, Skipped, TestCase, TestSuite

    suite = TestSuite(_text(outcome.suite))
    suite.add_property("before", _text(outcome.before))
    suite.add_property("after", _text(outcome.after))
    suite.add_property("verdict", outcome.verdict)
    for finding in outcome.findings:
        case = TestCase(name=_text(finding.metric), classname=_text(finding.name))
        message = _text(_message(finding))
        if finding.verdict in REGRESSIONS:
            case.result = [Failure(message, finding.verdict.value)]
        elif finding.verdict is Verdict.FAILED:
            case.result = [Error(message, finding.verdict.value)]
        elif finding.verdict in _SKIPPED:
            case.result = [Skipped(message, finding.verdict.value)]
        else:
            case.system_out = message
        suite.add_testcase(case)
    if outcome.verdict == "nothing-measured":
        case = TestCase(name="nothing-measured", classname=_text(outcome.suite))
        case.result = [Error(_text(words.headline(outcome)), "nothing-measured")]
        suite.add_testcase(case)
    document = JUnitXml("munas check")
    document.add_testsuite(suite)
    document.update_statistics()  # type: ignore[no-untyped-call]
    whole: bytes = document.tostring()  # type: ignore[no-untyped-call]
    return whole


def _message(finding: Finding) -> str:
    values = f"{words.value(finding.before)} → {words.value(finding.after)}"
    shown = words.MARKS[finding.verdict]
    return f"{shown}: {values} ({words.change(finding)}) {finding.reason}".rstrip()


def _text(text: str) -> str:
    return _FORBIDDEN.sub("?", text)
