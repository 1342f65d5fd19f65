"""The order of least peak memory within one section of a graph.

A section is searched backwards in time, where the sections of the search space leave least to
choose, and after a while forwards too, in turns: a graph from elsewhere may have its bottleneck at
the other end. Either search is exact; the first to end decides (`munas.cost.search`).
"""

from __future__ import annotations

from dataclasses import dataclass

from munas.cost.chains import Task, build_chains
from munas.cost.graph import Graph
from munas.cost.search import Search

_HEAD_START = 512  # states looked at backwards before the search forwards begins
_TURN = 64  # states looked at in one direction before the other has its turn


@dataclass(frozen=True)
class Section:
    """Operators in an executable order, and the tensors that cross the section's borders.

    `given` are there before and freed within, `lasting` are brought within and needed behind,
    `through` are there all along.
    """

    operators: tuple[int, ...]
    given: frozenset[int]
    lasting: frozenset[int]
    through: frozenset[int]

    def hosts(self, graph: Graph, index: int) -> tuple[int, ...]:
        """The inputs of an operator in whose place its result may come: none needed behind."""
        operator = graph.operators[index]
        if not operator.accumulates:
            return ()
        needed = self.lasting | self.through
        inputs = dict.fromkeys(operator.inputs)
        return tuple(t for t in inputs if t not in needed and graph.can_hold(t, index))

    def bytes_at_start(self, sizes: list[int]) -> int:
        return sum(sizes[tensor] for tensor in self.through | self.given)

    def bytes_at_end(self, sizes: list[int]) -> int:
        return sum(sizes[tensor] for tensor in self.through | self.lasting)

    def bound(self, graph: Graph, sizes: list[int]) -> int:
        """Bytes that no order does without: the working set of an operator, or either border."""
        least = max(self.bytes_at_start(sizes), self.bytes_at_end(sizes))
        for index in self.operators:
            operator = graph.operators[index]
            used = self.through.union(operator.inputs)
            if not self.hosts(graph, index):
                used = used.union(operator.outputs)
            least = max(least, sum(sizes[tensor] for tensor in used))
        return least


def solve(graph: Graph, sizes: list[int], section: Section, limit: int) -> tuple[list[int], int]:
    """(an order, its peak or `limit` where that is more), in bytes.

    The order is one of least peak unless even that is below `limit`.
    """
    if len(section.operators) == 1:
        return list(section.operators), limit
    tasks = _tasks(graph, sizes, section)
    lasting = set(section.lasting)
    back = build_chains([_reverse(t) for t in tasks[::-1]], sizes, lasting, backwards=True)
    backwards = Search(back, section.bytes_at_end(sizes), limit)
    found = backwards.run(_HEAD_START)
    if found is None:
        ahead = build_chains(tasks, sizes, lasting, backwards=False)
        forwards = Search(ahead, section.bytes_at_start(sizes), backwards.limit)
        while found is None:
            order = forwards.run(_TURN)
            if order is not None:
                return order, forwards.limit
            found = backwards.run(_TURN)
    return found[::-1], backwards.limit


def _reverse(task: Task) -> Task:
    return Task(task.operator, task.writes, task.reads, task.scratch, task.spared, task.hosts)


def _tasks(graph: Graph, sizes: list[int], section: Section) -> list[Task]:
    """The section's operators forwards in time; tensors in use all along order nothing."""
    produced = {tensor for index in section.operators for tensor in graph.operators[index].outputs}
    tasks = []
    for index in section.operators:
        operator = graph.operators[index]
        reads = tuple(
            t for t in dict.fromkeys(operator.inputs) if t in section.given or t in produced
        )
        writes = tuple(t for t in operator.outputs if graph.consumers[t] or t in section.lasting)
        scratch = sum(sizes[t] for t in operator.outputs if t not in writes)
        hosts = section.hosts(graph, index)
        spared = sum(sizes[t] for t in operator.outputs)
        if any(graph.consumers[t] == (index,) for t in hosts):
            hosts, scratch = (), scratch - spared
        tasks.append(Task(index, reads, writes, scratch, spared, hosts))
    return tasks
