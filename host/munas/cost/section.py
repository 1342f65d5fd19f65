"""The order of least peak memory within one section of a graph.

Whether an order within a memory limit exists is decided by depth-first search, exact, and fast on
the graphs of the space, because it

1. moves along whole chains: a chain is a run of operators of which each reads only what the one
   before wrote. Once on a chain it goes to the point, among those reachable under the limit, that
   leaves least memory in use: stopping earlier never helps, and going on is a move of its own;
2. takes at once every move that leaves no more memory in use than before: memory in use is a
   submodular function of what has run, so such a move is part of some feasible order if there is
   one (the exchange behind Liu's hill-valley segments, SIAM J. Alg. Disc. Meth. 8, 1987);
3. runs forwards and backwards in time in turns, and whichever ends first decides: a section whose
   fork is its bottleneck has little choice forwards, one whose joins are has little backwards.

The least feasible limit is found by bisection between proven bounds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from munas.cost.graph import Graph

_TURN = 16  # states searched in one direction before the other has its turn


@dataclass(frozen=True)
class Task:
    """An operator seen in one direction of time: the tensors it takes up and those it brings.

    `scratch` are bytes that only exist while it runs. `spared` are bytes of its result that need no
    room of their own while one of `hosts` is a tensor that only this task still holds (an addition
    in place).
    """

    operator: int
    reads: tuple[int, ...]
    writes: tuple[int, ...]
    scratch: int = 0
    spared: int = 0
    hosts: tuple[int, ...] = ()


@dataclass
class _Chain:
    tasks: list[Task]
    wants: int = 0  # chains that must have run whole before this one starts
    # (bytes needed more, bytes in use more afterwards) by task; only head and tail touch tensors
    # that other chains touch too, and these are left out here.
    steps: list[tuple[int, int]] = field(default_factory=list)
    # (bytes, mask of chains) of shared tensors: freed when all of the mask started ...
    taken: list[tuple[int, int]] = field(default_factory=list)
    # ... and brought into being when the first of the mask has run whole.
    brought: list[tuple[int, int]] = field(default_factory=list)
    hosts: list[int] = field(default_factory=list)  # masks, one a host


@dataclass(frozen=True)
class _State:
    positions: tuple[int, ...]
    started: int
    whole: int
    live: int
    done: tuple[int, ...]


class Section:
    """A section's tasks in one direction of time, in an executable order.

    `live` are the bytes in use at its start. Tensors in `lasting` are needed behind the section:
    forwards they are never freed, backwards they are there from the start.
    """

    def __init__(
        self, tasks: list[Task], sizes: list[int], live: int, lasting: set[int], backwards: bool
    ) -> None:
        self.tasks = tasks
        self.sizes = sizes
        self.live = live
        self.lasting = lasting
        self.backwards = backwards
        self.writers: dict[int, list[int]] = {}
        self.readers: dict[int, list[int]] = {}
        for position, task in enumerate(tasks):
            for tensor in task.reads:
                self.readers.setdefault(tensor, []).append(position)
            for tensor in task.writes:
                self.writers.setdefault(tensor, []).append(position)
        self.chain_of: list[int] = []
        self.chains = self._chains()

    def _chains(self) -> list[_Chain]:
        chains: list[_Chain] = []
        for position, task in enumerate(self.tasks):
            previous = self._leads_to(position)
            if previous is None:
                self.chain_of.append(len(chains))
                chains.append(_Chain([task]))
            else:
                self.chain_of.append(self.chain_of[previous])
                chains[self.chain_of[previous]].tasks.append(task)
        for chain in chains:
            self._price(chain)
        return chains

    def _leads_to(self, position: int) -> int | None:
        """The task whose only result only this task reads, where there is one."""
        task = self.tasks[position]
        if len(task.reads) != 1 or task.hosts or task.reads[0] in self.lasting:
            return None
        writers = self.writers.get(task.reads[0], [])
        if len(writers) != 1 or self.readers[task.reads[0]] != [position]:
            return None
        before = self.tasks[writers[0]]
        return writers[0] if len(before.writes) == 1 and not before.hosts else None

    def _mask(self, positions: list[int]) -> int:
        mask = 0
        for position in positions:
            mask |= 1 << self.chain_of[position]
        return mask

    def _price(self, chain: _Chain) -> None:
        sizes, head, tail = self.sizes, chain.tasks[0], chain.tasks[-1]
        for task in chain.tasks:
            inner = () if task is tail else task.writes
            ended = () if task is head else task.reads
            grown = sum(sizes[tensor] for tensor in inner)
            freed = sum(sizes[tensor] for tensor in ended)
            chain.steps.append((grown + task.scratch, grown - freed))
        for tensor in head.reads:
            chain.wants |= self._mask(self.writers.get(tensor, []))
            if self.backwards or tensor not in self.lasting:
                chain.taken.append((sizes[tensor], self._mask(self.readers[tensor])))
        for tensor in tail.writes:
            if not (self.backwards and tensor in self.lasting):
                chain.brought.append((sizes[tensor], self._mask(self.writers[tensor])))
        sharers = self.writers if self.backwards else self.readers
        chain.hosts = [self._mask(sharers[tensor]) for tensor in head.hosts]

    def attempt(self, limit: int) -> Iterator[int | tuple[int, ...] | None]:
        """Decide whether an order within `limit` bytes exists.

        Yields null while it searches; then once the operators in order of time of this direction,
        or the least memory above the limit that stood in the way.
        """
        blocked = [0]
        stack = [_State((0,) * len(self.chains), 0, 0, self.live, ())]
        seen: set[tuple[int, ...]] = set()
        while stack:
            state, rising = self._settle(stack.pop(), limit, blocked)
            if len(state.done) == len(self.tasks):
                yield state.done
                return
            if state.positions not in seen:
                seen.add(state.positions)
                # The move that leaves least in use is tried first: the stack is popped at its end.
                stack += sorted(rising, key=lambda move: -move.live)
            if len(seen) % _TURN == 0:
                yield None
        yield blocked[0]

    def _settle(self, state: _State, limit: int, blocked: list[int]) -> tuple[_State, list[_State]]:
        """Take moves that leave no more in use until all that are left (returned) leave more."""
        count = len(self.chains)
        rising: dict[int, _State] = {}
        chain, unchanged = 0, 0
        while unchanged < count:
            after = self._advance(state, chain, limit, blocked)
            unchanged += 1
            if after is not None and after.live <= state.live:
                state, unchanged = after, 0
                rising.clear()
            elif after is not None:
                rising[chain] = after
            chain = (chain + 1) % count
        return state, list(rising.values())

    def _advance(self, state: _State, index: int, limit: int, blocked: list[int]) -> _State | None:
        """Go along one chain to the point of least memory within the limit; null if blocked."""
        chain, position = self.chains[index], state.positions[index]
        length = len(chain.tasks)
        if position == length or chain.wants & ~state.whole:
            return None
        started, live = state.started | 1 << index, state.live
        best, reached = -1, position
        for step in range(position, length):
            needed, change = chain.steps[step]
            if step == length - 1:
                new = sum(size for size, mask in chain.brought if not mask & state.whole)
                needed, change = needed + new, change + new
            if step == 0:
                change -= sum(size for size, mask in chain.taken if not mask & ~started)
                needed -= self._spared(index, state)
            if live + needed > limit:
                blocked[0] = min(blocked[0] or live + needed, live + needed)
                break
            live += change
            if best < 0 or live <= best:
                best, reached = live, step + 1
        if best < 0:
            return None
        whole = state.whole | (1 << index if reached == length else 0)
        positions = (*state.positions[:index], reached, *state.positions[index + 1 :])
        done = tuple(task.operator for task in chain.tasks[position:reached])
        return _State(positions, started, whole, best, state.done + done)

    def _spared(self, index: int, state: _State) -> int:
        """Bytes that an addition in place does without; such a task is a chain of its own.

        Forwards a host is free when all its other readers started; backwards when none did.
        """
        chain = self.chains[index]
        if self.backwards:
            free = any(not mask & state.whole for mask in chain.hosts)
        else:
            others = ~(state.started | 1 << index)
            free = any(not mask & others for mask in chain.hosts)
        return chain.tasks[0].spared if free else 0


def solve_section(graph: Graph, sizes: list[int], operators: list[int]) -> tuple[list[int], int]:
    """(order, its peak in bytes) of least peak for `operators`, given in an executable order."""
    forwards, backwards = _directions(graph, sizes, operators)
    low = max(_working_set(graph, sizes, index) for index in operators)
    low = max(low, forwards.live, backwards.live)
    high, best = _bounded(forwards, backwards, low)
    if isinstance(best, list):
        return best, high
    low = high
    high, order = _bounded(forwards, backwards, sum(sizes) + 1)
    assert isinstance(order, list)
    high = _peak(forwards, order)
    while low < high:
        limit = (low + high) // 2
        value, found = _bounded(forwards, backwards, limit)
        if isinstance(found, list):
            high, order = _peak(forwards, found), found
        else:
            low = value
    return order, high


def _bounded(forwards: Section, backwards: Section, limit: int) -> tuple[int, list[int] | None]:
    """(limit, order) where an order within the limit exists, else (a proven higher bound, null)."""
    attempts = [(forwards, forwards.attempt(limit)), (backwards, backwards.attempt(limit))]
    while True:
        for section, attempt in attempts:
            answer = next(attempt)
            if isinstance(answer, tuple):
                return limit, list(reversed(answer) if section.backwards else answer)
            if answer is not None:
                return answer, None


def _peak(forwards: Section, order: list[int]) -> int:
    """Peak of an order of the section's operators, in bytes."""
    by_operator = {task.operator: task for task in forwards.tasks}
    left = {tensor: len(readers) for tensor, readers in forwards.readers.items()}
    live = peak = forwards.live
    for operator in order:
        task = by_operator[operator]
        written = sum(forwards.sizes[tensor] for tensor in task.writes)
        spared = task.spared if any(left[host] == 1 for host in task.hosts) else 0
        peak = max(peak, live + written + task.scratch - spared)
        live += written
        for tensor in task.reads:
            left[tensor] -= 1
            if left[tensor] == 0 and tensor not in forwards.lasting:
                live -= forwards.sizes[tensor]
    return peak


