"""Turns a second of sound into the picture that a keyword network sees: cepstral coefficients.

The same steps as tf.signal's documentation and MLPerf Tiny's keyword benchmark take; docs/data.md
lists them for whoever writes a device's front end. Which sounds, is not known here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from munas.deploy.quiet import silence_tensorflow

RATE = 16_000
# Samples of a clip: one second.
CLIP = RATE
MEL_BINS = 40
LOWEST_HERTZ = 20.0
HIGHEST_HERTZ = 4000.0
# Keeps the logarithm of silence finite.
FLOOR = 1e-6

# One range for all coefficients: uint8 q stands for q / STEPS_PER_UNIT - OFFSET (-128 to 31.375).
STEPS_PER_UNIT = 1.6
OFFSET = 128.0

# Clips at once: fixed, since sums may depend on it in the last bit.
BATCH = 256


@dataclass(frozen=True)
class FrontEnd:
    """Window and stride in samples, and how many coefficients are kept."""

    window: int
    stride: int
    coefficients: int

    @property
    def frames(self) -> int:
        return (CLIP - self.window) // self.stride + 1


def features(clips: npt.NDArray[np.int16], front_end: FrontEnd) -> npt.NDArray[np.uint8]:
    """uint8 [n, frames, coefficients, 1] of clips int16 [n, CLIP], n at most BATCH."""
    silence_tensorflow()
    import tensorflow as tf

    sound = tf.constant(clips, tf.float32) / 32768.0
    # The window is Hann's (periodic); the transform's length the next power of two.
    spectrum = tf.abs(tf.signal.stft(sound, front_end.window, front_end.stride))
    bank = tf.signal.linear_to_mel_weight_matrix(
        MEL_BINS, spectrum.shape[-1], RATE, LOWEST_HERTZ, HIGHEST_HERTZ
    )
    logs = tf.math.log(tf.tensordot(spectrum, bank, 1) + FLOOR)
    kept = tf.signal.mfccs_from_log_mel_spectrograms(logs)[..., : front_end.coefficients]
    return stored(kept.numpy())[..., np.newaxis]


def stored(coefficients: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    """Coefficients as the uint8 that stand for them, clipped to the range."""
    steps = np.rint((coefficients + OFFSET) * STEPS_PER_UNIT)
    result: npt.NDArray[np.uint8] = np.clip(steps, 0, 255).astype(np.uint8)
    return result
