"""The latency module: sources, the policy that chooses one, and measuring."""

from munas.latency.policy import Choice, Requested, Surroundings, choose
from munas.latency.provider import (
    LatencyProvider,
    MacModel,
    MacProvider,
    Reading,
    estimate_beside,
)

__all__ = [
    "Choice",
    "LatencyProvider",
    "MacModel",
    "MacProvider",
    "Reading",
    "Requested",
    "Surroundings",
    "choose",
    "estimate_beside",
]
