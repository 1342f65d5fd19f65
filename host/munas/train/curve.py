"""Learning curves: whether a training can still reach an accuracy.

Validation accuracy over epochs is taken to follow a power law that levels off, a - b·t^-c, as
learning curves do (Domhan et al., IJCAI 2015). Of several exponents c each gives a least-squares
fit, and the most hopeful of them counts, with a margin: ending a training that would have made it
costs more than a few epochs of one that will not.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_EXPONENTS = (0.25, 0.5, 1.0, 2.0)
# Epochs before anything is said: two parameters are fitted, and the first epoch is the warm-up's.
FEWEST = 4
# Added to the most hopeful fit, besides twice its residual deviation.
MARGIN = 0.01


def hopeless(accuracies: Sequence[float], epochs_left: int, wanted: float) -> bool:
    """Whether a training with these validation accuracies, one an epoch, will stay below `wanted`.

    False while there is too little to judge by, and where nothing is left to save.
    """
    if len(accuracies) < FEWEST or epochs_left < 1 or max(accuracies) >= wanted:
        return False
    return best_hope(accuracies, epochs_left) < wanted


def best_hope(accuracies: Sequence[float], epochs_left: int) -> float:
    """The accuracy after `epochs_left` more epochs by the most hopeful fit, with its margin."""
    seen = np.asarray(accuracies, float)
    epochs = np.arange(1, len(seen) + 1, dtype=float)
    end = len(seen) + epochs_left
    hopes = []
    for exponent in _EXPONENTS:
        basis = np.stack([np.ones_like(epochs), -(epochs**-exponent)], axis=1)
        (level, drop), *_ = np.linalg.lstsq(basis, seen, rcond=None)
        spread = float(np.std(seen - basis @ np.array([level, drop]), ddof=2))
        hopes.append(float(level - drop * end**-exponent) + 2 * spread)
    return min(1.0, max(*hopes, float(seen.max())) + MARGIN)
