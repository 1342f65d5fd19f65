"""The parameters of the cycle model: what each feature of an instruction costs, per chip.

cycles = Σ feature counts × parameters, so a saved run can be priced again under another set. A set
comes from the chip's defaults here, overlaid with the board file's `custom_munas_cycles`, a JSON
object of the shape

    {"load_alone": 1.81, "branch_direct": 1.36, "origin": "where the numbers come from"}

in which every key is optional. Knows nothing of instructions, Unicorn or the emulated machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from munas.errors import BadInputError

MILLI = 1000
"""Prices are kept as integers of 1/1000 cycle, so that sums are exact and repeatable."""

_TRM = "Arm Cortex-M4 Technical Reference Manual r0p1, table 3-1 (document 100166)"


@dataclass(frozen=True)
class CycleParameters:
    """What each feature costs, in cycles; the order of the fields is the order of the features.

    `base` is the price of one base cycle and stays 1. The base cycles of an instruction are 1, plus
    one for each register of LDM, STM, PUSH and POP.
    """

    base: float = 1.0
    branch_direct: float = 1.0
    """Refill of the pipeline after a taken B, BL, CBZ or CBNZ."""
    branch_indirect: float = 2.0
    """Refill after a taken BX, BLX, POP {pc}, LDR pc, TBB, TBH or MOV pc."""
    unaligned_target: float = 1.0
    """A branch to a 32-bit instruction that does not lie on a word."""
    load_alone: float = 1.0
    """A load that is not followed by an independent load or store: its second cycle shows."""
    store_after_load: float = 0.0
    load_after_store: float = 0.0
    it: float = 0.0
    """An IT instruction (folded into its neighbour)."""
    divide: float = 6.0
    """SDIV, UDIV: 2 to 12 cycles, by their operands."""
    fp_divide: float = 14.0
    """VDIV, VSQRT."""
    fp_multiply_add: float = 3.0
    fp_result_at_once: float = 1.0
    """A floating-point result used by the next instruction."""
    double_transfer: float = 3.0
    """LDRD, STRD."""
    table_branch: float = 3.0
    """TBB, TBH without their refill."""
    special_register: float = 2.0
    """MRS, MSR."""
    origin: str = _TRM

    def weights(self) -> list[int]:
        """The prices in 1/1000 cycle, in the order of `FEATURES`."""
        return [round(getattr(self, name) * MILLI) for name in FEATURES]

    def as_json(self) -> dict[str, Any]:
        """The JSON object that `from_json` takes."""
        return asdict(self)

    def overlaid(self, values: Mapping[str, Any]) -> CycleParameters:
        """These parameters with the keys of the JSON object `values` put over them.

        Raises BadInputError on an unknown key and on a value that is not a number from 0 to 1000.
        """
        known = {field.name for field in fields(self)}
        unknown = sorted(set(values) - known)
        if unknown:
            raise BadInputError(
                f"The cycle model has no parameter called {', '.join(unknown)}.",
                f"It has: {', '.join(sorted(known))}.",
            )
        for name, value in values.items():
            if name != "origin" and not _is_price(value):
                raise BadInputError(
                    f"The cycle model's parameter {name} is {value!r}, not a number of cycles.",
                    "Give a number from 0 to 1000.",
                )
        if "base" in values and values["base"] != 1:
            raise BadInputError("The cycle model's parameter base is one cycle and stays 1.")
        given: dict[str, Any] = {
            name: v if name == "origin" else float(v) for name, v in values.items()
        }
        if given and "origin" not in given:
            given["origin"] = f"the board file, over: {self.origin}"
        return replace(self, **given)


def _is_price(value: object) -> bool:
    return (
        isinstance(value, int | float) and not isinstance(value, bool) and 0 <= float(value) <= 1000
    )


FEATURES: tuple[str, ...] = tuple(f.name for f in fields(CycleParameters) if f.name != "origin")
"""The names of the features; a feature's index is its place in a feature vector."""

STM32L4R5 = CycleParameters(
    load_alone=1.81,
    store_after_load=1.16,
    load_after_store=1.88,
    branch_direct=1.36,
    origin=f"{_TRM}; four parameters fitted on pqm4's published cycle counts of a NUCLEO-L4R5ZI at "
    "20 MHz without wait states (98 operations, half of the families held out: mean error 2.3 %)",
)

STM32F405 = CycleParameters(
    load_alone=1.11,
    store_after_load=0.82,
    load_after_store=0.70,
    origin=f"{_TRM}; three parameters fitted on pqm4's published cycle counts of an STM32F407, the "
    "same core and memories (39 operations, in-sample: mean error 1.5 %)",
)

MODEL_ERROR_PERCENT = {"STM32L4R5": 10.0, "STM32F405": None}
"""The known error of the cycle model on networks, in percent; None where it was not checked."""

MODEL_ERROR_TEXT = {
    "STM32L4R5": "cycle-approximate: about ±10 % on networks, 20 % worst seen, on STM32L4R5 "
    "(24 published points of six submissions; flash wait states not included)",
    "STM32F405": "cycle-approximate: not checked with networks on STM32F4 (about ±10 %, 20 % worst "
    "seen, with the STM32L4R5's parameters on that chip; flash wait states not included)",
}
"""What is to be printed where the emulator's numbers are."""

FLASH_STALLS_UNKNOWN = (
    "stalls of the flash's wait states depend on the order of its reads, which can only be seen "
    "with memory hooks, and those corrupt the emulated execution"
)
"""Why `flash_stall_cycles` is null on an emulated board."""
