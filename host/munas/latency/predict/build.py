"""Fits a predictor on examples and finds out how true it is.

Everything said of its accuracy is of networks that the fit had not seen. Knows examples, not where
they come from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from munas.errors import BadInputError
from munas.latency.predict.examples import Example, Examples
from munas.latency.predict.features import PATHS
from munas.latency.predict.fit import (
    Table,
    Which,
    by_macs,
    fit_costs,
    folds_of,
    unseen_path_error,
    without_each,
)
from munas.latency.predict.knowledge import SLACK, Knowledge, Path
from munas.latency.predict.layout import LAYOUT
from munas.latency.predict.predictor import Accuracy, Predictor
from munas.stats import bootstrap_interval
from munas.stats.interval import Matrix, Vector
from munas.store.rows import utc_now

LEAST = 20
"""Fewer networks than this give no interval of the usual confidence."""

_PARTS = 5


def build_predictor(examples: Examples, *, judged: bool = True) -> Predictor:
    """A predictor of the examples' board and engine.

    Unless `judged`, the coverage of its intervals is not found out, which takes most of the time.
    Raises BadInputError for fewer than `LEAST` networks.
    """
    if len(examples.items) < LEAST:
        raise BadInputError(
            f"{len(examples.items)} measured networks are too few for a predictor.",
            f"Measure at least {LEAST}: munas calibrate",
        )
    fitted = _fit(examples)
    if not judged:
        return fitted
    share = _coverage(examples)
    accuracy = replace(fitted.accuracy, coverage=share, coverage_n=len(examples.items))
    return replace(fitted, accuracy=accuracy)


def _fit(examples: Examples) -> Predictor:
    items = examples.items
    table = Table.of_examples(items)
    fold_of = folds_of(len(items))
    costs = fit_costs(table, np.ones(len(items), bool))
    fold_costs = without_each(fold_of, lambda networks: fit_costs(table, networks))
    held_out = np.maximum((table.networks * fold_costs[fold_of]).sum(axis=1), 1.0)
    seen = _Seen(table, items)
    # As for a new network: what was not measured in another one was not measured.
    without = [seen.by(fold_of != fold) for fold in range(len(fold_costs))]
    measured = np.array(
        [
            without[fold].beyond(operator)[0] <= SLACK
            for example, fold in zip(items, fold_of, strict=True)
            for operator in example.features
        ]
    )
    errors = _errors(table, fold_costs[fold_of], measured, seen.unseen_error)
    difficulty = [
        _with_errors(without[fold], errors).doubts(example.features, fold_costs[fold]).difficulty
        for example, fold in zip(items, fold_of, strict=True)
    ]
    return Predictor(
        conditions=examples.conditions,
        units=examples.units,
        costs=costs,
        fold_costs=fold_costs,
        fold_of=fold_of,
        actual=table.cycles,
        held_out=held_out,
        difficulty=np.array(difficulty),
        knowledge=_with_errors(seen.by(np.ones(len(items), bool)), errors),
        accuracy=_accuracy(table, held_out, fold_of),
        examples_sha256=examples.sha256(),
        created_at=utc_now(),
    )


class _Seen:
    """What was measured, by networks."""

    def __init__(self, table: Table, items: tuple[Example, ...]) -> None:
        self._table = table
        features = [feature for example in items for feature in example.features]
        self._names = tuple(features[0].traits)
        self._traits = np.array([list(feature.traits.values()) for feature in features], float)
        self.unseen_error = unseen_path_error(table)

    def by(self, networks: Which) -> Knowledge:
        """What is known from `networks` (n,), errors left out."""
        found = {}
        for path, loops in PATHS.items():
            rows = (self._table.paths == path) & networks[self._table.of]
            if not rows.any():
                continue
            traits = self._traits[rows]
            ends = zip(self._names, traits.min(axis=0), traits.max(axis=0), strict=True)
            ran = self._table.operators[rows, LAYOUT.loops(path)].max(axis=0) > 0
            found[path] = Path(
                operators=int(rows.sum()),
                error=0.0,
                ranges={name: (float(low), float(high)) for name, low, high in ends},
                loops=tuple(name for name, ever in zip(loops, ran, strict=True) if ever),
            )
        return Knowledge(found, self.unseen_error)


def _errors(table: Table, costs: Matrix, measured: Which, unseen_error: float) -> dict[str, float]:
    """How far off the operators of each path are; `costs` (n, columns) are those without each
    network, `measured` (operators,) says which have their like in another one."""
    predicted = (table.operators * costs[table.of]).sum(axis=1)
    squares = (predicted / table.operator_cycles - 1) ** 2
    found = {}
    for path in PATHS:
        rows = (table.paths == path) & measured
        found[path] = float(np.sqrt(squares[rows].mean()) if rows.any() else np.expm1(unseen_error))
    return found


def _with_errors(knowledge: Knowledge, errors: Mapping[str, float]) -> Knowledge:
    paths = {name: replace(path, error=errors[name]) for name, path in knowledge.paths.items()}
    return replace(knowledge, paths=paths)


def _accuracy(table: Table, held_out: Vector, fold_of: NDArray[np.int64]) -> Accuracy:
    def macs_line(networks: Which) -> Vector:
        return by_macs(table, networks)

    lines = without_each(fold_of, macs_line)[fold_of]
    by_line = lines[:, 0] + lines[:, 1] * table.macs
    errors = 100 * np.abs(held_out / table.cycles - 1)
    line_errors = 100 * np.abs(by_line / table.cycles - 1)
    mean = bootstrap_interval(lambda counts: counts @ errors / counts.sum(axis=1), errors.size)
    return Accuracy(
        mape_percent=mean.value,
        mape_high_percent=mean.high,
        spearman=float(spearmanr(held_out, table.cycles).statistic),
        worst_percent=float(errors.max()),
        mac_mape_percent=float(line_errors.mean()),
        mac_worst_percent=float(line_errors.max()),
        mac_spearman=float(spearmanr(by_line, table.cycles).statistic),
    )


def _coverage(examples: Examples) -> float:
    """The share of networks whose cycles their interval held, each predicted by a predictor that
    was fitted, intervals and all, without its part of the examples."""
    items = examples.items
    covered = 0
    for part in range(_PARTS):
        others = tuple(e for index, e in enumerate(items) if index % _PARTS != part)
        judged = [e for index, e in enumerate(items) if index % _PARTS == part]
        predictor = _fit(replace(examples, items=others))
        for example, found in zip(
            judged, predictor.predict_all([e.features for e in judged]), strict=True
        ):
            covered += found.low <= example.cycles <= found.high
    return covered / len(items)
