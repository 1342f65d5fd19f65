"""The rule of the verdict at its edges, and the sentence."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from munas.study.points import SeriesKey
from munas.study.relation import Relation, relate
from munas.study.verdict import (
    ARENA_USES,
    LATENCY_USES,
    Grade,
    fitness,
    grade,
    grades,
    latency_verdict,
    percent,
)

KEY = SeriesKey("board_x", "tflm")
X = np.geomspace(3e4, 4e6, 40)


def related(y: np.ndarray, error_percent: float | None = None) -> Relation:
    return relate(X, y, names=("MACs", "latency"), error_percent=error_percent, resamples=199)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.0, Grade.GOOD),
        (0.02, Grade.GOOD),
        (0.020001, Grade.COARSE),
        (0.10, Grade.COARSE),
        (0.100001, Grade.POOR),
        (1.0, Grade.POOR),
    ],
)
def test_limits_belong_to_the_better_grade(value: float, expected: Grade) -> None:
    assert grade(value, 0.02, 0.10) is expected


def test_a_perfect_line_is_good_for_all() -> None:
    relation = related(1000 + 0.05 * X)
    assert grades(relation) == (Grade.GOOD, Grade.GOOD)
    sentence = latency_verdict(KEY, relation, "silicon").sentence
    assert "On board_x with tflm, over 40 models of 0.03–4 M MACs" in sentence
    assert "explain 100 % of the variance" in sentence
    assert "order no pair wrongly" in sentence
    assert "good enough to rank models by latency and to hold a model against" in sentence
    assert "not" not in sentence.split("good enough")[1]
    assert "emulator" not in sentence


def test_order_and_size_are_judged_apart() -> None:
    """A curve keeps the order and misses the line."""
    relation = related(X**2)
    assert grades(relation) == (Grade.GOOD, Grade.POOR)
    sentence = latency_verdict(KEY, relation, "silicon").sentence
    assert sentence.endswith("good enough to rank models by latency, not to estimate latency.")


def test_pairs_within_the_emulators_error_are_not_counted() -> None:
    """Neighbours exchanged by 5 % each: wrong, but not beyond an error of 10 %."""
    y = 1000 + np.arange(40.0)
    y[::2] *= 1.05
    plain, known = related(y), related(y, 10.0)
    assert plain.misordered.share > 0.10
    assert grades(plain)[0] is Grade.POOR
    assert known.misordered.beyond_error_share == 0
    assert grades(known)[0] is Grade.GOOD
    assert "none" not in latency_verdict(KEY, known, "emulated").sentence
    assert "±10 %, and 0 % of pairs" in latency_verdict(KEY, known, "emulated").sentence


def test_an_error_that_is_not_known_is_said() -> None:
    sentence = latency_verdict(KEY, related(X), "emulated").sentence
    assert sentence.endswith("whose own error on networks is not known.")


@pytest.mark.parametrize(("n", "few"), [(29, True), (30, False)])
def test_too_few_is_said(n: int, few: bool) -> None:
    relation = relate(X[:n], X[:n], names=("x", "y"), resamples=99)
    assert ("too few to lean on" in latency_verdict(KEY, relation, "silicon").sentence) == few


@pytest.mark.parametrize("ranking", Grade)
@pytest.mark.parametrize("estimating", Grade)
@pytest.mark.parametrize("uses", [LATENCY_USES, ARENA_USES])
def test_every_pair_of_grades_has_words(ranking: Grade, estimating: Grade, uses: object) -> None:
    text = fitness(ranking, estimating, uses)  # type: ignore[arg-type]
    poor = ranking is Grade.POOR and estimating is Grade.POOR
    good = ranking is Grade.GOOD and estimating is Grade.GOOD
    assert text.startswith("not good enough" if poor else "good enough")
    assert ("not" in text) == (not good)


@given(st.floats(0, 1))
def test_a_share_is_never_rounded_to_an_end_that_it_is_not(share: float) -> None:
    text = percent(share)
    assert (text == "0 %") == (share == 0)
    assert (text == "100 %") == (share >= 1 - 1e-9)


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0, "0 %"),
        (0.0004, "less than 0.1 %"),
        (0.005, "0.5 %"),
        (0.163, "16 %"),
        (0.994, "99.4 %"),
        (0.9999, "more than 99.9 %"),
        (1, "100 %"),
    ],
)
def test_percent(share: float, text: str) -> None:
    assert percent(share) == text
