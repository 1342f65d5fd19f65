"""Turns counted blocks into cycles: decodes each block when it is first priced, never before.

A block costs the features of its instructions, the first one as if entered by a branch. An entry by
a taken branch adds the correction for an unaligned target, an entry by falling through adds the
context of the block before; a taken exit adds the refill. All of it is linear in the parameters.
Knows nothing of Unicorn: it reads code through a callable and counts through `Counters`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from munas.emulator.counting import COUNT, SIZE, START, TAKEN_IN, TAKEN_OUT, Counters
from munas.emulator.instructions import Instruction, context, decode, size_of
from munas.emulator.parameters import FEATURES, MILLI, CycleParameters

_WIDTH = len(FEATURES)
_UNALIGNED_TARGET = FEATURES.index("unaligned_target")
_EXIT = {
    "direct": FEATURES.index("branch_direct"),
    "indirect": FEATURES.index("branch_indirect"),
}

Vector = NDArray[np.int64]


@dataclass(frozen=True)
class Block:
    """A decoded block: its instructions and, per instruction, what they cost before it."""

    start: int
    instructions: tuple[Instruction, ...]

    def until(self, address: int) -> tuple[Vector, int]:
        """Features and number of the instructions from `address` on: the tail not yet run."""
        features, count, at = np.zeros(_WIDTH, np.int64), 0, self.start
        before: Instruction | None = None
        for this in self.instructions:
            if at >= address:
                _add(features, this, before)
                count += 1
            at, before = at + this.size, this
        return features, count

    def placed(self) -> Iterator[tuple[int, Instruction]]:
        """Addresses and instructions."""
        at = self.start
        for this in self.instructions:
            yield at, this
            at += this.size


def _add(features: Vector, this: Instruction, before: Instruction | None) -> None:
    for index, count in this.features:
        features[index] += count
    if before is not None:
        for index in context(before, this):
            features[index] += 1


class Pricing:
    """Feature totals and cycles of everything counted so far.

    `read_code(address, size)` gives the bytes that stand there now. The feature tables have one row
    a block: run (whenever it runs), taken (entered by a branch), fallen (entered from the block
    before), left (left by a branch).
    """

    def __init__(
        self,
        counters: Counters,
        read_code: Callable[[int, int], bytes],
        parameters: CycleParameters,
    ) -> None:
        self._counters = counters
        self._read_code = read_code
        self._weights = np.array(parameters.weights(), np.int64)
        self._blocks: list[Block] = [Block(0, ())]
        self._tables = np.zeros((4, 1024, _WIDTH), np.int64)
        self._lengths = np.zeros(1024, np.int64)  # instructions of each block
        self._prices = np.zeros((4, 1024), np.int64)  # the tables under the current parameters
        self._fallen_known = np.zeros(1024, bool)
        self._ending: dict[int, int] = {}  # the first block that ends at an address
        self._tails: dict[tuple[int, int], tuple[Vector, int]] = {}
        self._unrun: Counter[tuple[int, int]] = Counter()
        self._unrun_features = np.zeros(_WIDTH, np.int64)
        self._unrun_instructions = 0

    def block(self, number: int) -> Block:
        """The decoded block of this id."""
        self.decode_new()
        return self._blocks[number]

    def decode_new(self) -> None:
        """Decode the blocks that were seen since the last call."""
        records = self._counters.records
        for number in range(len(self._blocks), len(records)):
            self._decode(number, int(records[number, START]), int(records[number, SIZE]))
        self._link(records)

    def code_changes(self, start: int, size: int) -> None:
        """To be called before the code in this range changes."""
        self.decode_new()
        self._ending = {
            end: number
            for end, number in self._ending.items()
            if end <= start or self._blocks[number].start >= start + size
        }

    def continues_at(self, address: int) -> None:
        """What runs next, from `address`, is the straight continuation of the current block."""
        self.decode_new()
        self._ending.setdefault(address, self._counters.current)

    def cycles(self) -> int:
        """Cycles of all that ran, under the parameters given at the start."""
        return self._milli() // MILLI

    def instructions(self) -> int:
        """Instructions that ran (those skipped in an IT block count)."""
        self.decode_new()
        records = self._counters.records
        return int(records[:, COUNT] @ self._lengths[: len(records)]) - self._unrun_instructions

    def features(self) -> dict[str, int]:
        """How often each feature occurred: what can be priced again."""
        self.decode_new()
        total = self._feature_vector()
        return {name: int(total[i]) for i, name in enumerate(FEATURES)}

    def repriced(self, parameters: CycleParameters) -> int:
        """Cycles of all that ran, under other parameters: the same sum."""
        self.decode_new()
        return int(self._feature_vector() @ np.array(parameters.weights(), np.int64)) // MILLI

    def by_block(self) -> tuple[Vector, Vector, Vector, Vector]:
        """Start address, executions, instructions and 1/1000 cycles of each block that ran."""
        self.decode_new()
        records = self._counters.records
        milli = np.zeros(len(records), np.int64)
        for counts, prices in zip(_executions(records), self._prices, strict=True):
            milli += counts * prices[: len(records)]
        instructions = records[:, COUNT] * self._lengths[: len(records)]
        for (number, address), times in self._unrun.items():
            features, count = self._tail(number, address)
            milli[number] -= times * int(features @ self._weights)
            instructions[number] -= times * count
        ran = np.flatnonzero(records[:, COUNT])
        return records[ran, START].copy(), records[ran, COUNT].copy(), instructions[ran], milli[ran]

    def not_run(self, address: int) -> None:
        """The current block was left at `address` by a fault: what stands there did not run.

        Its successors, if any, are counted as a block of their own when they run.
        """
        number = self._counters.current
        features, count = self._tail(number, address)
        self._unrun[number, address] += 1
        self._unrun_features += features
        self._unrun_instructions += count

    def milli_before(self, address: int | None) -> int:
        """1/1000 cycles when the current block, charged whole on entry, has just reached `address`;
        at its end if None.
        """
        if address is None:
            return self._milli()
        features, _ = self._tail(self._counters.current, address)
        return self._milli() - int(features @ self._weights)

    def _tail(self, number: int, address: int) -> tuple[Vector, int]:
        """Features and number of a block's instructions from `address` on."""
        found = self._tails.get((number, address))
        if found is None:
            block = self.block(number)
            inside = block.start <= address < block.start + sum(i.size for i in block.instructions)
            found = block.until(address) if inside else (np.zeros(_WIDTH, np.int64), 0)
            self._tails[number, address] = found
        return found

    def _milli(self) -> int:
        self.decode_new()
        records = self._counters.records
        total = sum(
            int(np.dot(counts, prices[: len(records)]))
            for counts, prices in zip(_executions(records), self._prices, strict=True)
        )
        return total - int(self._unrun_features @ self._weights)

    def _feature_vector(self) -> Vector:
        records = self._counters.records
        total = -self._unrun_features
        for counts, table in zip(_executions(records), self._tables, strict=True):
            total = total + counts @ table[: len(records)]
        return np.asarray(total, np.int64)

    def _decode(self, number: int, start: int, size: int) -> None:
        self._grow(number)
        code = self._read_code(start, size)
        instructions: list[Instruction] = []
        at = 0
        while at + 2 <= size:
            length = size_of(int.from_bytes(code[at : at + 2], "little"))
            instructions.append(decode(code[at : at + length]))
            at += length
        block = Block(start, tuple(instructions))
        self._blocks.append(block)
        self._lengths[number] = len(instructions)
        self._ending.setdefault(start + size, number)
        run, taken, _, left = self._tables
        run[number], _ = block.until(start)
        if instructions:
            taken[number, _UNALIGNED_TARGET] = int(instructions[0].size == 4 and start & 2 != 0)
            leaves = instructions[-1].leaves
            # A block cut short at a page's end is left straight on, whatever its last instruction.
            if leaves != "never":
                left[number, _EXIT[leaves]] = 1
        self._prices[:, number] = self._tables[:, number] @ self._weights

    def _link(self, records: Vector) -> None:
        """Price the falls through to blocks that were fallen into by now. Whichever block they come
        from, its last instruction is the one that stands before.
        """
        fallen = records[:, COUNT] > records[:, TAKEN_IN]
        for number in np.flatnonzero(fallen & ~self._fallen_known[: len(records)]):
            this = self._blocks[number]
            before = self._blocks[self._ending.get(this.start, 0)]
            if before.instructions and this.instructions:
                for index in context(before.instructions[-1], this.instructions[0]):
                    self._tables[2, number, index] += 1
            self._prices[2, number] = self._tables[2, number] @ self._weights
            self._fallen_known[number] = True

    def _grow(self, number: int) -> None:
        rows = len(self._lengths)
        if number < rows:
            return
        self._tables = np.concatenate([self._tables, np.zeros_like(self._tables)], axis=1)
        self._prices = np.concatenate([self._prices, np.zeros_like(self._prices)], axis=1)
        self._lengths = np.concatenate([self._lengths, np.zeros_like(self._lengths)])
        self._fallen_known = np.concatenate([self._fallen_known, np.zeros(rows, bool)])


def _executions(records: Vector) -> tuple[Vector, Vector, Vector, Vector]:
    """How often each block ran, was entered taken, was fallen into and was left taken."""
    runs, taken, left = records[:, COUNT], records[:, TAKEN_IN], records[:, TAKEN_OUT]
    return runs, taken, runs - taken, left
