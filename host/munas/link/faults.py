"""Turns what a board says about its own failures into faults with a mend.

This module must not know how the words of a board got here.
"""

from __future__ import annotations

from munas.errors import BoardFaultError
from munas.link.messages import Booted, ErrorCode, Fault, FaultKind, ResetCause, name_of

# ARMv7-M Architecture Reference Manual, B3.2.15 (CFSR) and B3.2.16 (HFSR).
_CFSR_WORDS = {
    0: "instruction access violation",
    1: "data access violation",
    3: "memory fault on exception return",
    4: "memory fault on exception entry (stack overflow?)",
    5: "memory fault on lazy floating-point save",
    8: "instruction bus error",
    9: "precise data bus error",
    10: "imprecise data bus error",
    11: "bus fault on exception return",
    12: "bus fault on exception entry (stack overflow?)",
    13: "bus fault on lazy floating-point save",
    16: "undefined instruction",
    17: "invalid state",
    18: "invalid PC on exception return",
    19: "no coprocessor (is the FPU on?)",
    24: "unaligned access",
    25: "division by zero",
}
_HFSR_WORDS = {1: "vector table read", 30: "forced from a lesser fault"}

_MENDS: dict[int, str] = {
    ErrorCode.BAD_VERSION: "The firmware is of another version: rebuild and flash it.",
    ErrorCode.UNKNOWN_TYPE: "The firmware is of another version: rebuild and flash it.",
    ErrorCode.DOES_NOT_FIT: "Use a smaller model, or a board with more memory.",
    ErrorCode.ARENA_TOO_SMALL: "Use a model that needs less memory, or a board with more.",
    ErrorCode.CRC_MISMATCH: "Load the model again; if it stays so the slot's memory is worn out.",
    ErrorCode.FLASH_FAILED: "The flash may be worn out: see its erase count in the statistics.",
    ErrorCode.BAD_MODEL: "Check that the file is a TensorFlow Lite model of int8 operators.",
    ErrorCode.UNSUPPORTED_OPERATOR: "Use only operators that the engine has.",
    ErrorCode.BAD_SLOT: "Choose another placement: the board or its engine has no such slot.",
}


class BoardCrashError(BoardFaultError):
    """The board broke down over the request `during` and restarted; `fault` is what it recorded."""

    def __init__(self, fault: Fault, during: str) -> None:
        self.fault = fault
        self.during = during
        super().__init__(
            f"The board broke down during {during}: {describe(fault)}.",
            "Its state is lost: load and prepare again. If the same model does it again, it is"
            " the model or the firmware.",
        )


class BoardRestartedError(BoardFaultError):
    """The board restarted by itself without recording a fault."""

    def __init__(self, booted: Booted, during: str) -> None:
        self.booted = booted
        super().__init__(
            f"The board restarted by itself during {during}"
            f" (cause: {name_of(ResetCause, booted.reset_cause)}, start number {booted.boots}).",
            "Its state is lost: load and prepare again. If it keeps happening look at its supply.",
        )


class BoardRefusedError(BoardFaultError):
    """The board refused a request and goes on; `code` says why, `detail` is a number with it."""

    def __init__(self, code: int, detail: int, text: str, during: str) -> None:
        self.code = code
        self.detail = detail
        name = name_of(ErrorCode, code)
        super().__init__(
            f"The board refused {during}: {name}: {text or 'no reason given'} ({detail}).",
            _MENDS.get(code, ""),
        )


def describe(fault: Fault) -> str:
    """A fault in words: kind, place, and the reasons that the fault registers name."""
    kind = name_of(FaultKind, fault.kind)
    if fault.kind != FaultKind.HARD_FAULT:
        return kind
    words = [text for bit, text in _CFSR_WORDS.items() if fault.cfsr >> bit & 1]
    words += [text for bit, text in _HFSR_WORDS.items() if fault.hfsr >> bit & 1]
    place = f"PC {fault.pc:#010x}, LR {fault.lr:#010x}, CFSR {fault.cfsr:#010x}"
    # MMFARVALID and BFARVALID.
    if fault.cfsr & (1 << 7 | 1 << 15):
        place += f", address {fault.address:#010x}"
    return f"{kind} at {place}: {', '.join(words) or 'no reason recorded'}"
