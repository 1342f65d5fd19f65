"""Screening: architectures a second, and the peak-memory solver beside the plain recursion.

The reference is a plain restatement of the recursion over sets of tensors that are still needed
(arXiv 1910.05110), memoised, on the same deployed graphs in the same run. Graphs on which it does
not end within its budget of sets are counted, not timed.
"""

from __future__ import annotations

import sys
import time
from random import Random

from munas.arch import random_morphism, sample
from munas.cost import Graph, Operator, Tensor, best_schedule, build_graph, cost

BUDGET = 60_000


class OverBudgetError(Exception):
    """The recursion has looked at more sets than its budget."""


def recursion(graph: Graph) -> int:
    """Peak memory by un-applying producers, one tensor of the needed set at a time."""
    before: dict[int, frozenset[int]] = {}
    for operator in graph.operators:
        above = frozenset(operator.inputs).union(
            *(before.get(t, frozenset()) for t in operator.inputs)
        )
        for tensor in operator.outputs:
            before[tensor] = above
    known: dict[frozenset[int], int] = {}

    def size(tensors: frozenset[int]) -> int:
        return sum(graph.tensors[tensor].bytes for tensor in tensors)

    def peak(needed: frozenset[int]) -> int:
        if needed in known:
            return known[needed]
        if len(known) > BUDGET:
            raise OverBudgetError
        best = None
        for tensor in needed:
            source = graph.producer[tensor]
            if source is None or any(tensor in before.get(o, ()) for o in needed - {tensor}):
                continue
            rest = needed - {tensor} | frozenset(graph.operators[source].inputs)
            reached = max(peak(rest), size(rest | {tensor}))
            best = reached if best is None else min(best, reached)
        known[needed] = size(needed) if best is None else best
        return known[needed]

    return peak(frozenset(graph.outputs))


def parallel(paths: int, length: int) -> Graph:
    """The authors' hard case: parallel paths from one tensor, joined by additions."""
    rng, tensors, operators, ends = Random(1), [Tensor((64,), 64)], [], []

    def run(inputs: tuple[int, ...], size: int) -> int:
        tensors.append(Tensor((size,), size))
        operators.append(Operator("o", "X", inputs, (len(tensors) - 1,)))
        return len(tensors) - 1

    for _ in range(paths):
        end = 0
        for position in range(length):
            end = run((end,), 16 if position == length - 1 else rng.randint(1, 200))
        ends.append(end)
    total = ends[0]
    for end in ends[1:]:
        total = run((total, end), 16)
    return Graph(tuple(tensors), tuple(operators), (0,), (total,))


def timed(call, graph: Graph) -> tuple[float, int]:  # type: ignore[no-untyped-def]
    began = time.perf_counter()
    found = call(graph)
    return time.perf_counter() - began, found


def main() -> int:
    sys.setrecursionlimit(10_000)
    rng = Random(0)
    began = time.perf_counter()
    for _ in range(1000):
        cost(random_morphism(sample(rng, (32, 32, 3), 10), rng).child)
    rate = 1000 / (time.perf_counter() - began)
    print(f"sample + morph + cost: {rate:.0f} architectures a second")
    ours = theirs = 0.0
    ended = 0
    for _ in range(300):
        graph = build_graph(sample(rng, (32, 32, 3), 10))
        try:
            seconds, reference = timed(recursion, graph)
        except OverBudgetError:
            continue
        mine, schedule = timed(best_schedule, graph)
        assert schedule.peak_bytes == reference, "the solvers disagree"
        ours, theirs, ended = ours + mine, theirs + seconds, ended + 1
    print(f"recursion / solver on the {ended} of 300 graphs where it ends: {theirs / ours:.1f}")
    for paths in (5, 6, 7):
        graph = parallel(paths, 2)
        try:
            seconds, _ = timed(recursion, graph)
            ratio = f"{seconds / timed(best_schedule, graph)[0]:.0f}"
        except OverBudgetError:
            ratio = f"more than {BUDGET} sets"
        print(f"recursion / solver, {paths} paths of 2 operators: {ratio}")
    mine = timed(best_schedule, parallel(8, 2))[0]
    print(f"solver, 8 paths of 2 operators: {mine * 1000:.1f} ms")
    return 0


if __name__ == "__main__":
    sys.exit(main())
