"""Peak memory: the exact minimum over all execution orders, and an order that attains it.

The memory in use while an operator runs is that of all live activation tensors, its inputs and its
output among them. Finding the order that minimises the peak is exponential in the number of
parallel paths when done by recursion over sets of tensors (Liberis and Lane, arXiv 1910.05110; the
authors' code). This module holds the definition (`peak_of_order`) and the entry; the search
through a section that cannot be split further is in `munas.cost.section`.
"""

from __future__ import annotations

from dataclasses import dataclass

from munas.cost.graph import Graph
from munas.cost.section import solve_section


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


def best_schedule(graph: Graph, *, with_inputs: bool = True) -> Schedule:
    """The order of least peak memory; without the bytes of the graph's inputs if so asked.

    Deterministic. Inputs of the graph occupy memory from the start until their last reader ran,
    outputs from their writer to the end. `graph.operators` must be in an executable order.
    """
    sizes = _sizes(graph, with_inputs)
    order: list[int] = []
    peak = sum(sizes[tensor] for tensor in graph.inputs)
    for operators in _sections(graph):
        section_order, section_peak = solve_section(graph, sizes, operators)
        order += section_order
        peak = max(peak, section_peak)
    return Schedule(tuple(order), peak)


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


def _sections(graph: Graph) -> list[list[int]]:
    """Cut the operators where exactly one tensor is live in the graph's own order.

    Every operator after such a point depends on that tensor, so in all orders the operators before
    the point come first, and the sections can be solved one by one.
    """
    left = [len(readers) for readers in graph.consumers]
    live = set(graph.inputs)
    sections: list[list[int]] = [[]]
    for index, operator in enumerate(graph.operators):
        sections[-1].append(index)
        for tensor in dict.fromkeys(operator.inputs):
            left[tensor] -= 1
        live.update(operator.outputs)
        live = {tensor for tensor in live if left[tensor] > 0 or tensor in graph.outputs}
        if len(live) == 1 and index + 1 < len(graph.operators):
            sections.append([])
    return sections
