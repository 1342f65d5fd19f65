"""Peak memory: the exact minimum over all execution orders, and an order that attains it.

The memory in use while an operator runs is that of all live activation tensors, its inputs and its
output among them. Finding the order that minimises the peak is exponential in the number of
parallel paths when done by recursion over sets of tensors (Liberis and Lane, arXiv 1910.05110; the
authors' code). Here a graph is cut at every operator that all others must precede or follow, and
the sections between, in which alone there is something to choose, are searched one by one for an
order within the peak that is known to be unavoidable so far (`munas.cost.section`).

This module holds the definition (`peak_of_order`), the cuts and the entry.
"""

from __future__ import annotations

from dataclasses import dataclass

from munas.cost.graph import Graph
from munas.cost.section import Section, solve


@dataclass(frozen=True)
class Schedule:
    """A best order of operators and the peak that it attains, in bytes."""

    order: tuple[int, ...]
    peak_bytes: int


def _sizes(graph: Graph, with_inputs: bool) -> list[int]:
    sizes = [tensor.bytes for tensor in graph.tensors]
    if not with_inputs:
        for tensor in graph.inputs:
            sizes[tensor] = 0
    return sizes


def best_schedule(graph: Graph, *, with_inputs: bool = True, at_least_bytes: int = 0) -> Schedule:
    """The order of least peak memory; without the bytes of the graph's inputs if so asked.

    Deterministic. Inputs of the graph occupy memory from the start until their last reader ran,
    outputs from their writer to the end. `graph.operators` must be in an executable order.
    `at_least_bytes` is a peak known to be unavoidable, which saves work; it must be one.
    """
    sizes = _sizes(graph, with_inputs)
    sections = _sections(graph)
    bounds = [section.bound(graph, sizes) for section in sections]
    peak = max(at_least_bytes, sum(sizes[tensor] for tensor in graph.inputs), *bounds, 0)
    orders: list[list[int]] = [[] for _ in sections]
    for index in sorted(range(len(sections)), key=lambda index: -bounds[index]):
        orders[index], peak = solve(graph, sizes, sections[index], peak)
    return Schedule(tuple(operator for order in orders for operator in order), peak)


def unavoidable_peak(graph: Graph, *, with_inputs: bool = True) -> int:
    """Bytes that no order can do with less than; what `best_schedule` finds is never below.

    Quick, since nothing is searched.
    """
    sizes = _sizes(graph, with_inputs)
    bounds = [section.bound(graph, sizes) for section in _sections(graph)]
    return max(sum(sizes[tensor] for tensor in graph.inputs), *bounds, 0)


def peak_of_order(graph: Graph, order: tuple[int, ...], *, with_inputs: bool = True) -> int:
    """Peak memory in bytes of one given order; the definition that `best_schedule` minimises."""
    sizes = _sizes(graph, with_inputs)
    left = [len(readers) for readers in graph.consumers]
    live = sum(sizes[tensor] for tensor in graph.inputs)
    peak = live
    for index in order:
        operator = graph.operators[index]
        written = sum(sizes[tensor] for tensor in operator.outputs)
        in_place = operator.accumulates and any(
            left[tensor] == 1 and graph.can_hold(tensor, index) for tensor in operator.inputs
        )
        peak = max(peak, live + (0 if in_place else written))
        live += written
        for tensor in dict.fromkeys(operator.inputs):
            left[tensor] -= 1
        for tensor in dict.fromkeys((*operator.inputs, *operator.outputs)):
            if left[tensor] == 0 and tensor not in graph.outputs:
                live -= sizes[tensor]
    return peak


def _sections(graph: Graph) -> list[Section]:
    left = [len(readers) for readers in graph.consumers]
    alive = set(graph.inputs)
    kept = {*graph.outputs, *(tensor for tensor in graph.inputs if not left[tensor])}
    sections = []
    for operators in _runs(graph):
        before = set(alive)
        for index in operators:
            alive.update(graph.operators[index].outputs)
            for tensor in dict.fromkeys(graph.operators[index].inputs):
                left[tensor] -= 1
        alive = {tensor for tensor in alive if left[tensor] or tensor in kept}
        sections.append(
            Section(
                tuple(operators),
                given=frozenset(before - alive),
                lasting=frozenset(alive - before),
                through=frozenset(before & alive),
            )
        )
    return sections


def _runs(graph: Graph) -> list[list[int]]:
    """The operators, cut behind each that all others must precede or follow."""
    count = len(graph.operators)
    before, after = [0] * count, [0] * count
    for index, operator in enumerate(graph.operators):
        for tensor in operator.inputs:
            source = graph.producer[tensor]
            if source is not None:
                before[index] |= before[source] | 1 << source
    for index in range(count - 1, -1, -1):
        for tensor in graph.operators[index].outputs:
            for reader in graph.consumers[tensor]:
                after[index] |= after[reader] | 1 << reader
    runs: list[list[int]] = [[]]
    for index in range(count):
        runs[-1].append(index)
        if before[index].bit_count() + after[index].bit_count() + 1 == count:
            runs.append([])
    return [run for run in runs if run]
