"""The verdict on two samples: sure of what it says, symmetric, and honest where it cannot tell."""

from __future__ import annotations

from math import log, log1p

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats

from munas.errors import BadInputError
from munas.stats import (
    Comparison,
    IntervalMethod,
    Verdict,
    adjusted,
    compare,
    judge_together,
    permutation_p,
    proportion,
)

TURNED = {
    Verdict.SAME: Verdict.SAME,
    Verdict.UNDECIDED: Verdict.UNDECIDED,
    Verdict.FASTER: Verdict.SLOWER,
    Verdict.SLOWER: Verdict.FASTER,
}
times = st.lists(st.integers(900, 1100), min_size=1, max_size=12)


def board(rng: np.random.Generator, mean: float, size: int = 20) -> np.ndarray:
    """Cycles with 0.2 % of jitter, rounded, and now and then an interrupt of 2 %."""
    interrupted = rng.random(size) < 0.05
    return np.round(mean * (1 + 0.002 * rng.normal(size=size) + 0.02 * interrupted))


@given(times, times, st.sampled_from([0.0, 0.01, 0.05]))
@settings(deadline=None)
def test_exchanging_turns_the_verdict(
    before: list[int], after: list[int], minimum_effect: float
) -> None:
    one = compare(before, after, minimum_effect=minimum_effect, alpha=0.05)
    other = compare(after, before, minimum_effect=minimum_effect, alpha=0.05)
    assert other.verdict is TURNED[one.verdict]
    assert other.ratio.value == pytest.approx(1 / one.ratio.value)
    assert other.p_value == pytest.approx(one.p_value)


@given(times, times, st.floats(0.001, 1000))
@settings(deadline=None)
def test_the_unit_does_not_matter(before: list[int], after: list[int], unit: float) -> None:
    one = compare(before, after, minimum_effect=0.02, alpha=0.05)
    assume(abs(abs(log(one.ratio.value)) - log1p(0.02)) > 1e-9)
    assume(all(abs(abs(log(e)) - log1p(0.02)) > 1e-9 for e in ends(one)))
    # Powers of two scale exactly, so that ties stay ties.
    scale = 2.0 ** round(np.log2(unit))
    other = compare(
        np.multiply(before, scale), np.multiply(after, scale), minimum_effect=0.02, alpha=0.05
    )
    assert (other.verdict, other.p_value) == (one.verdict, one.p_value)


def ends(comparison: Comparison) -> list[float]:
    return [end for end in (comparison.ratio.low, comparison.ratio.high) if 0 < end < np.inf]


@given(times, times)
@settings(deadline=None)
def test_a_verdict_is_never_at_odds_with_its_interval(before: list[int], after: list[int]) -> None:
    found = compare(before, after, minimum_effect=0.02, alpha=0.05)
    within = found.ratio.low >= 1 / 1.02 - 1e-9 and found.ratio.high <= 1.02 + 1e-9
    assert (found.verdict is Verdict.SAME) == within
    if found.verdict is Verdict.SLOWER:
        assert found.ratio.value > 1.02
        assert found.p_value is None or found.p_value <= 0.05


@pytest.mark.parametrize(
    ("change", "verdict"), [(1.03, Verdict.SLOWER), (0.97, Verdict.FASTER), (1.0, Verdict.SAME)]
)
def test_power(change: float, verdict: Verdict) -> None:
    """With a minimum effect of 1 %, 20 samples a side tell 3 % and no change in 99 % of cases."""
    rng = np.random.default_rng(30)
    hits = sum(
        compare(board(rng, 1e6), board(rng, 1e6 * change), minimum_effect=0.01, alpha=0.01).verdict
        is verdict
        for _ in range(500)
    )
    assert hits >= 495


def test_false_alarms_without_a_minimum_effect() -> None:
    """The test alone keeps its level: 5 % of A/A pairs are called changed, not more."""
    rng = np.random.default_rng(31)
    alarms = sum(
        compare(board(rng, 1e6), board(rng, 1e6), minimum_effect=0, alpha=0.05).verdict
        in (Verdict.SLOWER, Verdict.FASTER)
        for _ in range(1000)
    )
    assert proportion(alarms, 1000).low <= 0.05
    assert alarms >= 20


def test_a_change_below_the_minimum_effect_is_the_same() -> None:
    rng = np.random.default_rng(32)
    found = compare(board(rng, 1e6, 50), board(rng, 1.004e6, 50), minimum_effect=0.02)
    assert found.p_value is not None
    assert found.p_value < 0.001
    assert found.verdict is Verdict.SAME


def test_too_few_samples_say_so() -> None:
    found = compare([1000, 1001, 1002], [1100, 1101, 1102], minimum_effect=0.01)
    assert found.verdict is Verdict.UNDECIDED
    assert "3 and 3 samples are too few" in found.reason
    assert found.ratio.method is IntervalMethod.NONE
    more = compare(1000 + np.arange(6), 1100 + np.arange(6), minimum_effect=0.01)
    assert more.verdict is Verdict.SLOWER
    assert more.change == pytest.approx(0.0998, abs=1e-3)


def test_wide_samples_are_undecided() -> None:
    rng = np.random.default_rng(33)
    before, after = rng.lognormal(0, 0.3, size=(2, 15))
    found = compare(before, after, minimum_effect=0.01)
    assert found.verdict is Verdict.UNDECIDED
    assert "neither" in found.reason


