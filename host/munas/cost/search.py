"""The search for an order of least peak memory through the chains of a section.

It decides "is there an order within a limit?", and while there is none raises the limit to the
least value at which it can go on anywhere; the first order found is therefore a best one. It is
exact for every graph. What keeps it small:

1. Commits. Memory in use is a submodular function of what has run. So if what a state can reach
   leaves no more in use than any part of it that could have run alone, going there first is part of
   some order within the limit if there is one (the exchange behind the hill-valley segments of Liu,
   SIAM J. Alg. Disc. Meth. 8, 1987, and of Abdel-Wahab and Kameda, Oper. Res. 26, 1978). The search
   takes such steps at once: along a chain to its lowest level within reach, and through the end of
   a chain and on along one that it unlocks.
2. Rises. A chain that must go up does so in one go to the lowest level behind the highest hill that
   is left to it: what comes before that hill can as well wait until the hill is crossed.
3. Crossings. A rise that ends within a chain matters to no other chain. The search branches on
   which chain next reaches its end (or runs a head that frees a shared tensor), and together with
   it only takes rises of other chains that could not as well follow it: those whose hill does not
   fit behind the crossing. Rises before a crossing run in falling order of hill less change, which
   is best by Liu's rule for sequences that only go up.

A section of the search space is a fork, parallel chains and a join; seen backwards in time nearly
all of it is commits, and what is left to choose is the chain that brings the forked tensor back.
"""

from __future__ import annotations

from heapq import heappop, heappush
from typing import NamedTuple

from munas.cost.chains import Chain, Profile, Step

_Trail = tuple["_Trail | None", Chain, int, int]  # before it, the chain that moved, from, to


class State(NamedTuple):
    """How far each chain ran; masks of chains that started, ran whole, can move; bytes in use."""

    positions: tuple[int, ...]
    started: int
    whole: int
    open: int
    live: int
    trail: _Trail | None


class Search:
    """A search through chains of one direction of time, from `live` bytes in use."""

    def __init__(self, chains: list[Chain], live: int, limit: int) -> None:
        self.limit = limit
        self._chains = chains
        self._all = (1 << len(chains)) - 1
        roots = sum(chain.bit for chain in chains if not chain.wants)
        self._stack = [State((0,) * len(chains), 0, 0, roots, live, None)]
        self._seen: set[tuple[int, ...]] = set()
        # (limit that is needed, tie-break, state, chain that would cross (null: any commit),
        # whether it has crossed without rises of others)
        self._blocked: list[tuple[int, int, State, Chain | None, bool]] = []
        self._count = 0

    def run(self, states: int) -> list[int] | None:
        """Look at up to `states` more states; the operators in order once the goal is found.

        Until then `limit` is a proven lower bound of the peak; then it is the peak.
        """
        for _ in range(states):
            while not self._stack:
                self._raise_limit()
            state, fall = self._settle(self._stack.pop())
            if state.whole == self._all:
                return _operators(state)
            if state.positions not in self._seen:
                self._seen.add(state.positions)
                if fall is not None:
                    self._block(fall, state, None, False)
                self._branch(state)
        return None

    def _block(self, limit: int, state: State, chain: Chain | None, plain: bool) -> None:
        self._count += 1
        heappush(self._blocked, (limit, self._count, state, chain, plain))

    def _raise_limit(self) -> None:
        self.limit = self._blocked[0][0]
        while self._blocked and self._blocked[0][0] <= self.limit:
            _, _, state, chain, plain = heappop(self._blocked)
            if chain is None:
                self._stack.append(state)
            else:
                commit, children = self._cross(state, chain, plain)
                self._stack += children if commit is None else [commit]

    def _settle(self, state: State) -> tuple[State, int | None]:
        """Take all commits along chains; also the least limit at which there is one more."""
        left = state.open
        fall: int | None = None
        while left:
            chain = self._chains[(left & -left).bit_length() - 1]
            left &= left - 1
            profile = chain.profile(state.positions[chain.index], state.started, state.whole)
            if profile.fall is None:
                continue
            if state.live + profile.fall > self.limit:
                needed = state.live + profile.fall
                fall = needed if fall is None else min(fall, needed)
                continue
            state = _move(state, chain, _lowest(profile, self.limit - state.live))
            left, fall = state.open, None
        return state, fall

    def _branch(self, state: State) -> None:
        children: list[State] = []
        left = state.open
        while left:
            chain = self._chains[(left & -left).bit_length() - 1]
            left &= left - 1
            commit, more = self._cross(state, chain, False)
            if commit is not None:
                self._stack.append(commit)
                return
            children += more
        # The child that leaves least in use is tried first: the stack is popped at its end.
        children.sort(key=lambda child: -child.live)
        self._stack += children

    def _cross(self, state: State, chain: Chain, plain: bool) -> tuple[State | None, list[State]]:
        """(a commit through the crossing, else null; the states behind the crossing of `chain`).

        `plain` leaves out the crossing without rises of other chains.
        """
        profile = chain.profile(state.positions[chain.index], state.started, state.whole)
        step = _crossing(profile, self.limit - state.live)
        if state.live + step.hill > self.limit:
            self._block(state.live + step.hill, state, chain, False)
            return None, []
        children = []
        if not plain:
            child = _move(state, chain, step)
            commit = self._commit(child, chain, state.live)
            if commit is not None:
                return commit, []
            children.append(child)
        rises = self._rises(state, chain, profile)
        if rises:
            children += _Together(self, state, chain, profile, rises).children()
        return None, children

    def _commit(self, state: State, through: Chain, base: int) -> State | None:
        """Go on through the end of a chain to where no more than `base` bytes are in use."""
        for chain in through.unlocks:
            if not state.open & chain.bit:
                continue
            profile = chain.profile(0, state.started, state.whole)
            slack = self.limit - state.live
            if profile.dips[0].hill > slack:
                continue
            step = _lowest(profile, slack)
            if state.live + step.change <= base:
                return _move(state, chain, step)
            if chain.unlocks and profile.through.hill <= slack:
                found = self._commit(_move(state, chain, profile.through), chain, base)
                if found is not None:
                    return found
        return None

    def _rises(self, state: State, crossing: Chain, profile: Profile) -> list[tuple[Chain, Step]]:
        """Rises of other chains that may have to precede the crossing, largest pressure first.

        The pressure of a rise is its hill less its change. The list is empty where even all of them
        together leave so much room behind the crossing that each can as well follow it.
        """
        rises: list[tuple[Chain, Step]] = []
        left = state.open & ~crossing.bit
        while left:
            chain = self._chains[(left & -left).bit_length() - 1]
            left &= left - 1
            steps = chain.profile(state.positions[chain.index], state.started, state.whole).rises
            if steps and steps[0].change > 0:
                rises += [(chain, step) for step in steps]
        if rises:
            rises.sort(key=lambda rise: rise[1].change - rise[1].hill)
            room = self.limit - state.live - _least_fall(profile).change
            first = rises[0][1]
            if sum(step.change for _, step in rises) <= room - (first.hill - first.change):
                return []
        return rises


