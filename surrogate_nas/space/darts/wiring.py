"""Cells as numbers: the operation and the source of every edge, of one cell or of many at once."""

from __future__ import annotations

from functools import lru_cache
from itertools import permutations
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.space.darts.genotype import INPUTS

Node: TypeAlias = tuple[tuple[int, int], tuple[int, int]]
"""The two edges of a node, each its source and the index of its operation, the lesser edge first."""
Half: TypeAlias = tuple[Node, ...]
"""A normal or a reduction cell."""


class Wiring(NamedTuple):
    """Many cells at once; the second axis is the normal and the reduction cell, the last one both edges of a node.

    Attributes:
        operations: Indices into the operations of the space, shape ``(n, 2, nodes, 2)``.
        sources: The nodes that they are applied to, likewise.
        joined: Whether a node's channels are part of the cell's output, shape ``(n, 2, nodes)``.
    """

    operations: NDArray[np.int8]
    sources: NDArray[np.int8]
    joined: NDArray[np.bool_]


def loose_ends(sources: NDArray[np.int8]) -> NDArray[np.bool_]:
    """Whether no edge leaves a node, shape ``(n, 2, nodes)``.

    Args:
        sources: As in `Wiring`.
    """
    nodes = np.arange(INPUTS, INPUTS + sources.shape[2])
    left: NDArray[np.bool_] = (sources[:, :, None] == nodes[:, None, None]).any(axis=(3, 4))
    return np.logical_not(left)


@lru_cache(maxsize=1 << 14)
def relabelled(half: Half) -> Half:
    """The least of all cells that differ only in the order of their nodes.

    The order decides in what order channels are joined, which the next cell's weights undo. Equal sums that come about
    in other ways, by skips of skips, are not recognised.

    Args:
        half: A cell.
    """
    return min(_in_order(half, order) for order in permutations(range(len(half))) if _follows(half, order))


def _follows(half: Half, order: tuple[int, ...]) -> bool:
    """Whether every node still comes after its sources."""
    place = {node + INPUTS: i + INPUTS for i, node in enumerate(order)}
    return all(place.get(source, source) < place[node + INPUTS] for node in order for source, _ in half[node])


def _in_order(half: Half, order: tuple[int, ...]) -> Half:
    place = {node + INPUTS: i + INPUTS for i, node in enumerate(order)}
    renamed = (sorted((place.get(source, source), operation) for source, operation in half[node]) for node in order)
    return tuple((first, second) for first, second in renamed)
