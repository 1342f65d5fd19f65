"""Peak memory: the solver against brute force over all orders, on graphs of all kinds."""

from __future__ import annotations

import heapq
from random import Random

import pytest

from munas.arch import sample
from munas.cost import Graph, Operator, Tensor, best_schedule, build_graph, peak_of_order


def brute_force(graph: Graph, with_inputs: bool) -> int:
    """The least peak over all orders: a shortest path over sets of operators that have run."""
    count = len(graph.operators)
    sizes = [tensor.bytes for tensor in graph.tensors]
    if not with_inputs:
        for tensor in graph.inputs:
            sizes[tensor] = 0
    wants = [
        sum(1 << p for p in {graph.producer[t] for t in o.inputs} if p is not None)
        for o in graph.operators
    ]

    def live(ran: int) -> int:
        total = 0
        for tensor, size in enumerate(sizes):
            source, readers = graph.producer[tensor], graph.consumers[tensor]
            written = source is None or ran >> source & 1
            wanted = tensor in graph.outputs or any(not ran >> r & 1 for r in readers)
            if written and (wanted or (source is None and not readers)):
                total += size
        return total

    start = sum(sizes[tensor] for tensor in graph.inputs)
    heap, best = [(start, 0)], {0: start}
    while heap:
        peak, ran = heapq.heappop(heap)
        if ran == (1 << count) - 1:
            return peak
        if best[ran] < peak:
            continue
        used = live(ran) if ran else start
        for index, operator in enumerate(graph.operators):
            if ran >> index & 1 or wants[index] & ~ran:
                continue
            written = sum(sizes[tensor] for tensor in operator.outputs)
            in_place = operator.accumulates and any(
                graph.can_hold(t, index)
                and all(r == index or ran >> r & 1 for r in graph.consumers[t])
                for t in operator.inputs
            )
            reached = max(peak, used + (0 if in_place else written))
            after = ran | 1 << index
            if reached < best.get(after, reached + 1):
                best[after] = reached
                heapq.heappush(heap, (reached, after))
    raise AssertionError("no order")


def any_graph(rng: Random) -> Graph:
    """A random graph: several outputs, dead results, tensors read often, additions in place."""
    tensors = [Tensor((1,), rng.randint(1, 9))]
    operators: list[Operator] = []
    shapes = [rng.randint(1, 30) for _ in range(4)]
    for index in range(rng.randint(1, 10)):
        count = min(len(tensors), rng.choice((1, 1, 1, 2, 2, 3)))
        newest = tuple(range(len(tensors) - count, len(tensors)))
        inputs = newest if rng.random() < 0.3 else tuple(rng.sample(range(len(tensors)), count))
        outputs = []
        for _ in range(2 if rng.random() < 0.07 else 1):
            size = rng.choice(shapes) if rng.random() < 0.7 else rng.randint(1, 30)
            outputs.append(len(tensors))
            tensors.append(Tensor((size,), size))
        adds = count > 1 and rng.random() < 0.4 and len(outputs) == 1
        operators.append(Operator(f"o{index}", "X", inputs, tuple(outputs), 0, 0, adds))
    read = {tensor for operator in operators for tensor in operator.inputs}
    unread = [t for t in range(1, len(tensors)) if t not in read and rng.random() < 0.8]
    extra = [rng.randrange(1, len(tensors))] if rng.random() < 0.2 else []
    outputs_of_graph = sorted({*(unread or [len(tensors) - 1]), *extra})
    return Graph(tuple(tensors), tuple(operators), (0,), tuple(outputs_of_graph))


def fork_join(rng: Random) -> Graph:
    """Parallel chains from one tensor, joined by binary additions or by one in place."""
    tensors: list[Tensor] = []
    operators: list[Operator] = []

    def new(size: int) -> int:
        tensors.append(Tensor((size,), size))
        return len(tensors) - 1

    def size() -> int:
        return rng.randint(1, 12 if rng.random() < 0.6 else 60)

    def run(inputs: tuple[int, ...], output: int, adds: bool = False) -> int:
        operators.append(Operator("o", "X", inputs, (output,), 0, 0, adds))
        return output

    fork, joined, single = new(size()), size(), rng.random() < 0.3
    ends = []
    while len(ends) < rng.randint(2, 5) and len(operators) < 8:
        end, length = fork, rng.randint(1, 3)
        for position in range(length):
            last = position == length - 1
            end = run((end,), new(joined if last else size()))
        ends.append(end)
    if single:
        total = run(tuple(ends), new(joined), adds=True)
    else:
        total = ends[0]
        for end in ends[1:]:
            total = run((total, end), new(joined))
    last = run((total,), new(size()))
    return Graph(tuple(tensors), tuple(operators), (0,), (last,))


def check(graph: Graph, with_inputs: bool) -> None:
    schedule = best_schedule(graph, with_inputs=with_inputs)
    assert sorted(schedule.order) == list(range(len(graph.operators)))
    assert schedule.peak_bytes == peak_of_order(graph, schedule.order, with_inputs=with_inputs)
    assert schedule.peak_bytes == brute_force(graph, with_inputs)


@pytest.mark.parametrize("with_inputs", [True, False])
@pytest.mark.parametrize("make", [any_graph, fork_join])
def test_exact_on_random_graphs(make, with_inputs: bool):  # type: ignore[no-untyped-def]
    for seed in range(250):
        check(make(Random(f"{make.__name__}:{seed}")), with_inputs)


@pytest.mark.parametrize("mode", ["deployed", "paper"])
def test_exact_on_random_architectures(mode: str):
    checked, rng = 0, Random(5)
    while checked < 60:
        graph = build_graph(sample(rng, (12, 12, 1), 10), mode)  # type: ignore[arg-type]
        if len(graph.operators) <= 13:
            check(graph, True)
            checked += 1


def test_a_tensor_needed_behind_the_section_is_no_place_for_a_sum():
    """Found by brute force: an addition in place of a tensor that a later operator reads."""
    tensors = tuple(Tensor((size,), size) for size in (1, 27, 2, 2, 23))
    operators = (
        Operator("o0", "X", (0,), (1,)),
        Operator("o1", "X", (1,), (2,)),
        Operator("o2", "X", (1, 2, 0), (3,), accumulates=True),
        Operator("o3", "X", (2, 3), (4,), accumulates=True),
    )
    check(Graph(tensors, operators, (0,), (4,)), True)


def test_wide_graphs_are_solved():
    """Ten parallel paths of three operators: more than 10^6 sets of operators."""
    rng = Random(3)
    tensors, operators = [Tensor((64,), 64)], []
    ends = []
    for _ in range(10):
        end = 0
        for position in range(3):
            size = 16 if position == 2 else rng.randint(1, 200)
            tensors.append(Tensor((size,), size))
            operators.append(Operator("o", "X", (end,), (len(tensors) - 1,)))
            end = len(tensors) - 1
        ends.append(end)
    total = ends[0]
    for end in ends[1:]:
        tensors.append(Tensor((16,), 16))
        operators.append(Operator("a", "ADD", (total, end), (len(tensors) - 1,)))
        total = len(tensors) - 1
    graph = Graph(tuple(tensors), tuple(operators), (0,), (total,))
    schedule = best_schedule(graph)
    assert schedule.peak_bytes == peak_of_order(graph, schedule.order)
    assert schedule.peak_bytes < peak_of_order(graph, tuple(range(len(operators))))
