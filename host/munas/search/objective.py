"""Objectives: which of several evaluated candidates is the better parent.

Two are offered. `chebyshev` is the paper's: bounds are soft, and the largest ratio of a quantity to
its bound, each weighted at random, decides. `feasible-first` follows Deb (2000): a candidate within
all bounds beats one that is not, and only among the former do the paper's random weights decide.

A latency may be known by its span alone. Both objectives' keys rise with the latency, or stay: so
a key lies between those of the span's ends, and one that ends before every other begins is the
least, whatever measuring would give. Where there is none such the winner is open, and nothing is
decided by a value: what has to be measured first is named instead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
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

        Raises BadInputError when the results mix sources or rungs, or the winner is open.
        """
        self._require_comparable(results)
        if self.contested(results, weights) is not None:
            raise BadInputError(
                "The best of these candidates depends on latencies that were not measured."
            )
        return min(results, key=lambda result: self._place(result, weights, 1))

    def contested(self, results: Sequence[Result], weights: Mapping[str, float]) -> Result | None:
        """A result that has to be measured before the winner is known; null where it is known.

        Of those that could still win it is the one that might be the best of all.
        """
        surest = min(results, key=lambda result: self._place(result, weights, 1))
        last = self._place(surest, weights, 1)
        rivals = [
            result
            for result in results
            if result.candidate != surest.candidate and self._place(result, weights, 0) < last
        ]
        if not rivals:
            return None
        spanned = [result for result in (surest, *rivals) if result.evaluation.span_us]
        return min(spanned, key=lambda result: self._place(result, weights, 0))

    def _place(
        self, result: Result, weights: Mapping[str, float], end: Literal[0, 1]
    ) -> tuple[tuple[int, float], int]:
        """What results are ordered by, at the low or the high end of the latency's span."""
        evaluation = result.evaluation
        if evaluation.span_us is not None:
            latency = {"latency_us": evaluation.span_us[end]}
            evaluation = replace(evaluation, values={**evaluation.values, **latency})
        return self.key(evaluation, weights), result.candidate.candidate_id

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
            sources = {
                e.sources[quantity]
                for e in known
                if quantity in e.sources and not self._spared(e, quantity)
            }
            require_one_source(sources, f"Values of `{quantity}`")
        rungs = {evaluation.rung for evaluation in known}
        if len(rungs) > 1:
            raise BadInputError(f"Candidates of different rungs cannot be ranked: {rungs}.")

    def _spared(self, evaluation: Evaluation, quantity: str) -> bool:
        """Whether a value's source does not count: it is ranked by its span, or not at all."""
        if evaluation.span_us is None:
            return False
        return quantity == "latency_us" or quantity not in self.bounds