class _Together:
    """The ways to let other chains rise before a crossing.

    A set of rises is worth trying only if none of them could as well follow the crossing. Its rise
    of least pressure is the first to fit behind; hence a set counts only if its changes add up to
    more than the room behind the crossing less that pressure.
    """

    def __init__(
        self,
        search: Search,
        state: State,
        crossing: Chain,
        profile: Profile,
        rises: list[tuple[Chain, Step]],
    ) -> None:
        self.search, self.state, self.crossing, self.profile = search, state, crossing, profile
        self.rises = rises
        self.room = search.limit - state.live - _least_fall(profile).change
        self.behind = [0] * (len(rises) + 1)  # sums of changes from an index on
        for index in range(len(rises) - 1, -1, -1):
            self.behind[index] = self.behind[index + 1] + rises[index][1].change
        self.found: list[State] = []
        self.needed: int | None = None

    def children(self) -> list[State]:
        self._extend(0, [], 0)
        if self.needed is not None:
            self.search._block(self.needed, self.state, self.crossing, True)
        return self.found

    def _extend(self, start: int, chosen: list[tuple[Chain, Step]], total: int) -> None:
        for index in range(start, len(self.rises)):
            chain, step = self.rises[index]
            pressure = step.hill - step.change
            if total + self.behind[index] <= self.room - pressure:
                return
            if not self._follows(chain, step, chosen):
                continue
            more = [*chosen, (chain, step)]
            if total + step.change <= self.room - pressure or self._try(more):
                self._extend(index + 1, more, total + step.change)

    def _follows(self, chain: Chain, step: Step, chosen: list[tuple[Chain, Step]]) -> bool:
        """Whether all earlier rises of the same chain are chosen."""
        earlier = sum(1 for c, s in self.rises if c is chain and s.position < step.position)
        return earlier == sum(1 for c, _ in chosen if c is chain)

    def _try(self, chosen: list[tuple[Chain, Step]]) -> bool:
        """Note the state behind these rises and the crossing, or the limit that they need."""
        steps = chosen + [(self.crossing, step) for step in self.profile.rises]
        steps.sort(key=lambda rise: rise[1].change - rise[1].hill)
        state, limit = self.state, self.search.limit
        needed = 0
        for chain, step in steps:
            needed = max(needed, state.live + step.hill)
            state = _move(state, chain, step)
        if not self.profile.rises:
            last = _crossing(self.profile, limit - state.live)
        else:
            last = self.profile.final
        needed = max(needed, state.live + last.hill)
        if needed > limit:
            self.needed = needed if self.needed is None else min(self.needed, needed)
            return False
        self.found.append(_move(state, self.crossing, last))
        return True


def _crossing(profile: Profile, slack: int) -> Step:
    """The step of a crossing; behind a head that shares tensors, the lowest level in reach."""
    if not profile.shares:
        return profile.through
    return _lowest(profile, slack)


def _least_fall(profile: Profile) -> Step:
    return profile.dips[0] if profile.shares else profile.through


def _lowest(profile: Profile, slack: int) -> Step:
    """The step to the lowest level in reach; the first step where nothing is in reach."""
    best = profile.dips[0]
    for step in profile.dips:
        if step.hill > slack:
            break
        best = step
    return best


def _move(state: State, chain: Chain, step: Step) -> State:
    positions, started, whole, can_move, live, trail = state
    index, position = chain.index, step.position
    if position == len(chain.tasks):
        whole |= chain.bit
        can_move &= ~chain.bit
        for other in chain.unlocks:
            if not other.wants & ~whole:
                can_move |= other.bit
    return State(
        (*positions[:index], position, *positions[index + 1 :]),
        started | chain.bit,
        whole,
        can_move,
        live + step.change,
        (trail, chain, positions[index], position),
    )


def _operators(state: State) -> list[int]:
    runs: list[list[int]] = []
    trail = state.trail
    while trail is not None:
        trail, chain, start, stop = trail
        runs.append([task.operator for task in chain.tasks[start:stop]])
    return [operator for run in reversed(runs) for operator in run]
