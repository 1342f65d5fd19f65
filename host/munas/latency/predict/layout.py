"""A predictor as one linear function: which column of a row stands for which loop.

A network's row counts its loops over all operators; its cycles are the row times what each loop
costs. Beside its own loops every path has columns of coarse `work`, which price it where no example
had that path.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from munas.latency.predict.features import PATHS, WORK, Features
from munas.stats.interval import Matrix, Vector

BASE = "network"
PER_OPERATOR = "operator"


@dataclass(frozen=True)
class Layout:
    """The columns by name: `conv.body`, `conv:macs`, and those of a network as a whole."""

    columns: tuple[str, ...]

    @cached_property
    def index(self) -> dict[str, int]:
        return {name: number for number, name in enumerate(self.columns)}

    def loops(self, path: str) -> slice:
        """The columns of a path's own loops."""
        start = self.index[f"{path}.{PATHS[path][0]}"]
        return slice(start, start + len(PATHS[path]))

    def work(self, path: str) -> slice:
        """The columns of a path's coarse work."""
        start = self.index[f"{path}:{WORK[0]}"]
        return slice(start, start + len(WORK))

    def operators(self, features: Sequence[Features]) -> Matrix:
        """One row an operator (operators, columns)."""
        rows = np.zeros((len(features), len(self.columns)))
        for row, operator in zip(rows, features, strict=True):
            row[self.loops(operator.path)] = [operator.terms[name] for name in PATHS[operator.path]]
            row[self.work(operator.path)] = [operator.work[name] for name in WORK]
        return rows

    def network(self, features: Sequence[Features]) -> Vector:
        """The row of a whole network (columns,)."""
        row: Vector = self.operators(features).sum(axis=0)
        row[self.index[BASE]] = 1.0
        row[self.index[PER_OPERATOR]] = len(features)
        return row


def _columns() -> tuple[str, ...]:
    names = []
    for path, loops in PATHS.items():
        names += [f"{path}.{loop}" for loop in loops]
        names += [f"{path}:{part}" for part in WORK]
    return (*names, BASE, PER_OPERATOR)


LAYOUT = Layout(_columns())
