"""Emulated STM32 boards: the firmware's ELF on a Cortex-M4 in software, with a cycle model.

`spawn` starts one in a process of its own; the serial line is a pseudo-terminal or a loopback port.
Numbers from here are a model's, never hardware's: print `MODEL_ERROR_TEXT` where they are shown.
This package knows nothing of the link's messages nor of what the firmware does; only the process
itself imports Unicorn.
"""

from munas.emulator.board import BoardParameters
from munas.emulator.chips import chip_of
from munas.emulator.parameters import (
    FEATURES,
    FLASH_STALLS_UNKNOWN,
    MODEL_ERROR_PERCENT,
    MODEL_ERROR_TEXT,
    CycleParameters,
)
from munas.emulator.process import Counts, EmulatorProcess, spawn

__all__ = [
    "FEATURES",
    "FLASH_STALLS_UNKNOWN",
    "MODEL_ERROR_PERCENT",
    "MODEL_ERROR_TEXT",
    "BoardParameters",
    "Counts",
    "CycleParameters",
    "EmulatorProcess",
    "chip_of",
    "spawn",
]
