"""A cell as a graph of operations: node 0 is the input, the last node the output, a node sums what enters it."""

from __future__ import annotations

from typing import NamedTuple

NONE, SKIP, CONV1, CONV3, POOL = range(5)
"""The operations that the layers know: nothing, the identity, convolutions of 1×1 and 3×3, average pooling of 3×3."""


class Graph(NamedTuple):
    """Edges with their operations.

    Attributes:
        edges: (from, to), every edge from a lower to a higher node.
        operations: One of the operations above for each edge.

    Example:
        >>> graph = Graph(edges=((0, 1), (0, 2), (1, 2)), operations=(NONE, SKIP, CONV3))
        >>> graph.live().operations == (NONE, SKIP, NONE)  # nothing reaches node 1, so what leaves it is dead
        True
    """

    edges: tuple[tuple[int, int], ...]
    operations: tuple[int, ...]

    @property
    def nodes(self) -> int:
        """How many nodes there are."""
        return 1 + max(target for _, target in self.edges)

    def live(self) -> Graph:
        """The same graph with ``NONE`` wherever the output does not depend on the edge."""
        held = [(edge, o) for edge, o in zip(self.edges, self.operations, strict=True) if o != NONE]
        fed, used = {0}, {self.nodes - 1}
        for (source, target), _ in sorted(held):
            fed |= {target} if source in fed else set()
        for (source, target), _ in sorted(held, reverse=True):
            used |= {source} if target in used else set()
        kept = (
            operation if source in fed and target in used else NONE
            for (source, target), operation in zip(self.edges, self.operations, strict=True)
        )
        return Graph(self.edges, tuple(kept))
