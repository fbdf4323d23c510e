"""The supernet: all cells of a space in one network, for one-shot strategies.

A supernet needs a space whose cells are graphs with an operation chosen on every edge by itself.
The network itself is in `surrogate_nas.training.supernet.supernet`, which imports PyTorch.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.core.errors import UserError
from surrogate_nas.space import Enumerable, Space
from surrogate_nas.space.network import Graph


class EdgeChoices(NamedTuple):
    """The operation of each choice on each edge.

    Attributes:
        edges: (from, to), one for each position of the space.
        operations: For every edge the operation of each choice, as in
            `surrogate_nas.space.network`.
    """

    edges: tuple[tuple[int, int], ...]
    operations: tuple[tuple[int, ...], ...]

    @property
    def shape(self) -> tuple[int, int]:
        """How many edges there are, and choices on each."""
        return len(self.edges), len(self.operations[0])

    def graph(self, choice: int) -> Graph:
        """The graph with the same choice on every edge."""
        return Graph(self.edges, tuple(of_edge[choice] for of_edge in self.operations))


@lru_cache(maxsize=8)
def edge_choices(space: Space) -> EdgeChoices:
    """Read off a space's cells what stands on which edge."""
    refused = UserError(
        f"Cells of the space {space.name} have no operation to choose on every edge of one graph,"
        " which a supernet is made of."
    )
    if not isinstance(space, Enumerable) or not space.is_buildable:
        raise refused
    by_edge: list[dict[int, int]] = [{} for _ in space[0].choices]
    edges = set()
    for cell in space:
        graph = space.graph(cell)
        if graph is None or len(graph.operations) != len(by_edge):
            raise refused
        edges.add(graph.edges)
        for of_edge, choice, operation in zip(
            by_edge, cell.choices, graph.operations, strict=True
        ):
            if of_edge.setdefault(choice, operation) != operation:
                raise refused
    if len(edges) > 1 or len({len(of_edge) for of_edge in by_edge}) > 1:
        raise refused
    operations = (
        tuple(of_edge[choice] for choice in sorted(of_edge)) for of_edge in by_edge
    )
    return EdgeChoices(edges.pop(), tuple(operations))


@lru_cache(maxsize=8)
def live_operations(space: Enumerable) -> NDArray[np.int8]:
    """The operations of every cell that its output depends on, shape ``(len(space), edges)``; 0
    elsewhere.
    """
    graphs = (space.graph(cell, live_only=True) for cell in space)
    return np.array([graph.operations for graph in graphs if graph], dtype=np.int8)
