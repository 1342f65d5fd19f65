"""The smallest change of cycles that counts: the suite's, the unit's noise floor, or a default.

Must not know how anything is measured.
"""

from __future__ import annotations

from munas.experiment import Suite
from munas.regress.judge import DEFAULT_EFFECT, Effect
from munas.regress.noise import known_noise
from munas.regress.record import Record


def effect_of(suite: Suite) -> Effect:
    """By record; 0 on a board that repeats to the cycle."""
    given = suite.tolerance.cycles_percent

    def effect(found: Record) -> float:
        if given is not None:
            return given / 100
        if found.deterministic:
            return 0.0
        noise = known_noise(found.case.board, found.unit, found.case.engine)
        floor = None if noise is None else noise.noise_floor_percent
        return DEFAULT_EFFECT if floor is None else floor / 100

    return effect
