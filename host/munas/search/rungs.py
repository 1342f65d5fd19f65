"""Successive halving: which candidate goes on to the next rung.

Asynchronous successive halving (Li et al., MLSys 2020): as soon as a rung has enough results, the
best one in `reduction` of them goes on. Candidates have several objectives, so what is best is the
order of Schmucker et al. (2021): Pareto layer by layer, and within a layer the most accurate first,
then always the one farthest from those before it, so that the whole front goes on and not one end
of it. Only that end of a front where networks are tiny and know nothing is no use: what is beyond
the error bound and in the worse half of its rung comes after all others. Pure: it knows results,
not how they came about.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from munas.search.candidate import Result

Vector = tuple[float, ...]


def in_order(results: Sequence[Result], bounds: Mapping[str, float]) -> list[Result]:
    """Results of one rung, the worthiest first; the earlier asked among equals.

    Compared are the error and every bounded quantity, each as a share of its bound.
    """
    by_number = sorted(results, key=lambda result: result.candidate.candidate_id)
    vectors = {result.candidate.candidate_id: _vector(result, bounds) for result in by_number}
    errors = sorted(vector[0] for vector in vectors.values())
    limit = (
        max(1.0 if "error" in bounds else 0.0, errors[(len(errors) - 1) // 2]) if errors else 0.0
    )
    good = [r for r in by_number if vectors[r.candidate.candidate_id][0] <= limit]
    poor = [r for r in by_number if vectors[r.candidate.candidate_id][0] > limit]
    return [*_by_layers(good, vectors), *_by_layers(poor, vectors)]


def _by_layers(rest: list[Result], vectors: Mapping[int, Vector]) -> list[Result]:
    ordered: list[Result] = []
    while rest:
        layer = [
            result
            for result in rest
            if not any(
                _dominates(
                    vectors[other.candidate.candidate_id], vectors[result.candidate.candidate_id]
                )
                for other in rest
            )
        ]
        ordered += _spread(layer, vectors)
        chosen = {result.candidate.candidate_id for result in layer}
        rest = [result for result in rest if result.candidate.candidate_id not in chosen]
    return ordered


def _vector(result: Result, bounds: Mapping[str, float]) -> Vector:
    values = result.evaluation.values
    error = values.get("error", math.inf) / bounds.get("error", 1.0)
    return (
        error,
        *(values.get(name, 0.0) / bound for name, bound in bounds.items() if name != "error"),
    )


def _dominates(one: Vector, other: Vector) -> bool:
    return one != other and all(a <= b for a, b in zip(one, other, strict=True))


def _spread(layer: list[Result], vectors: Mapping[int, Vector]) -> list[Result]:
    """The least error first, then always the one farthest from all before it (an epsilon-net)."""

    def place(result: Result) -> Vector:
        return vectors[result.candidate.candidate_id]

    rest = sorted(layer, key=lambda result: (place(result)[0], result.candidate.candidate_id))
    ordered = [rest.pop(0)]
    distance = [math.dist(place(result), place(ordered[0])) for result in rest]
    while rest:
        index = max(range(len(rest)), key=lambda i: (distance[i], -i))
        ordered.append(rest.pop(index))
        distance.pop(index)
        distance = [
            min(old, math.dist(place(result), place(ordered[-1])))
            for old, result in zip(distance, rest, strict=True)
        ]
    return ordered
