"""The cost screen: how far an architecture is outside the bounds that are known without training.

Every figure here is exact or a proven lower bound of what will be measured, so nothing that could
be within bounds is turned away.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from munas.arch import Architecture
from munas.cost import Cost, Graph, cost, unavoidable_peak

# 1 - accuracy is a difference of floats: a model that is exactly at its error bound is within it.
TOLERANCE = 1e-12

Screen = Callable[[Architecture], float]
# Further quantities that follow from the costs (such as a latency from MACs), by the bound's name.
Derived = Callable[[Cost], Mapping[str, float]]


def screened_values(costs: Cost) -> dict[str, float]:
    """Quantities by the names of the bounds.

    A .tflite file is larger than its weights, so the model's size is a lower bound of the flash
    that it takes.
    """
    return {
        "macs": costs.macs,
        "peak_memory_bytes": costs.peak_memory_bytes,
        "model_size_bytes": costs.model_size_bytes,
        "flash_bytes": costs.model_size_bytes,
    }


def light_values(graph: Graph) -> dict[str, float]:
    """Those of `screened_values`, none above, without the search of the best order."""
    return {
        "macs": graph.macs,
        "peak_memory_bytes": unavoidable_peak(graph, with_inputs=False),
        "model_size_bytes": graph.weight_bytes,
        "flash_bytes": graph.weight_bytes,
    }


def excess(values: Mapping[str, float], bounds: Mapping[str, float]) -> float:
    """Sum of relative excesses over the bounds, 0 within all of them.

    A quantity that is not known does not count.
    """
    return sum(
        max(0.0, values[name] / bound - 1.0 - TOLERANCE)
        for name, bound in bounds.items()
        if name in values
    )


def cost_screen(bounds: Mapping[str, float], derived: Derived | None = None) -> Screen:
    """A function that gives the sum of relative excesses over `bounds`, 0 when within."""

    def violation(architecture: Architecture) -> float:
        costs = cost(architecture)
        values = screened_values(costs) | dict(derived(costs) if derived else {})
        return excess(values, bounds)

    return violation
