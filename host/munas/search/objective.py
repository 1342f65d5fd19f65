"""Objectives: which of several evaluated candidates is the better parent.

Two are offered. `chebyshev` is the paper's: bounds are soft, and the largest ratio of a quantity to
its bound, each weighted at random, decides. `feasible-first` follows Deb (2000): a candidate within
all bounds beats one that is not, and only among the former do the paper's random weights decide.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal

from munas.errors import BadInputError
from munas.search.candidate import Evaluation, Result
from munas.search.screen import excess
from munas.units import require_one_source

Kind = Literal["feasible-first", "chebyshev"]

# The authors' code caps every ratio of a quantity to its bound (63ab705).
RATIO_CAP = 10.0


@dataclass(frozen=True)
class Objective:
    """Ranks evaluations under `bounds` (name of a quantity to its upper limit)."""

    bounds: Mapping[str, float]
    kind: Kind = "feasible-first"

    def draw_weights(self, rng: Random) -> dict[str, float]:
        """One λ ~ U(0, 1] a bound, drawn once a tournament."""
        return {name: 1.0 - rng.random() for name in self.bounds}

    def best(self, results: Sequence[Result], weights: Mapping[str, float]) -> Result:
        """The winner; the earliest asked among equals.

        Raises BadInputError when the results mix sources or rungs.
        """
        self._require_comparable(results)
        return min(
            results,
            key=lambda result: (
                self.key(result.evaluation, weights),
                result.candidate.candidate_id,
            ),
        )

    def key(self, evaluation: Evaluation, weights: Mapping[str, float]) -> tuple[int, float]:
        """Smaller is better: (class, value within the class)."""
        if evaluation.status == "failed":
            return 3, 0.0
        if self.kind == "chebyshev":
            return 0, self._chebyshev(evaluation, weights)
        resources = self.violation(evaluation, without_error=True)
        if resources > 0 or evaluation.status == "infeasible":
            return 2, resources
        error = self.violation(evaluation)
        if error > 0:
            return 1, error
        return 0, self._chebyshev(evaluation, weights)

    def violation(self, evaluation: Evaluation, *, without_error: bool = False) -> float:
        """Sum of relative excesses over the bounds; 0 within all of them.

        A quantity that is not known does not count.
        """
        bounds = dict(self.bounds)
        if without_error:
            bounds.pop("error", None)
        return excess(evaluation.values, bounds)

    def _chebyshev(self, evaluation: Evaluation, weights: Mapping[str, float]) -> float:
        return max(
            (
                min(evaluation.values[name] / bound, RATIO_CAP) / weights[name]
                for name, bound in self.bounds.items()
                if name in evaluation.values
            ),
            default=0.0,
        )

    def _require_comparable(self, results: Sequence[Result]) -> None:
        known = [r.evaluation for r in results if r.evaluation.status == "ok"]
        for quantity in ("latency_us", "arena_used_bytes"):
            sources = {e.sources[quantity] for e in known if quantity in e.sources}
            require_one_source(sources, f"Values of `{quantity}`")
        rungs = {evaluation.rung for evaluation in known}
        if len(rungs) > 1:
            raise BadInputError(f"Candidates of different rungs cannot be ranked: {rungs}.")
