"""Counts what the emulated core runs: a native hook that Unicorn calls at the head of each block.

The hook knows addresses and counts, no instruction and no price. It gives every (start, size) a
record on first sight and counts its executions, its entries by a taken branch and its exits by one.
It also stops the core, before a block runs, when asked or after a given number of blocks.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from munas.emulator.native import NativeFunction, Signature

# Header words of the shared array.
PREVIOUS_ID, PREVIOUS_END, BLOCKS, CAPACITY, EXECUTED, LIMIT = range(6)
# Per window of addresses, where the slot of its address 0 would lie. One region of code a window.
_WINDOW_SHIFT = 27
_WINDOWS = 1 << (32 - _WINDOW_SHIFT)
_SLOTS_AT = 8
_RECORDS = _SLOTS_AT + _WINDOWS
# Words of a block's record. Record 0 stands for "no block".
START, SIZE, COUNT, TAKEN_IN, TAKEN_OUT, NEXT = range(6)
_RECORD = 8

_SHIFT_CAPACITY = 17
_LONGEST_BLOCK = 4096  # bytes; Unicorn ends a block at the end of a page at the latest


@dataclass(frozen=True)
class CodeRegion:
    """Addresses from which code may run."""

    base: int
    size: int


class Counters:
    """The shared array, and what the rest of the emulator reads from it."""

    def __init__(self, regions: list[CodeRegion]) -> None:
        capacity = 1 << _SHIFT_CAPACITY
        slots = _RECORDS + _RECORD * capacity
        length = slots + sum(region.size // 2 for region in regions)
        self._words: NDArray[np.int64] = np.zeros(length, np.int64)  # untouched pages cost nothing
        self._words[CAPACITY] = capacity
        self._regions: list[tuple[int, int, int]] = []
        windows = set()
        for region in regions:
            window = region.base >> _WINDOW_SHIFT
            if window in windows or (region.base + region.size - 1) >> _WINDOW_SHIFT != window:
                raise ValueError(f"{region} is not alone in one window")
            windows.add(window)
            self._words[_SLOTS_AT + window] = slots - region.base // 2
            self._regions.append((region.base, region.size, slots))
            slots += region.size // 2
        records = self._words[_RECORDS : _RECORDS + _RECORD * capacity]
        self._records = records.reshape(capacity, _RECORD)
        self._words[BLOCKS] = 1
        self.forget_previous()

    @property
    def address(self) -> int:
        """Where the array lies, for the hook."""
        return int(self._words.ctypes.data)

    @property
    def records(self) -> NDArray[np.int64]:
        """The records of all blocks seen, [blocks, words of a record]; a view."""
        return self._records[: int(self._words[BLOCKS])]

    @property
    def full(self) -> bool:
        """Whether the table of blocks overflowed: counts are incomplete from then on."""
        return bool(self._words[BLOCKS] >= self._words[CAPACITY])

    @property
    def executed(self) -> int:
        """Blocks executed since the start."""
        return int(self._words[EXECUTED])

    @property
    def current(self) -> int:
        """Id of the block that runs now (or ran last)."""
        return int(self._words[PREVIOUS_ID])

    def allow(self, blocks: int) -> None:
        """Let the core run this many more blocks; clears a request to stop."""
        self._words[LIMIT] = self._words[EXECUTED] + blocks

    def request_stop(self) -> None:
        """Stop before the next block."""
        self._words[LIMIT] = 0

    @property
    def stopped(self) -> bool:
        """Whether the hook has stopped the core, or is about to."""
        return bool(self._words[EXECUTED] >= self._words[LIMIT])

    def forget_previous(self) -> None:
        """The next block is entered as after a reset: from nowhere."""
        self._words[PREVIOUS_ID] = 0
        self._words[PREVIOUS_END] = -1

    def continue_at(self, address: int) -> None:
        """The next block is the straight continuation of the current one, from `address`."""
        self._words[PREVIOUS_END] = address

    def has_code(self, start: int, size: int) -> bool:
        """Whether a block that ran may overlap this range."""
        return any(part.any() for part in self._slots(start - _LONGEST_BLOCK, start + size))

    def forget_code(self, start: int, size: int) -> None:
        """The code in this range changed: its blocks get new records from now on."""
        for part in self._slots(start - _LONGEST_BLOCK, start + size):
            part[:] = 0

    def _slots(self, start: int, end: int) -> Iterator[NDArray[np.int64]]:
        for base, length, offset in self._regions:
            low, high = max(start, base), min(end, base + length)
            if low < high:
                yield self._words[offset + (low - base) // 2 : offset + (high - base + 1) // 2]

    def save(self) -> NDArray[np.int64]:
        """A copy of everything that time is made of, for `restore`."""
        return self._words[: _RECORDS + _RECORD * int(self._words[BLOCKS])].copy()

    def restore(self, saved: NDArray[np.int64]) -> None:
        """Take back all counts since `saved`; records made since then stay, with zero counts."""
        kept = self._words[[BLOCKS, EXECUTED, LIMIT]].copy()
        blocks = int(self._words[BLOCKS])
        self._records[:blocks, COUNT : TAKEN_OUT + 1] = 0
        self._words[: len(saved)] = saved
        self._words[[BLOCKS, EXECUTED, LIMIT]] = kept


def _count_block(unicorn: Any, address: Any, size: Any, shared: Any) -> None:
    """The hook, in the subset of Python that Numba compiles. It runs at every block, so it is as
    short as can be: all is unsigned, because signed indices are checked for wrap-around.
    """
    words = carray(shared, (1 << 40,), np.uint64)  # type: ignore[name-defined]  # noqa: F821
    u = np.uint64
    executed = words[u(EXECUTED)]
    if executed >= words[u(LIMIT)]:
        uc_emu_stop(unicorn)  # type: ignore[name-defined]  # noqa: F821
        return
    words[u(EXECUTED)] = executed + u(1)
    start, length = u(address), u(size)
    block = words[words[u(_SLOTS_AT) + (start >> u(_WINDOW_SHIFT))] + (start >> u(1))]
    if words[u(_RECORDS + SIZE) + u(_RECORD) * block] != length:
        block = find_block(start, length, shared)  # type: ignore[name-defined]  # noqa: F821
    record = u(_RECORDS) + u(_RECORD) * block
    words[record + u(COUNT)] += u(1)
    if words[u(PREVIOUS_END)] != start:
        words[record + u(TAKEN_IN)] += u(1)
        words[u(_RECORDS + TAKEN_OUT) + u(_RECORD) * words[u(PREVIOUS_ID)]] += u(1)
    words[u(PREVIOUS_ID)] = block
    words[u(PREVIOUS_END)] = start + length


def _find_block(start: Any, length: Any, shared: Any) -> Any:
    """The id of a block that is seen first, or that is not the last one made at its address: those
    are a list. 0 when there is no room.
    """
    words = carray(shared, (1 << 40,), np.uint64)  # type: ignore[name-defined]  # noqa: F821
    u = np.uint64
    slot = words[u(_SLOTS_AT) + (start >> u(_WINDOW_SHIFT))] + (start >> u(1))
    block = words[slot]
    while block != u(0) and words[u(_RECORDS + SIZE) + u(_RECORD) * block] != length:
        block = words[u(_RECORDS + NEXT) + u(_RECORD) * block]
    if block == u(0) and words[u(BLOCKS)] < words[u(CAPACITY)]:
        block = words[u(BLOCKS)]
        words[u(BLOCKS)] = block + u(1)
        words[u(_RECORDS + START) + u(_RECORD) * block] = start
        words[u(_RECORDS + SIZE) + u(_RECORD) * block] = length
        words[u(_RECORDS + NEXT) + u(_RECORD) * block] = words[slot]
        words[slot] = block
    return block


_FIND_BLOCK = Signature("uint64", ("uint64", "uint64", "voidptr"))
FIND_BLOCK = NativeFunction(_find_block, _FIND_BLOCK, {})
BLOCK_HOOK = NativeFunction(
    _count_block,
    Signature("void", ("voidptr", "uint64", "uint32", "voidptr")),
    {"uc_emu_stop": Signature("int32", ("voidptr",)), "find_block": _FIND_BLOCK},
)
"""void (uc_engine*, uint64 address, uint32 size, int64* array), Unicorn's block hook."""


def attach(unicorn_library: Any, engine: Any, hook: int, counters: Counters) -> None:
    """Give the hook to a Unicorn engine (`uc_hook_add` through ctypes, all addresses)."""
    handle = ctypes.c_size_t()
    block_hook_type = 1 << 3  # UC_HOOK_BLOCK
    status = unicorn_library.uc_hook_add(
        engine,
        ctypes.byref(handle),
        ctypes.c_int(block_hook_type),
        ctypes.c_void_p(hook),
        ctypes.c_void_p(counters.address),
        ctypes.c_uint64(1),
        ctypes.c_uint64(0),
    )
    if status:
        raise RuntimeError(f"uc_hook_add failed with {status}")
