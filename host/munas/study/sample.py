"""Which architectures a study measures.

`stratified` draws independent architectures, spread evenly over the logarithm of their MACs: a
plain draw would put most of them where few networks are deployed. `paper` generates as the authors'
latency experiment does. Knows costs, not how anything is measured.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from math import ceil, log10
from random import Random

from munas.arch import Architecture, Sampling, Shape, Space, random_morphism, sample, sha256
from munas.cost import Cost, Graph, build_graph, cost
from munas.errors import BadInputError

log = logging.getLogger(__name__)

Fits = Callable[[Cost], bool]
MayFit = Callable[[Graph], bool]
Drawn = tuple[Architecture, Cost]

BINS_A_DECADE = 8
# A bin that so many draws in a row have not helped to fill is left as it is.
_PATIENCE = 20_000
# The authors accept a morph that makes nothing smaller with this probability.
_ACCEPT_LARGER = 0.25
PAPER_LIMIT_BYTES = 250_000


def stratified(
    input_shape: Shape,
    classes: int,
    *,
    count: int,
    seed: int,
    macs: tuple[int, int],
    space: Space = "cnn",
    sampling: Sampling = "inclusive",
    fits: Fits = lambda _costs: True,
    may_fit: MayFit = lambda _graph: True,
) -> Iterator[Drawn]:
    """`count` different architectures that `fits` accepts, with MACs within `macs` (ends included).

    Every eighth of a decade gets an equal share; they come in random order, so a study that is
    stopped early is stratified too. Where some eighths cannot be filled, the others get more, and a
    warning says so. `may_fit` spares the search of the least peak memory, which takes most of the
    time: it must not refuse what `fits` accepts, and then changes nothing of what is drawn. Raises
    BadInputError where fewer than `count` are found.
    """
    rng = Random(seed)
    strata = _Strata(macs, count)
    found: list[Drawn] = []
    seen: set[str] = set()
    idle = 0
    while len(found) < count:
        architecture = sample(rng, input_shape, classes, space=space, sampling=sampling)
        idle += 1
        if idle > _PATIENCE and not strata.relax():
            raise BadInputError(
                f"Only {len(found)} of {count} architectures were found with "
                f"{macs[0]:,} to {macs[1]:,} MACs within the bounds.",
                "Widen study.macs or [bounds], or lower study.count.",
            )
        if idle > _PATIENCE:
            idle = 0
        graph = build_graph(architecture)
        stratum = strata.wanting(graph.macs)
        if stratum is None or not may_fit(graph):
            continue
        costs = cost(architecture)
        digest = sha256(architecture)
        if digest in seen or not fits(costs):
            continue
        seen.add(digest)
        strata.take(stratum)
        found.append((architecture, costs))
        idle = 0
    rng.shuffle(found)
    yield from found


class _Strata:
    """Equal parts of the range's logarithm, and how many each still wants."""

    def __init__(self, macs: tuple[int, int], count: int) -> None:
        self.low, self.high = macs
        self._start = log10(self.low)
        span = log10(self.high) - self._start
        self.bins = max(1, min(count, round(BINS_A_DECADE * span)))
        self._width = span / self.bins
        self._count = count
        self._taken = [0] * self.bins
        self._closed: set[int] = set()

    def _share(self) -> int:
        """How many an open bin may hold, so that all open ones together reach the count."""
        closed = sum(self._taken[index] for index in self._closed)
        return ceil((self._count - closed) / max(1, self.bins - len(self._closed)))

    def wanting(self, macs: int) -> int | None:
        """The bin of these MACs, where it wants more."""
        if not self.low <= macs <= self.high:
            return None
        index = min(int((log10(macs) - self._start) / self._width), self.bins - 1)
        open_ = index not in self._closed and self._taken[index] < self._share()
        return index if open_ else None

    def take(self, index: int) -> None:
        self._taken[index] += 1

    def relax(self) -> bool:
        """Give up the bins that are short; false where that leaves none."""
        share = self._share()
        short = {
            index
            for index in range(self.bins)
            if index not in self._closed and self._taken[index] < share
        }
        for index in sorted(short):
            low, high = (10 ** (self._start + self._width * (index + end)) for end in (0, 1))
            log.warning(
                "Of %s to %s MACs only %d architectures were found within the bounds, not %d.",
                f"{low:,.0f}", f"{high:,.0f}", self._taken[index], share,
            )  # fmt: skip
        self._closed |= short
        return len(self._closed) < self.bins


def paper(
    input_shape: Shape,
    classes: int,
    *,
    count: int,
    seed: int,
    space: Space = "cnn",
    sampling: Sampling = "paper",
    limits: tuple[int, int] = (PAPER_LIMIT_BYTES, PAPER_LIMIT_BYTES),
    fits: Fits = lambda _costs: True,
) -> Iterator[Drawn]:
    """`count` different architectures, each a random one that is morphed until it is small enough.

    A morph is taken when it lowers model size or peak memory, else with probability 0.25, until
    model size and peak memory with the input are within `limits` (bytes, as the paper counts them).
    The costs that come with each are those of the deployed network. Source: the behaviour of the
    authors' code. Raises BadInputError where the limits are out of reach.
    """
    rng = Random(seed)
    seen: set[str] = set()
    idle = 0
    while len(seen) < count:
        idle += 1
        if idle > 100:
            raise BadInputError(
                f"100 random architectures in a row could not be brought within {limits[0]:,} B of "
                f"model size and {limits[1]:,} B of peak memory, or had come before.",
                "Raise the limits in [bounds], or lower study.count.",
            )
        architecture = sample(rng, input_shape, classes, space=space, sampling=sampling)
        shrunk = _shrink(architecture, rng, sampling, limits)
        if shrunk is None:
            continue
        costs, digest = cost(shrunk), sha256(shrunk)
        if digest in seen or not fits(costs):
            continue
        seen.add(digest)
        idle = 0
        yield shrunk, costs


def _shrink(
    architecture: Architecture, rng: Random, sampling: Sampling, limits: tuple[int, int]
) -> Architecture | None:
    """Morph until within the limits; null where a thousand morphs do not get there."""
    size, peak = _paper_sizes(architecture)
    for _ in range(1000):
        if size <= limits[0] and peak <= limits[1]:
            return architecture
        child = random_morphism(architecture, rng, sampling).child
        new_size, new_peak = _paper_sizes(child)
        if new_size < size or new_peak < peak or rng.random() < _ACCEPT_LARGER:
            architecture, size, peak = child, new_size, new_peak
    return None


def _paper_sizes(architecture: Architecture) -> tuple[int, int]:
    costs = cost(architecture, "paper")
    return costs.model_size_bytes, costs.peak_memory_with_input_bytes
