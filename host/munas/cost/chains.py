"""A section of a graph as chains of tasks, seen in one direction of time.

A task is an operator. A chain is a run of tasks of which each reads only what the one before wrote,
so that within a chain only the head and the tail touch tensors that other chains touch too. What a
chain does to the memory in use when it moves on from one of its positions is a `Profile`, in bytes
relative to what is in use before the move.

Backwards in time a task reads what its operator wrote and writes what its operator read; a tensor
with several readers is then written by several tasks, and comes into being with the first of them.
This module knows nothing of the search that uses it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple


class Step(NamedTuple):
    """Moving a chain on to `position`: bytes needed meanwhile, and bytes more in use afterwards."""

    hill: int
    change: int
    position: int


class Profile(NamedTuple):
    """What a chain can do from one position.

    `dips` are the steps to ever lower (or equal) levels, each with a higher hill than the one
    before. `fall` is the hill of the first that leaves no more in use, if there is one. `through`
    is the step to the end of the chain. It can be split into `rises`, each to the lowest level
    behind the highest hill that is left, and `final`, the rest. Where the next task is a head that
    `shares` tensors with other heads there are no rises.
    """

    dips: tuple[Step, ...]
    fall: int | None
    rises: tuple[Step, ...]
    final: Step
    through: Step
    shares: bool


@dataclass(frozen=True)
class Task:
    """An operator in one direction of time: the tensors that it takes up and those it brings.

    `scratch` are bytes that only exist while it runs, less those that it always spares by writing
    in place. `spared` are bytes that it spares while one of `hosts` is read by no one else.
    """

    operator: int
    reads: tuple[int, ...]
    writes: tuple[int, ...]
    scratch: int = 0
    spared: int = 0
    hosts: tuple[int, ...] = ()


Shared = tuple[int, int]  # bytes of a tensor, mask of the chains that share it


@dataclass(eq=False)
class Chain:
    """A chain. `wants` is the mask of chains that must have run whole before it starts.

    `needs` and `changes` are bytes task by task, without the tensors in `frees` (read by the heads
    of several chains, freed when all of them started) and `brings` (written by the tails of
    several, there when one of them ran whole).
    """

    index: int
    backwards: bool
    tasks: list[Task]
    wants: int = 0
    unlocks: list[Chain] = field(default_factory=list)
    needs: list[int] = field(default_factory=list)
    changes: list[int] = field(default_factory=list)
    frees: list[Shared] = field(default_factory=list)
    brings: list[Shared] = field(default_factory=list)
    hosts: list[int] = field(default_factory=list)  # masks of the chains that share a host
    _profiles: dict[tuple[int, int, int, int], Profile] = field(default_factory=dict)

    @property
    def bit(self) -> int:
        return 1 << self.index

    def profile(self, position: int, started: int, whole: int) -> Profile:
        """What the chain can do from `position` once the chains of these masks have run."""
        freed = spared = brought = 0
        if position == 0 and (self.frees or self.hosts):
            others = ~(started | 1 << self.index)
            for size, mask in self.frees:
                if not mask & others:
                    freed += size
            # Forwards a host is free when all its other readers ran, backwards when none did.
            busy = whole if self.backwards else others
            if any(not mask & busy for mask in self.hosts):
                spared = self.tasks[0].spared
        for size, mask in self.brings:
            if not mask & whole:
                brought += size
        key = (position, freed, spared, brought)
        profile = self._profiles.get(key)
        if profile is None:
            profile = self._profiles[key] = self._make_profile(*key)
        return profile

    def _make_profile(self, position: int, freed: int, spared: int, brought: int) -> Profile:
        end = len(self.tasks)
        levels, hills = [0], []
        for task in range(position, end):
            hills.append(levels[-1] + self.needs[task])
            levels.append(levels[-1] + self.changes[task])
        hills[0] -= spared
        for later in range(1, len(levels)):
            levels[later] -= freed
        for later in range(1, len(hills)):
            hills[later] -= freed
        # Where the rises end must not depend on what other chains bring into being meanwhile.
        shares = position == 0 and bool(self.frees or self.hosts)
        stops = [] if shares else _stops(hills, levels)
        hills[-1] += brought
        levels[-1] += brought
        dips = _dips(hills, levels, position)
        rises, at = [], 0
        for stop in stops:
            rises.append(_step(hills, levels, at, stop, position))
            at = stop
        return Profile(
            dips,
            next((step.hill for step in dips if step.change <= 0), None),
            tuple(rises),
            _step(hills, levels, at, end - position, position),
            _step(hills, levels, 0, end - position, position),
            shares,
        )


def _step(hills: list[int], levels: list[int], start: int, stop: int, position: int) -> Step:
    base = levels[start]
    return Step(max(hills[start:stop]) - base, levels[stop] - base, position + stop)


def _dips(hills: list[int], levels: list[int], position: int) -> tuple[Step, ...]:
    dips: list[Step] = []
    top, lowest = hills[0], levels[1]
    for task, hill in enumerate(hills):
        top = max(top, hill)
        level = levels[task + 1]
        if level <= lowest:
            lowest = level
            if dips and dips[-1].hill == top:
                dips.pop()
            dips.append(Step(top, level, position + task + 1))
    return tuple(dips)


def _stops(hills: list[int], levels: list[int]) -> list[int]:
    """Where to rest on the way up: behind the highest hill that is left, at the lowest level.

    The end of the chain is no such place, because reaching it is more than a change of level.
    """
    stops: list[int] = []
    at, end = 0, len(hills)
    while True:
        highest = max(range(at, end), key=lambda task: (hills[task], task))
        if highest == end - 1:
            return stops
        at = min(range(highest + 1, end), key=lambda task: (levels[task], -task))
        stops.append(at)


def build_chains(
    tasks: list[Task], sizes: list[int], lasting: set[int], *, backwards: bool
) -> list[Chain]:
    """The chains of `tasks`, given in an executable order of their direction of time.

    Tensors in `lasting` are needed behind the section: forwards they are never freed, backwards
    they are there from the start.
    """
    return _Builder(tasks, sizes, lasting, backwards).chains


class _Builder:
    def __init__(
        self, tasks: list[Task], sizes: list[int], lasting: set[int], backwards: bool
    ) -> None:
        self.tasks, self.sizes, self.lasting, self.backwards = tasks, sizes, lasting, backwards
        self.writers: dict[int, list[int]] = {}
        self.readers: dict[int, list[int]] = {}
        for position, task in enumerate(tasks):
            for tensor in task.reads:
                self.readers.setdefault(tensor, []).append(position)
            for tensor in task.writes:
                self.writers.setdefault(tensor, []).append(position)
        self.chains: list[Chain] = []
        self.chain_of: list[Chain] = []
        for position, task in enumerate(tasks):
            previous = self._leads_to(position)
            if previous is None:
                self.chains.append(Chain(len(self.chains), backwards, [task]))
                self.chain_of.append(self.chains[-1])
            else:
                self.chain_of.append(self.chain_of[previous])
                self.chain_of[previous].tasks.append(task)
        for chain in self.chains:
            self._price(chain)
        for chain in self.chains:
            for other in self.chains:
                if other.wants & chain.bit:
                    chain.unlocks.append(other)

    def _leads_to(self, position: int) -> int | None:
        """The task whose only result only this task reads, where there is one."""
        task = self.tasks[position]
        if len(task.reads) != 1 or task.hosts or task.reads[0] in self.lasting:
            return None
        writers = self.writers.get(task.reads[0], [])
        if len(writers) != 1 or len(self.readers[task.reads[0]]) != 1:
            return None
        before = self.tasks[writers[0]]
        return writers[0] if len(before.writes) == 1 and not before.hosts else None

    def _mask(self, positions: list[int]) -> int:
        mask = 0
        for position in positions:
            mask |= self.chain_of[position].bit
        return mask

    def _price(self, chain: Chain) -> None:
        sizes, head, tail = self.sizes, chain.tasks[0], chain.tasks[-1]
        for task in chain.tasks:
            grown = 0 if task is tail else sizes[task.writes[0]]
            freed = 0 if task is head else sizes[task.reads[0]]
            chain.needs.append(grown + task.scratch)
            chain.changes.append(grown - freed)
        for tensor in head.reads:
            chain.wants |= self._mask(self.writers.get(tensor, []))
            mask = self._mask(self.readers[tensor])
            if not self.backwards and tensor in self.lasting:
                continue
            if mask == chain.bit:
                chain.changes[0] -= sizes[tensor]
            else:
                chain.frees.append((sizes[tensor], mask))
        for tensor in tail.writes:
            mask = self._mask(self.writers[tensor])
            if self.backwards and tensor in self.lasting:
                continue
            if mask == chain.bit:
                chain.needs[-1] += sizes[tensor]
                chain.changes[-1] += sizes[tensor]
            else:
                chain.brings.append((sizes[tensor], mask))
        sharers = self.writers if self.backwards else self.readers
        chain.hosts = [self._mask(sharers[tensor]) for tensor in head.hosts]
