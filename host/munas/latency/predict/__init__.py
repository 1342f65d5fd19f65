"""The calibrated predictor: latencies from a network's operators, as precise as one board's timing.

docs/predictor.md says how it is fitted and how true it is. Importing the package takes scipy.stats
along, which is slow: import it where it is used.
"""

from munas.latency.predict.build import build_predictor
from munas.latency.predict.examples import (
    Conditions,
    Example,
    Examples,
    UnusableError,
    example_of,
    examples_of,
)
from munas.latency.predict.files import PredictorError, find, keep, load, predictor_file
from munas.latency.predict.knowledge import CONFIDENCE
from munas.latency.predict.predictor import Accuracy, Prediction, Predictor
from munas.latency.predict.provider import PredictedProvider, provenance
from munas.latency.predict.sparing import SparingProvider

__all__ = [
    "CONFIDENCE",
    "Accuracy",
    "Conditions",
    "Example",
    "Examples",
    "PredictedProvider",
    "Prediction",
    "Predictor",
    "PredictorError",
    "SparingProvider",
    "UnusableError",
    "build_predictor",
    "example_of",
    "examples_of",
    "find",
    "keep",
    "load",
    "predictor_file",
    "provenance",
]
