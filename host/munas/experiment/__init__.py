"""Schemas and readers of the files that people write."""

from munas.experiment.load import (
    find_experiment,
    find_suite,
    load_experiment,
    load_study,
    load_suite,
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
from munas.experiment.suite import Suite, SuiteModel, model_path

__all__ = [
    "Augment",
    "Bounds",
    "Experiment",
    "Optimizer",
    "StudyExperiment",
    "Suite",
    "SuiteModel",
    "Train",
    "find_experiment",
    "find_suite",
    "load_experiment",
    "load_study",
    "load_suite",
    "model_path",
    "parse_experiment",
    "parse_study",
]