@pytest.mark.parametrize(
    ("after", "minimum_effect", "verdict"),
    [
        (1000, 0.0, Verdict.SAME),
        (1001, 0.0, Verdict.SLOWER),
        (999, 0.0, Verdict.FASTER),
        (1010, 0.01, Verdict.SAME),
        (1011, 0.01, Verdict.SLOWER),
        (900, 0.01, Verdict.FASTER),
    ],
)
def test_constant_samples_are_compared_directly(
    after: int, minimum_effect: float, verdict: Verdict
) -> None:
    repeated = compare([1000] * 3, [after] * 2, minimum_effect=minimum_effect)
    once = compare([1000], [after], minimum_effect=minimum_effect, deterministic=True)
    for found in (repeated, once):
        assert found.verdict is verdict
        assert found.p_value is None
        assert found.ratio.value == after / 1000
        assert found.ratio.method is IntervalMethod.CONSTANT


def test_one_sample_of_a_board_that_may_spread() -> None:
    found = compare([1000], [1100], minimum_effect=0.01)
    assert found.verdict is Verdict.UNDECIDED
    assert "1 and 1 samples are too few" in found.reason


def test_a_deterministic_board_that_is_not() -> None:
    with pytest.raises(BadInputError, match="alike"):
        compare([1000, 1001], [1000, 1000], minimum_effect=0.01, deterministic=True)


@pytest.mark.parametrize(
    ("before", "minimum_effect", "alpha", "says"),
    [
        ([], 0.01, 0.05, "before: 0 given"),
        ([0], 0.01, 0.05, "before: entry 0"),
        ([1], -0.01, 0.05, "negative"),
        ([1], 0.01, 1.5, "alpha"),
    ],
)
def test_bad_input(before: list[int], minimum_effect: float, alpha: float, says: str) -> None:
    with pytest.raises(BadInputError, match=says):
        compare(before, [1, 2], minimum_effect=minimum_effect, alpha=alpha)


def test_permutation_of_few_is_exact() -> None:
    """Of the 20 ways to part six values, two give such a difference of means, and four one of
    medians: (1, 2, 11) and (3, 12, 13) do as well.
    """
    assert permutation_p([1, 2, 3], [11, 12, 13], of="mean") == pytest.approx(0.1)
    assert permutation_p([1, 2, 3], [11, 12, 13], of="median") == pytest.approx(0.2)


def test_permutation_sees_means_where_medians_agree() -> None:
    before = [10.0] * 15 + [11.0] * 5
    after = [10.0] * 15 + [90.0] * 5
    assert permutation_p(before, after, of="median") == 1.0
    assert permutation_p(before, after, of="mean") < 0.1


def test_permutation_agrees_with_student_on_normal_samples() -> None:
    rng = np.random.default_rng(34)
    before, after = rng.normal(size=40), rng.normal(0.5, size=40)
    theirs = stats.ttest_ind(before, after).pvalue
    assert permutation_p(before, after, of="mean") == pytest.approx(theirs, abs=0.01)


p_values = st.lists(st.floats(0, 1), min_size=1, max_size=20)


@pytest.mark.parametrize("dependent", [False, True])
@given(p_values)
def test_adjusting_is_monotone_and_never_lowers(dependent: bool, given_p: list[float]) -> None:
    found = adjusted(given_p, dependent=dependent)
    assert (found >= np.array(given_p)).all()
    assert (found <= 1).all()
    assert (np.diff(found[np.argsort(given_p)]) >= 0).all()
    assert (adjusted(given_p, dependent=True) >= adjusted(given_p)).all()


def test_adjusting_by_hand() -> None:
    np.testing.assert_allclose(adjusted([0.01, 0.02, 0.03, 0.5]), [0.04, 0.04, 0.04, 0.5])
    harmonic = 1 + 1 / 2 + 1 / 3 + 1 / 4
    np.testing.assert_allclose(
        adjusted([0.01, 0.02, 0.03, 0.5], dependent=True)[0], 0.04 * harmonic
    )


def test_false_discovery_rate() -> None:
    """Of 40 tests 10 are true; the mean share of false alarms among alarms stays at the level."""
    rng = np.random.default_rng(35)
    shares = []
    for _ in range(400):
        effect = np.r_[np.full(10, 3.0), np.zeros(30)]
        p = 2 * stats.norm.sf(np.abs(rng.normal(size=40) + effect))
        alarms = adjusted(p) <= 0.1
        shares.append(alarms[10:].sum() / max(1, alarms.sum()))
    assert 0.05 <= np.mean(shares) <= 0.1


@pytest.mark.parametrize("bad", [[-0.1], [1.1], [float("nan")], []])
def test_bad_p_values(bad: list[float]) -> None:
    with pytest.raises(BadInputError, match="p-value"):
        adjusted(bad)


def test_judging_together_takes_back_what_chance_explains() -> None:
    rng = np.random.default_rng(36)
    exact = compare([100], [110], minimum_effect=0, alpha=0.05, deterministic=True)
    nothing = [
        compare(board(rng, 1e6, 8), board(rng, 1e6, 8), minimum_effect=0, alpha=0.05)
        for _ in range(60)
    ]
    real = compare(board(rng, 1e6), board(rng, 1.1e6), minimum_effect=0, alpha=0.05)
    alone = [exact, real, *nothing]
    together = judge_together(alone)
    assert together[0] == exact
    assert together[1].verdict is Verdict.SLOWER
    assert any(entry.verdict is not Verdict.UNDECIDED for entry in alone[2:])
    assert all(entry.verdict is Verdict.UNDECIDED for entry in together[2:])
    tested = [entry.p_value for entry in alone[1:]]
    assert [entry.p_value for entry in together[1:]] == list(adjusted(tested))  # type: ignore[arg-type]
    assert judge_together([exact]) == (exact,)
