"""What is fitted: known laws are found again, costs are never negative, intervals hold."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from munas.cost import cost
from munas.errors import BadInputError
from munas.latency.predict import Predictor, build_predictor
from munas.latency.predict.build import LEAST
from munas.latency.predict.features import PATHS, features_of
from munas.latency.predict.fit import Table, fit_costs, folds_of
from munas.latency.predict.layout import BASE, LAYOUT, PER_OPERATOR


def _loops() -> np.ndarray:
    return np.array([name not in (BASE, PER_OPERATOR) for name in LAYOUT.columns])


def test_a_law_without_noise_is_found_again(law_of: Any, drawn: Any) -> None:
    law = law_of(7)
    known, new = drawn(60), drawn(80)[60:]
    predictor = build_predictor(law.examples(known), judged=False)
    for architecture in new:
        found = predictor.predict(cost(architecture))
        actual = law.measure(architecture)["cycles"]
        assert found.cycles == pytest.approx(actual, rel=0.004)
    # One network has a loop that no other has, so it is not zero.
    assert 10 * predictor.accuracy.mape_percent < predictor.accuracy.mac_mape_percent
    assert predictor.accuracy.mape_percent < 1
    assert predictor.accuracy.spearman > 0.999 > predictor.accuracy.mac_spearman
    names = LAYOUT.index
    assert predictor.costs[names[PER_OPERATOR]] == pytest.approx(-47, abs=0.5)
    assert predictor.costs[names[BASE]] == pytest.approx(300, abs=5)


def test_a_loop_that_no_example_ran_still_costs_something(law: Any, drawn: Any) -> None:
    table = Table.of_examples(law.examples(drawn(4)).items)
    costs = fit_costs(table, np.ones(4, bool))
    never = ~(table.networks > 0).any(axis=0) & _loops()
    known = {path for path in PATHS if (table.paths == path).any()}
    never &= np.array([name.split(".")[0] in known for name in LAYOUT.columns])
    assert never.any()
    assert costs[never].min() > 1


@pytest.mark.parametrize("seed", range(6))
def test_no_loop_costs_less_than_nothing(seed: int, law_of: Any, drawn: Any) -> None:
    table = Table.of_examples(law_of(seed, noise=0.8).examples(drawn(25, seed)).items)
    costs = fit_costs(table, np.ones(25, bool))
    assert costs[_loops()].min() >= 0
    assert np.isfinite(costs).all()


def test_intervals_hold_as_often_as_they_say(law_of: Any, drawn: Any) -> None:
    """95 % of networks that were not fitted: 200 in all, of five laws."""
    covered, widths = [], []
    for seed in range(5):
        law = law_of(seed, noise=0.05)
        all_of_them = drawn(80)
        predictor = build_predictor(law.examples(all_of_them[:40]), judged=False)
        for architecture in all_of_them[40:]:
            found = predictor.predict(cost(architecture))
            covered.append(found.low <= law.measure(architecture)["cycles"] <= found.high)
            widths.append(found.error_percent)
    assert 0.90 <= np.mean(covered) <= 0.995
    assert np.median(widths) < 20  # and not because they hold everything


def test_coverage_is_judged_on_networks_left_out(predictor: Predictor) -> None:
    assert predictor.accuracy.coverage_n == predictor.n == 40
    assert predictor.accuracy.coverage is not None
    assert 0.85 <= predictor.accuracy.coverage <= 1


def test_the_held_out_error_is_not_that_of_the_fit(law_of: Any, drawn: Any) -> None:
    """With as many loops as networks the fit looks far better than it is."""
    examples = law_of(3, noise=0.3).examples(drawn(LEAST))
    table = Table.of_examples(examples.items)
    fitted = table.networks @ fit_costs(table, np.ones(LEAST, bool))
    in_sample = 100 * np.mean(np.abs(fitted / table.cycles - 1))
    assert build_predictor(examples, judged=False).accuracy.mape_percent > 1.2 * in_sample


def test_up_to_a_hundred_networks_each_is_a_fold() -> None:
    assert sorted(folds_of(100)) == list(range(100))
    assert max(np.bincount(folds_of(150))) == 2


def test_too_few_networks_are_refused(law: Any, drawn: Any) -> None:
    with pytest.raises(BadInputError, match="too few"):
        build_predictor(law.examples(drawn(LEAST - 1)))


def test_features_count_multiplications_whole(drawn: Any) -> None:
    """The loops of a convolution or dense layer account for each of its MACs once."""
    weights = {
        "conv": {
            "body": 16, "body_rest": 4, "last_body": 8, "last_rest": 2, "odd_body": 4,
            "odd_rest": 1,
        },
        "pointwise": {
            "body": 64, "body_four": 16, "body_rest": 4, "odd_body": 8, "odd_rest": 2,
            "last_body": 1,
        },
        "dense": {"body": 8, "body_rest": 2, "last_body": 4, "last_rest": 1},
        "depthwise": {"body": 8, "body_odd": 4, "rest_tap": 1},
        "depthwise-3x3": {"four": 36, "rest": 9},
    }  # fmt: skip
    seen = set()
    for architecture in drawn(60):
        costs = cost(architecture)
        for operator, found in zip(costs.graph.operators, features_of(costs), strict=True):
            if operator.macs:
                counted = sum(n * found.terms[loop] for loop, n in weights[found.path].items())
                assert counted == operator.macs, (found.path, found.terms)
                seen.add(found.path)
    assert seen == set(weights)


def test_every_path_names_the_loops_it_counts(drawn: Any) -> None:
    for architecture in drawn(60):
        for found in features_of(cost(architecture)):
            assert tuple(found.terms) == PATHS[found.path]
