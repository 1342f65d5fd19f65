"""The costs of an architecture, as the command line and the search use them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from munas.arch import Architecture
from munas.cost.build import Mode, build_graph
from munas.cost.graph import Graph
from munas.cost.peak import best_schedule


@dataclass(frozen=True)
class Cost:
    """Exact costs of one architecture; bytes and MACs are integers.

    `graph` holds the operators in an order that attains `peak_memory_with_input_bytes`.
    """

    peak_memory_bytes: int
    peak_memory_with_input_bytes: int
    model_size_bytes: int
    macs: int
    graph: Graph

    def as_dict(self) -> dict[str, Any]:
        """The JSON shape of `munas cost`."""
        operators = [
            {
                "name": operator.name,
                "macs": operator.macs,
                "weight_bytes": operator.weight_bytes,
                "output_bytes": sum(self.graph.tensors[t].bytes for t in operator.outputs),
            }
            for operator in self.graph.operators
        ]
        return {
            "peak_memory_bytes": self.peak_memory_bytes,
            "peak_memory_with_input_bytes": self.peak_memory_with_input_bytes,
            "model_size_bytes": self.model_size_bytes,
            "macs": self.macs,
            "operators": operators,
        }


def cost(architecture: Architecture, mode: Mode = "deployed") -> Cost:
    """Peak memory (exact minimum over all orders), model size and MACs of `architecture`.

    `deployed` equals the .tflite that munas emits; `paper` counts as the authors' code does.
    """
    graph = build_graph(architecture, mode)
    without_input = best_schedule(graph, with_inputs=False).peak_bytes
    schedule = best_schedule(graph, at_least_bytes=without_input)
    return Cost(
        peak_memory_bytes=without_input,
        peak_memory_with_input_bytes=schedule.peak_bytes,
        model_size_bytes=graph.weight_bytes,
        macs=graph.macs,
        graph=graph.reordered(schedule.order),
    )
