"""Schemas and readers of the files that people write."""

from munas.experiment.load import (
    find_experiment,
    load_experiment,
    load_study,
    parse_experiment,
    parse_study,
)
from munas.experiment.schema import (
    Augment,
    Bounds,
    Experiment,
    Optimizer,
    StudyExperiment,
    Train,
)

__all__ = [
    "Augment",
    "Bounds",
    "Experiment",
    "Optimizer",
    "StudyExperiment",
    "Train",
    "find_experiment",
    "load_experiment",
    "load_study",
    "parse_experiment",
    "parse_study",
]
