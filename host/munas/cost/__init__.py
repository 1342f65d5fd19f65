"""The cost model: operator graph, MACs, model size and peak memory. Pure Python.

The package can be called like its function: `munas.cost(architecture)`.
"""

import sys
from types import ModuleType

from munas.arch import Architecture
from munas.cost.build import Mode, build_graph
from munas.cost.graph import Graph, Operator, Tensor
from munas.cost.model import Cost, cost
from munas.cost.peak import Schedule, best_schedule, peak_of_order, unavoidable_peak

__all__ = [
    "Cost",
    "Graph",
    "Mode",
    "Operator",
    "Schedule",
    "Tensor",
    "best_schedule",
    "build_graph",
    "cost",
    "peak_of_order",
    "unavoidable_peak",
]


class _CallablePackage(ModuleType):
    """The library's front has a function of this package's name; importing either serves both."""

    def __call__(self, architecture: Architecture, mode: Mode = "deployed") -> Cost:
        return cost(architecture, mode)


sys.modules[__name__].__class__ = _CallablePackage