def _working_set(graph: Graph, sizes: list[int], index: int) -> int:
    """A lower bound of the memory while an operator runs."""
    operator = graph.operators[index]
    read = sum(sizes[tensor] for tensor in set(operator.inputs))
    written = sum(sizes[tensor] for tensor in operator.outputs)
    return read if operator.accumulates else read + written


def _directions(graph: Graph, sizes: list[int], operators: list[int]) -> tuple[Section, Section]:
    """The section in both directions of time.

    Tensors that were there before and are needed behind it occupy memory all along; they order
    nothing.
    """
    inside = set(operators)
    produced = {tensor for i in operators for tensor in graph.operators[i].outputs}
    given = {tensor for i in operators for tensor in graph.operators[i].inputs} - produced
    needed_behind = {
        tensor
        for tensor in produced | given
        if tensor in graph.outputs or not inside.issuperset(graph.consumers[tensor])
    }
    lasting, kept = needed_behind & produced, needed_behind & given
    ahead, back = [], []
    for index in operators:
        operator = graph.operators[index]
        reads = tuple(t for t in dict.fromkeys(operator.inputs) if t not in kept)
        hosts = tuple(t for t in reads if operator.accumulates and graph.can_hold(t, index))
        spared = sum(sizes[t] for t in operator.outputs) if hosts else 0
        read_by_none = [t for t in operator.outputs if not graph.consumers[t] and t not in lasting]
        writes = tuple(t for t in operator.outputs if t not in read_by_none)
        scratch = sum(sizes[t] for t in read_by_none)
        ahead.append(Task(index, reads, writes, scratch, spared, hosts))
        back.append(Task(index, writes, reads, scratch, spared, hosts))
    constant = sum(sizes[tensor] for tensor in kept)
    before = constant + sum(sizes[t] for t in given - kept)
    behind = constant + sum(sizes[t] for t in lasting)
    return (
        Section(ahead, sizes, before, lasting, backwards=False),
        Section(back[::-1], sizes, behind, lasting, backwards=True),
    )
