"""Genotypes: a normal and a reduction cell, read and printed as the DARTS repository prints them.

Liu, Simonyan & Yang, "DARTS: Differentiable Architecture Search", ICLR 2019. Nodes 0 and 1 of a
cell are the outputs of the two cells before it; each further node is the sum of two operations on
earlier nodes. DARTS prints the two edges of a node by the strength that its search gave them, which
changes no network: here the lower source comes first.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from itertools import permutations
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.core.errors import UserError

Edge: TypeAlias = tuple[str, int]
"""An operation and the node that it is applied to."""
CELLS = ("normal", "reduce")
"""The cell that keeps the size, and the one that halves it and doubles the channels."""
INPUTS = 2
"""How many nodes of a cell are inputs: 0 is the output of the cell before the last, 1 that of the
last.
"""
SHAPE = "Genotype(normal=[('OPERATION', SOURCE), …], normal_concat=…, reduce=[…], reduce_concat=…)"

_SPACING = re.compile(r"\s*([\[\](),=])\s*")
_EDGES = r"\[((?:\((?:'\w+'|\"\w+\"), ?\d{1,3}\)(?:, ?)?)*)\]"
_CONCAT = r"(range\(\d{1,3}, ?\d{1,3}\)|\[(?:\d{1,3}(?:, ?|(?=\])))*\])"
_GENOTYPE = re.compile(
    rf"Genotype\(normal={_EDGES}, ?normal_concat={_CONCAT}, ?reduce={_EDGES},"
    rf" ?reduce_concat={_CONCAT},?\)",
    re.ASCII,
)
_EDGE = re.compile(r"['\"](\w+)['\"], ?(\d+)", re.ASCII)
_NUMBER = re.compile(r"\d{1,3}")


class Genotype(NamedTuple):
    """Both cells.

    Attributes:
        normal: Two edges for every node from 2 on, in the order of the nodes.
        normal_concat: The nodes whose channels are the output.
        reduce: As `normal`, of the reduction cell.
        reduce_concat: Likewise.
    """

    normal: tuple[Edge, ...]
    normal_concat: tuple[int, ...]
    reduce: tuple[Edge, ...]
    reduce_concat: tuple[int, ...]

    def part(self, which: int) -> tuple[tuple[Edge, ...], tuple[int, ...]]:
        """The edges and the joined nodes of one cell."""
        return (self.reduce, self.reduce_concat) if which else (self.normal, self.normal_concat)

    def __str__(self) -> str:
        """As the DARTS repository prints it."""
        return (
            f"Genotype(normal=[{_edges(self.normal)}], normal_concat={_concat(self.normal_concat)},"
            f" reduce=[{_edges(self.reduce)}], reduce_concat={_concat(self.reduce_concat)})"
        )


def _edges(edges: Iterable[Edge]) -> str:
    return ", ".join([f"('{operation}', {source})" for operation, source in edges])


def _concat(nodes: tuple[int, ...]) -> str:
    first = nodes[0]
    last = nodes[-1]
    return f"range({first}, {last + 1})" if len(nodes) == last + 1 - first else str(list(nodes))


def read(text: str) -> Genotype | None:
    """Read a printed genotype with any nodes and operations; None where it is not one."""
    text = text.strip()
    match = _GENOTYPE.fullmatch(text) or _GENOTYPE.fullmatch(_SPACING.sub(r"\1", text))
    if match is None:
        return None
    normal, normal_concat, reduce, reduce_concat = match.groups()
    return Genotype(
        _read_edges(normal),
        _read_concat(normal_concat),
        _read_edges(reduce),
        _read_concat(reduce_concat),
    )


def _read_edges(text: str) -> tuple[Edge, ...]:
    return tuple((operation, int(source)) for operation, source in _EDGE.findall(text))


def _read_concat(text: str) -> tuple[int, ...]:
    numbers = [int(number) for number in _NUMBER.findall(text)]
    return tuple(range(*numbers)) if text.startswith("range") else tuple(numbers)


def nodes_of(
    edges: tuple[Edge, ...],
    nodes: int,
    operations: tuple[str, ...],
    cell: str,
) -> list[tuple[Edge, Edge]]:
    """The edges of one cell by node, the lower source first, then the earlier operation."""
    if len(edges) != 2 * nodes:
        raise UserError(
            f"{cell} has {2 * nodes} edges, two for each of its {nodes} nodes, not {len(edges)}."
        )
    pairs: list[tuple[Edge, Edge]] = []
    for node in range(nodes):
        pair = edges[2 * node : 2 * node + 2]
        for operation, source in pair:
            if operation not in operations:
                raise UserError(
                    f"{cell} holds {operation!r:.80}; an edge is one of {', '.join(operations)}."
                )
            if source >= node + INPUTS:
                raise UserError(
                    f"{cell}: node {node + INPUTS} comes after 0 to {node + INPUTS - 1}, not"
                    f" {source}."
                )
        first, second = sorted(pair, key=lambda edge: (edge[1], operations.index(edge[0])))
        pairs.append((first, second))
    return pairs


# Published cells, by the names that their authors' repositories give them, as printed there.
#
# Sources: the files genotypes.py of quark0/darts, yuhuixu1993/PC-DARTS, chenxin061/pdarts and
# xiangning-chen/DrNAS; those of NASNet-A and AmoebaNet-A are DARTS's own transcription.


DARTS_CELLS: Mapping[str, str] = {
    "DARTS_V1": (
        "Genotype(normal=[('sep_conv_3x3', 1), ('sep_conv_3x3', 0), ('skip_connect', 0),"
        " ('sep_conv_3x3', 1), ('skip_connect', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0),"
        " ('skip_connect', 2)], normal_concat=[2, 3, 4, 5], reduce=[('max_pool_3x3', 0),"
        " ('max_pool_3x3', 1), ('skip_connect', 2), ('max_pool_3x3', 0), ('max_pool_3x3', 0),"
        " ('skip_connect', 2), ('skip_connect', 2), ('avg_pool_3x3', 0)], reduce_concat=[2, 3,"
        " 4, 5])"
    ),
    "DARTS_V2": (
        "Genotype(normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0),"
        " ('sep_conv_3x3', 1), ('sep_conv_3x3', 1), ('skip_connect', 0), ('skip_connect', 0),"
        " ('dil_conv_3x3', 2)], normal_concat=[2, 3, 4, 5], reduce=[('max_pool_3x3', 0),"
        " ('max_pool_3x3', 1), ('skip_connect', 2), ('max_pool_3x3', 1), ('max_pool_3x3', 0),"
        " ('skip_connect', 2), ('skip_connect', 2), ('max_pool_3x3', 1)], reduce_concat=[2, 3,"
        " 4, 5])"
    ),
    "PC_DARTS_cifar": (
        "Genotype(normal=[('sep_conv_3x3', 1), ('skip_connect', 0), ('sep_conv_3x3', 0),"
        " ('dil_conv_3x3', 1), ('sep_conv_5x5', 0), ('sep_conv_3x3', 1), ('avg_pool_3x3', 0),"
        " ('dil_conv_3x3', 1)], normal_concat=range(2, 6), reduce=[('sep_conv_5x5', 1),"
        " ('max_pool_3x3', 0), ('sep_conv_5x5', 1), ('sep_conv_5x5', 2), ('sep_conv_3x3', 0),"
        " ('sep_conv_3x3', 3), ('sep_conv_3x3', 1), ('sep_conv_3x3', 2)],"
        " reduce_concat=range(2, 6))"
    ),
    "PC_DARTS_image": (
        "Genotype(normal=[('skip_connect', 1), ('sep_conv_3x3', 0), ('sep_conv_3x3', 0),"
        " ('skip_connect', 1), ('sep_conv_3x3', 1), ('sep_conv_3x3', 3), ('sep_conv_3x3', 1),"
        " ('dil_conv_5x5', 4)], normal_concat=range(2, 6), reduce=[('sep_conv_3x3', 0),"
        " ('skip_connect', 1), ('dil_conv_5x5', 2), ('max_pool_3x3', 1), ('sep_conv_3x3', 2),"
        " ('sep_conv_3x3', 1), ('sep_conv_5x5', 0), ('sep_conv_3x3', 3)],"
        " reduce_concat=range(2, 6))"
    ),
    "PDARTS": (
        "Genotype(normal=[('skip_connect', 0), ('dil_conv_3x3', 1), ('skip_connect', 0),"
        " ('sep_conv_3x3', 1), ('sep_conv_3x3', 1), ('sep_conv_3x3', 3), ('sep_conv_3x3', 0),"
        " ('dil_conv_5x5', 4)], normal_concat=range(2, 6), reduce=[('avg_pool_3x3', 0),"
        " ('sep_conv_5x5', 1), ('sep_conv_3x3', 0), ('dil_conv_5x5', 2), ('max_pool_3x3', 0),"
        " ('dil_conv_3x3', 1), ('dil_conv_3x3', 1), ('dil_conv_5x5', 3)],"
        " reduce_concat=range(2, 6))"
    ),
    "DrNAS_cifar10": (
        "Genotype(normal=[('sep_conv_3x3', 0), ('sep_conv_5x5', 1), ('sep_conv_3x3', 1),"
        " ('sep_conv_3x3', 2), ('skip_connect', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 2),"
        " ('dil_conv_5x5', 3)], normal_concat=range(2, 6), reduce=[('max_pool_3x3', 0),"
        " ('sep_conv_5x5', 1), ('dil_conv_5x5', 2), ('sep_conv_5x5', 1), ('sep_conv_5x5', 1),"
        " ('dil_conv_5x5', 3), ('skip_connect', 4), ('sep_conv_5x5', 1)],"
        " reduce_concat=range(2, 6))"
    ),
    "DrNAS_imagenet": (
        "Genotype(normal=[('sep_conv_3x3', 1), ('sep_conv_3x3', 0), ('sep_conv_3x3', 0),"
        " ('sep_conv_3x3', 1), ('sep_conv_3x3', 0), ('dil_conv_3x3', 3), ('skip_connect', 0),"
        " ('sep_conv_3x3', 1)], normal_concat=range(2, 6), reduce=[('max_pool_3x3', 0),"
        " ('sep_conv_3x3', 1), ('sep_conv_3x3', 0), ('skip_connect', 2), ('sep_conv_3x3', 0),"
        " ('sep_conv_3x3', 2), ('sep_conv_3x3', 3), ('sep_conv_3x3', 1)],"
        " reduce_concat=range(2, 6))"
    ),
}
"""Cells of the space ``darts``."""

NASNET_CELLS: Mapping[str, str] = {
    "NASNet": (
        "Genotype(normal=[('sep_conv_5x5', 1), ('sep_conv_3x3', 0), ('sep_conv_5x5', 0),"
        " ('sep_conv_3x3', 0), ('avg_pool_3x3', 1), ('skip_connect', 0), ('avg_pool_3x3', 0),"
        " ('avg_pool_3x3', 0), ('sep_conv_3x3', 1), ('skip_connect', 1)], normal_concat=[2, 3, 4,"
        " 5, 6], reduce=[('sep_conv_5x5', 1), ('sep_conv_7x7', 0), ('max_pool_3x3', 1),"
        " ('sep_conv_7x7', 0), ('avg_pool_3x3', 1), ('sep_conv_5x5', 0), ('skip_connect', 3),"
        " ('avg_pool_3x3', 2), ('sep_conv_3x3', 2), ('max_pool_3x3', 1)], reduce_concat=[4, 5, 6])"
    ),
    "AmoebaNet": (
        "Genotype(normal=[('avg_pool_3x3', 0), ('max_pool_3x3', 1), ('sep_conv_3x3', 0),"
        " ('sep_conv_5x5', 2), ('sep_conv_3x3', 0), ('avg_pool_3x3', 3), ('sep_conv_3x3', 1),"
        " ('skip_connect', 1), ('skip_connect', 0), ('avg_pool_3x3', 1)], normal_concat=[4, 5, 6],"
        " reduce=[('avg_pool_3x3', 0), ('sep_conv_3x3', 1), ('max_pool_3x3', 0), ('sep_conv_7x7',"
        " 2), ('sep_conv_7x7', 0), ('avg_pool_3x3', 1), ('max_pool_3x3', 0), ('max_pool_3x3', 1),"
        " ('conv_7x1_1x7', 0), ('sep_conv_3x3', 5)], reduce_concat=[3, 4, 6])"
    ),
}
"""Cells of the space ``nasnet``: NASNet-A (Zoph et al., CVPR 2018) and AmoebaNet-A (Real et al.,
AAAI 2019).
"""


Node: TypeAlias = tuple[tuple[int, int], tuple[int, int]]
"""The two edges of a node, each its source and the index of its operation, the lesser edge
first.
"""
Half: TypeAlias = tuple[Node, ...]
"""A normal or a reduction cell."""


class Wiring(NamedTuple):
    """Many cells at once; axes: cell, normal or reduction, …, both edges of a node.

    Attributes:
        operations: Indices into the operations of the space, shape ``(n, 2, nodes, 2)``.
        sources: The nodes that they are applied to, likewise.
        joined: Whether a node's channels are part of the cell's output, shape ``(n, 2, nodes)``.
    """

    operations: NDArray[np.int8]
    sources: NDArray[np.int8]
    joined: NDArray[np.bool_]


def loose_ends(sources: NDArray[np.int8]) -> NDArray[np.bool_]:
    """Whether no edge leaves a node, shape ``(n, 2, nodes)``."""
    nodes = np.arange(INPUTS, INPUTS + sources.shape[2])
    left: NDArray[np.bool_] = (sources[:, :, None] == nodes[:, None, None]).any(axis=(3, 4))
    return np.logical_not(left)


@lru_cache(maxsize=1 << 14)
def relabelled(half: Half) -> Half:
    """The least of all cells that differ only in the order of their nodes.

    The order decides in what order channels are joined, which the next cell's weights undo. Equal
    sums that come about in other ways, by skips of skips, are not recognised.
    """
    return min(
        _in_order(half, order) for order in permutations(range(len(half))) if _follows(half, order)
    )


def _follows(half: Half, order: tuple[int, ...]) -> bool:
    """Whether every node still comes after its sources."""
    place = {node + INPUTS: i + INPUTS for i, node in enumerate(order)}
    return all(
        place.get(source, source) < place[node + INPUTS]
        for node in order
        for source, _ in half[node]
    )


def _in_order(half: Half, order: tuple[int, ...]) -> Half:
    place = {node + INPUTS: i + INPUTS for i, node in enumerate(order)}
    renamed = []
    for node in order:
        edges = [(place.get(source, source), operation) for source, operation in half[node]]
        first, second = sorted(edges)
        renamed.append((first, second))
    return tuple(renamed)
