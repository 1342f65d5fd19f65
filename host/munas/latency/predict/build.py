"""Fits a predictor on examples and finds out how true it is.

Everything said of its accuracy is of networks that the fit had not seen. Knows examples, not where
they come from.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from munas.errors import BadInputError
from munas.latency.predict.examples import Example, Examples
from munas.latency.predict.fit import (
    Table,
    Which,
    by_macs,
    fit_costs,
    folds_of,
    unseen_path_error,
    without_each,
)
from munas.latency.predict.predictor import Accuracy, Path, Predictor, doubts_of
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
    paths = _paths(table, items, fold_costs[fold_of])
    unseen = unseen_path_error(table)
    doubts = [doubts_of(example.features, costs, paths, unseen) for example in items]
    return Predictor(
        conditions=examples.conditions,
        units=examples.units,
        costs=costs,
        fold_costs=fold_costs,
        fold_of=fold_of,
        actual=table.cycles,
        held_out=held_out,
        difficulty=np.array([doubt.difficulty for doubt in doubts]),
        paths=paths,
        unseen_path_error=unseen,
        accuracy=_accuracy(table, held_out, fold_of),
        examples_sha256=examples.sha256(),
        created_at=utc_now(),
    )


def _paths(table: Table, items: tuple[Example, ...], costs: Matrix) -> dict[str, Path]:
    """What is known of each path; `costs` (n, columns) are those without each network."""
    features = [feature for example in items for feature in example.features]
    predicted = (table.operators * costs[table.of]).sum(axis=1)
    errors = predicted / table.operator_cycles - 1
    found = {}
    for path in np.unique(table.paths):
        rows = np.flatnonzero(table.paths == path)
        traits = [features[row].traits for row in rows]
        found[str(path)] = Path(
            operators=len(rows),
            error=float(np.sqrt(np.mean(errors[rows] ** 2))),
            ranges={
                name: (float(min(t[name] for t in traits)), float(max(t[name] for t in traits)))
                for name in traits[0]
            },
            loops=tuple(
                name
                for name in features[rows[0]].terms
                if any(features[row].terms[name] for row in rows)
            ),
        )
    return found


def _accuracy(table: Table, held_out: Vector, fold_of: NDArray[np.int64]) -> Accuracy:
    def macs_line(networks: Which) -> Vector:
        return by_macs(table, networks)

    lines = without_each(fold_of, macs_line)[fold_of]
    by_line = lines[:, 0] + lines[:, 1] * table.macs
    errors = 100 * np.abs(held_out / table.cycles - 1)
    mean = bootstrap_interval(lambda counts: counts @ errors / counts.sum(axis=1), errors.size)
    return Accuracy(
        mape_percent=mean.value,
        mape_high_percent=mean.high,
        spearman=float(spearmanr(held_out, table.cycles).statistic),
        worst_percent=float(errors.max()),
        mac_mape_percent=float(100 * np.mean(np.abs(by_line / table.cycles - 1))),
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
