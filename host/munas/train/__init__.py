"""Data sets and the training of one candidate: the only part of munas that trains.

Importing this costs no TensorFlow; `train` and `configure_determinism` load it.
"""

from munas.train.augment import augmented
from munas.train.datasets import REGISTRY, Dataset, DataUnavailableError, Split, load
from munas.train.determinism import configure_determinism
from munas.train.steps import evaluate
from munas.train.trainer import (
    DivergedError,
    EpochMetrics,
    TrainedModel,
    TrainTime,
    train,
)

__all__ = [
    "REGISTRY",
    "DataUnavailableError",
    "Dataset",
    "DivergedError",
    "EpochMetrics",
    "Split",
    "TrainTime",
    "TrainedModel",
    "augmented",
    "configure_determinism",
    "evaluate",
    "load",
    "train",
]
