"""Where the cycles went: blocks summed up by the function they lie in."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from munas.emulator.firmware_image import functions
from munas.emulator.parameters import MILLI
from munas.emulator.pricing import Pricing


@dataclass(frozen=True)
class FunctionCost:
    """One function's own share (without what it calls)."""

    name: str
    cycles: int
    instructions: int


def profile(pricing: Pricing, elf: Path) -> list[FunctionCost]:
    """The functions of `elf` that ran, most cycles first."""
    table = functions(elf)
    starts = [address for address, _ in table]
    milli: dict[str, int] = defaultdict(int)
    instructions: dict[str, int] = defaultdict(int)
    blocks, _, counts, costs = pricing.by_block()
    for start, count, cost in zip(blocks, counts, costs, strict=True):
        at = bisect_right(starts, int(start)) - 1
        name = table[at][1] if at >= 0 else "?"
        milli[name] += int(cost)
        instructions[name] += int(count)
    costs_of = [FunctionCost(n, milli[n] // MILLI, instructions[n]) for n in milli]
    return sorted(costs_of, key=lambda f: (-f.cycles, f.name))
