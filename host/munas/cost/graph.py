"""The operator graph: what a model executes, tensor by tensor, and what each operator costs.

A graph is built from an architecture (`munas.cost.build`) or read from a .tflite file
(`munas.deploy`); both meet here, so that what is predicted can be held against what is emitted.
Pure Python.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True)
class Tensor:
    """An activation tensor. `shape` leaves the batch out; one byte an element (int8)."""

    shape: tuple[int, ...]
    bytes: int


@dataclass(frozen=True)
class Operator:
    """One operator: activation inputs and outputs by tensor index, and its costs.

    `weight_bytes` counts weights and biases as stored. `accumulates` allows the output to take the
    place of an input of the same shape that nobody needs any more (the paper's addition). `window`
    is the size of kernel or pool, or the rows and columns that a pad adds; it and `stride` are
    given in graphs that are built from an architecture.
    """

    name: str
    kind: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    macs: int = 0
    weight_bytes: int = 0
    accumulates: bool = False
    window: tuple[int, int] = (1, 1)
    stride: int = 1


@dataclass(frozen=True)
class Graph:
    """Tensors, operators in an executable order, and which tensors go in and come out."""

    tensors: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]

    @cached_property
    def consumers(self) -> tuple[tuple[int, ...], ...]:
        """For each tensor, the operators that read it (each once)."""
        readers: list[list[int]] = [[] for _ in self.tensors]
        for index, operator in enumerate(self.operators):
            for tensor in dict.fromkeys(operator.inputs):
                readers[tensor].append(index)
        return tuple(map(tuple, readers))

    @cached_property
    def producer(self) -> tuple[int | None, ...]:
        """For each tensor, the operator that writes it; null for inputs of the graph."""
        writer: list[int | None] = [None] * len(self.tensors)
        for index, operator in enumerate(self.operators):
            for tensor in operator.outputs:
                writer[tensor] = index
        return tuple(writer)

    def can_hold(self, tensor: int, operator: int) -> bool:
        """Whether the output of an accumulating operator fits in the place of one of its inputs.

        Inputs and outputs of the graph are never overwritten.
        """
        output = self.operators[operator].outputs[0]
        same = self.tensors[tensor].shape == self.tensors[output].shape
        return same and tensor not in self.inputs and tensor not in self.outputs

    @property
    def macs(self) -> int:
        return sum(operator.macs for operator in self.operators)

    @property
    def weight_bytes(self) -> int:
        return sum(operator.weight_bytes for operator in self.operators)

    def reordered(self, order: tuple[int, ...]) -> Graph:
        """The same graph with its operators in `order`."""
        operators = tuple(self.operators[index] for index in order)
        return Graph(self.tensors, operators, self.inputs, self.outputs)
