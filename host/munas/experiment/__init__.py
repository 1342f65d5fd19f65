"""Schemas and readers of the files that people write."""

from munas.experiment.load import find_experiment, load_experiment, parse_experiment
from munas.experiment.schema import Augment, Bounds, Experiment, Optimizer, Train

__all__ = [
    "Augment",
    "Bounds",
    "Experiment",
    "Optimizer",
    "Train",
    "find_experiment",
    "load_experiment",
    "parse_experiment",
]
