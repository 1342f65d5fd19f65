"""Data sets: where they are found, how they are read, how they are split."""

from munas.train.datasets.dataset import (
    Dataset,
    DataUnavailableError,
    Normalisation,
    Split,
)
from munas.train.datasets.load import REGISTRY, load

__all__ = ["REGISTRY", "DataUnavailableError", "Dataset", "Normalisation", "Split", "load"]
