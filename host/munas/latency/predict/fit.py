"""Fits what each loop costs, by non-negative least squares on relative errors.

Every path is fitted by itself on the operators that took it; a network adds what it takes beyond
its operators. Costs below zero are excluded, so a fitted loop keeps its meaning and what is
predicted beyond the examples stays plausible. Knows examples, not where they come from.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from munas.latency.predict.examples import Example
from munas.latency.predict.features import PATHS
from munas.latency.predict.layout import BASE, LAYOUT, PER_OPERATOR
from munas.stats.interval import Matrix, Vector

MOST_FOLDS = 100
"""Up to this many examples each is a fold of its own; beyond, they share folds."""

Which = NDArray[np.bool_]


@dataclass(frozen=True)
class Table:
    """Examples as matrices: one row an operator, one row a network.

    `of` (operators,) says whose operator a row is.
    """

    operators: Matrix
    operator_cycles: Vector
    paths: NDArray[np.str_]
    of: NDArray[np.int64]
    networks: Matrix
    cycles: Vector
    macs: Vector

    @classmethod
    def of_examples(cls, examples: Sequence[Example]) -> Table:
        counts = [len(example.features) for example in examples]
        return cls(
            operators=np.vstack([LAYOUT.operators(example.features) for example in examples]),
            operator_cycles=np.array([c for e in examples for c in e.operator_cycles], float),
            paths=np.array([f.path for e in examples for f in e.features]),
            of=np.repeat(np.arange(len(examples)), counts),
            networks=np.vstack([LAYOUT.network(example.features) for example in examples]),
            cycles=np.array([example.cycles for example in examples], float),
            macs=np.array([example.macs for example in examples], float),
        )

    def part(self, networks: Which) -> tuple[Which, Which]:
        """Which operators belong to `networks`, and these networks."""
        return networks[self.of], networks


def fit_costs(table: Table, networks: Which) -> Vector:
    """What each column costs in cycles (columns,), from these `networks` (n,) of the table."""
    costs = np.zeros(len(LAYOUT.columns))
    operators = networks[table.of]
    shared = _fit_work(table, operators)
    never_ran: list[int] = []
    for path in PATHS:
        rows = operators & (table.paths == path)
        if rows.any():
            loops = LAYOUT.loops(path)
            counts = table.operators[rows, loops]
            costs[loops] = _relative(counts, table.operator_cycles[rows])
            never_ran += (loops.start + np.flatnonzero(~counts.any(axis=0))).tolist()
        else:
            costs[LAYOUT.work(path)] = shared
    # Nothing costs nothing: a loop that no example ran costs what loops do.
    costs[never_ran] = np.median(costs[costs > 0])
    sums = np.bincount(table.of, table.operator_cycles)
    around = (table.cycles - sums)[networks]
    columns = [LAYOUT.index[BASE], LAYOUT.index[PER_OPERATOR]]
    costs[columns] = np.linalg.lstsq(table.networks[networks][:, columns], around, rcond=None)[0]
    return costs


def _fit_work(table: Table, operators: Which) -> Vector:
    """What coarse work costs, from operators of all paths."""
    work = _work(table)
    return _relative(work[operators], table.operator_cycles[operators])


def _work(table: Table) -> Matrix:
    """Every operator's coarse work, out of the columns of its path."""
    found: Matrix = sum(
        (table.operators[:, LAYOUT.work(path)] for path in PATHS), start=np.zeros(())
    )
    return found


def _relative(counts: Matrix, cycles: Vector) -> Vector:
    """Costs >= 0 (columns,) that make the sum of squared relative errors least."""
    scale = counts.max(axis=0)
    scale[scale == 0] = 1.0
    found, _ = nnls(counts / scale / cycles[:, None], np.ones(cycles.size))
    costs: Vector = found / scale
    return costs


def by_macs(table: Table, networks: Which) -> Vector:
    """(cycles, cycles a MAC) fitted on the same examples in the same way, to compare with."""
    counts = np.column_stack([np.ones(table.macs.size), table.macs])
    return _relative(counts[networks], table.cycles[networks])


def folds_of(n: int) -> NDArray[np.int64]:
    """The fold of each of `n` examples."""
    return np.arange(n) % min(n, MOST_FOLDS)


def without_each(fold_of: NDArray[np.int64], fit: Callable[[Which], Vector]) -> Matrix:
    """What `fit` finds without each fold (folds, …)."""
    return np.vstack([fit(fold_of != fold) for fold in range(fold_of.max() + 1)])


def unseen_path_error(table: Table) -> float:
    """How far off a path is that coarse work prices: root mean square of the logarithm, where each
    path is left out of the fit in its turn. A factor of ten where there is one path alone."""
    found = []
    work = _work(table)
    for path in np.unique(table.paths):
        left_out = table.paths == path
        if left_out.all():
            return float(np.log(10))
        costs = _relative(work[~left_out], table.operator_cycles[~left_out])
        predicted = np.maximum(work[left_out] @ costs, 1.0)
        found.append(np.mean(np.log(predicted / table.operator_cycles[left_out]) ** 2))
    return float(np.sqrt(np.mean(found)))
