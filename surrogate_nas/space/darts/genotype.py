"""Genotypes: a normal and a reduction cell, read and printed as the DARTS repository prints them.

Liu, Simonyan & Yang, "DARTS: Differentiable Architecture Search", ICLR 2019. Nodes 0 and 1 of a cell are the outputs of
the two cells before it; each further node is the sum of two operations on earlier nodes. DARTS prints the two edges of
a node by the strength that its search gave them, which changes no network: here the lower source comes first.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple, TypeAlias

from surrogate_nas.core.errors import UserError

Edge: TypeAlias = tuple[str, int]
"""An operation and the node that it is applied to."""
CELLS = ("normal", "reduce")
"""The cell that keeps the size, and the one that halves it and doubles the channels."""
INPUTS = 2
"""How many nodes of a cell are inputs: 0 is the output of the cell before the last, 1 that of the last."""
SHAPE = "Genotype(normal=[('OPERATION', SOURCE), …], normal_concat=…, reduce=[…], reduce_concat=…)"

_SPACING = re.compile(r"\s*([\[\](),=])\s*")
_EDGES = r"\[((?:\((?:'\w+'|\"\w+\"), ?\d{1,3}\)(?:, ?)?)*)\]"
_CONCAT = r"(range\(\d{1,3}, ?\d{1,3}\)|\[(?:\d{1,3}(?:, ?|(?=\])))*\])"
_GENOTYPE = re.compile(
    rf"Genotype\(normal={_EDGES}, ?normal_concat={_CONCAT}, ?reduce={_EDGES}, ?reduce_concat={_CONCAT},?\)", re.ASCII
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
        """The edges and the joined nodes of one cell.

        Args:
            which: 0 for the normal, 1 for the reduction cell.
        """
        return (self.reduce, self.reduce_concat) if which else (self.normal, self.normal_concat)

    def __str__(self) -> str:
        """As the DARTS repository prints it."""
        return (
            f"Genotype(normal=[{_edges(self.normal)}], normal_concat={_concat(self.normal_concat)}, "
            f"reduce=[{_edges(self.reduce)}], reduce_concat={_concat(self.reduce_concat)})"
        )


def _edges(edges: Iterable[Edge]) -> str:
    return ", ".join([f"('{operation}', {source})" for operation, source in edges])


def _concat(nodes: tuple[int, ...]) -> str:
    first, last = nodes[0], nodes[-1]
    return f"range({first}, {last + 1})" if len(nodes) == last + 1 - first else str(list(nodes))


def read(text: str) -> Genotype | None:
    """Read a printed genotype of any number of nodes and any operations; None where it is not written as one.

    Args:
        text: With any white space around brackets, commas and equals signs; concats as ranges or lists.
    """
    text = text.strip()
    found = _GENOTYPE.fullmatch(text) or _GENOTYPE.fullmatch(_SPACING.sub(r"\1", text))
    if found is None:
        return None
    normal, normal_concat, reduce, reduce_concat = found.groups()
    return Genotype(_read_edges(normal), _read_concat(normal_concat), _read_edges(reduce), _read_concat(reduce_concat))


def _read_edges(text: str) -> tuple[Edge, ...]:
    return tuple((operation, int(source)) for operation, source in _EDGE.findall(text))


def _read_concat(text: str) -> tuple[int, ...]:
    numbers = [int(number) for number in _NUMBER.findall(text)]
    return tuple(range(*numbers)) if text.startswith("range") else tuple(numbers)


def nodes_of(edges: tuple[Edge, ...], nodes: int, operations: tuple[str, ...], cell: str) -> list[tuple[Edge, Edge]]:
    """The edges of one cell by node, the lower source first, then the earlier operation.

    Args:
        edges: As they were read.
        nodes: How many nodes the cell must have, besides its inputs.
        operations: What an edge may hold.
        cell: What the cell is called in a message.

    Raises:
        UserError: There are more or fewer, an operation is unknown, or a source is no earlier node.
    """
    if len(edges) != 2 * nodes:
        raise UserError(f"{cell} has {2 * nodes} edges, two for each of its {nodes} nodes, not {len(edges)}.")
    found: list[tuple[Edge, Edge]] = []
    for node in range(nodes):
        pair = edges[2 * node : 2 * node + 2]
        for operation, source in pair:
            if operation not in operations:
                raise UserError(f"{cell} holds {operation!r:.80}; an edge is one of {', '.join(operations)}.")
            if source >= node + INPUTS:
                raise UserError(f"{cell}: node {node + INPUTS} comes after 0 to {node + INPUTS - 1}, not {source}.")
        first, second = sorted(pair, key=lambda edge: (edge[1], operations.index(edge[0])))
        found.append((first, second))
    return found
