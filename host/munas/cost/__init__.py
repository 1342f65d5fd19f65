"""The cost model: operator graph, MACs, model size and peak memory. Pure Python."""

from munas.cost.build import Mode, build_graph
from munas.cost.graph import Graph, Operator, Tensor
from munas.cost.model import Cost, cost
from munas.cost.peak import Schedule, best_schedule, peak_of_order

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
]
