"""Genotypes (pairs of a normal and a reduction cell): their texts, and encodings and structure of
many genotypes.

Sizes are exact for the network that this package builds. With 36 channels and six cells per stage,
this network is the network of twenty cells that DARTS trains on CIFAR-10.

Liu, Simonyan & Yang, "DARTS: Differentiable Architecture Search", ICLR 2019. Nodes 0 and 1 of a
cell are the outputs of the two previous cells. Each other node is the sum of two operations on
earlier nodes. DARTS prints the two edges of a node by the strength that its search assigned, which
does not affect the network. In this package, the edge with the lower source comes first.

Every operation of a genotype affects the output. Therefore ``functional`` and ``path_and_graph``,
the default encodings of error models and cost models, are equal: both contain all columns of this
module. The encoding ``alive`` omits the columns of single edges. The path encoding follows White,
Neiswanger & Savani, "BANANAS", AAAI 2021. As in this paper, paths are truncated, because long paths
are rare.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from itertools import permutations
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.space.base import Encoding, Flags, Matrix
from surrogate_nas.space.cell import Choices
from surrogate_nas.space.network import Network

Edge: TypeAlias = tuple[str, int]
"""An operation and the node to which it is applied."""
CELLS = ("normal", "reduce")
"""The cell that keeps the size, and the cell that halves the size and doubles the channels."""
INPUTS = 2
"""The number of input nodes: 0 is the output of the second-last cell, 1 that of the last cell."""
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


Part: TypeAlias = tuple[tuple[Edge, ...], tuple[int, ...]]
"""Two edges for every node from 2 on, in the order of the nodes; and the nodes whose channels are
joined in the output.
"""


class Genotype(NamedTuple):
    """The normal and the reduction cell."""

    normal: Part
    reduce: Part

    def __str__(self) -> str:
        return f"Genotype({', '.join(map(_written, CELLS, self))})"


def _written(name: str, part: Part) -> str:
    edges, nodes = part
    joined = range(nodes[0], nodes[-1] + 1)
    concat = joined if len(nodes) == len(joined) else list(nodes)
    return f"{name}={list(edges)}, {name}_concat={concat}"


def read(text: str) -> Genotype | None:
    """Parse a printed genotype with any nodes and operations. Return None if it is malformed."""
    text = text.strip()
    match = _GENOTYPE.fullmatch(text) or _GENOTYPE.fullmatch(_SPACING.sub(r"\1", text))
    if match is None:
        return None
    return Genotype(_read_part(match[1], match[2]), _read_part(match[3], match[4]))


def _read_part(edges: str, concat: str) -> Part:
    read = tuple((operation, int(source)) for operation, source in _EDGE.findall(edges))
    numbers = map(int, _NUMBER.findall(concat))
    return read, tuple(range(*numbers) if concat.startswith("range") else numbers)


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
"""Published cells of the space ``nasnet``: NASNet-A (Zoph et al., CVPR 2018) and AmoebaNet-A (Real
et al., AAAI 2019).
"""


Link: TypeAlias = tuple[int, int]
Node: TypeAlias = tuple[Link, Link]
"""The two edges of a node, the smaller first."""
Half: TypeAlias = tuple[Node, ...]


class Wiring(NamedTuple):
    """The edges of ``n`` cells as arrays.

    The axes are: cell, normal or reduction, node, edge of the node.

    Attributes:
        operations: Indices into the operations of the space, shape ``(n, 2, nodes, 2)``.
        sources: The nodes to which the operations are applied, shape ``(n, 2, nodes, 2)``.
        joined: Whether a node's channels are part of the cell's output, shape ``(n, 2, nodes)``.
    """

    operations: Choices
    sources: Choices
    joined: Flags


@lru_cache(maxsize=1 << 14)
def relabelled(half: Half) -> Half:
    """Return the smallest of all cells that differ only in the order of their nodes.

    The order of nodes determines the order of joined channels, which has no effect, because the
    weights of the next cell can be permuted. Other reasons for equal sums, such as skips of skips,
    are not detected.
    """
    ways = []
    for order in permutations(range(len(half))):
        index = {node + INPUTS: i for i, node in enumerate(order, INPUTS)}
        nodes = [
            [(index.get(source, source), o) for source, o in half[node]]
            for node in order
        ]
        if all(
            source < node
            for node, edges in enumerate(nodes, INPUTS)
            for source, _ in edges
        ):
            ways.append(tuple((min(edges), max(edges)) for edges in nodes))
    return min(ways)


Wire: TypeAlias = Callable[[Choices], Wiring]


def encodings_of(wire: Wire, operations: int) -> Mapping[str, Encoding]:
    """Return every encoding of a space except ``one_hot``, by name."""

    def joined(*functions: Callable[[Wiring, int], Matrix]) -> Encoding:
        def encode(choices: Choices) -> Matrix:
            cells = wire(choices)
            return np.column_stack(
                [function(cells, operations) for function in functions]
            )

        return encode

    everything = joined(adjacency, operation_counts, paths, shape)
    return {
        "adjacency": joined(adjacency),
        "operation_counts": joined(operation_counts),
        "paths": joined(paths),
        "shape": joined(shape),
        "alive": joined(paths, shape),
        "functional": everything,
        "path_and_graph": everything,
    }


def adjacency(cells: Wiring, operations: int) -> Matrix:
    """Count the edges with each operation between each pair of nodes. DARTS has 196 columns."""
    n, _, nodes, _ = cells.sources.shape
    columns = np.zeros((n, 2, nodes, nodes + INPUTS - 1, operations), dtype=np.float32)
    rows, which, node, _ = np.ogrid[:n, :2, :nodes, :1]
    np.add.at(columns, (rows, which, node, cells.sources, cells.operations), 1)
    exists = np.arange(nodes + INPUTS - 1) < np.arange(nodes)[:, None] + INPUTS
    return columns[:, :, exists].reshape(n, 2 * int(exists.sum()) * operations)


def operation_counts(cells: Wiring, operations: int) -> Matrix:
    """Count the edges with each operation, in the normal cell, then in the reduction cell.

    In the reduction cell, edges from nodes and edges from inputs are counted separately. Parameters
    and multiply-accumulates are linear in these columns if all nodes are joined. DARTS has 21
    columns.
    """
    holds = cells.operations[..., None] == np.arange(operations)
    strided = cells.sources[:, 1] < INPUTS
    normal, reduce = holds[:, 0], holds[:, 1]
    counts = [normal, reduce & ~strided[..., None], reduce & strided[..., None]]
    return np.column_stack([part.sum(axis=(1, 2)) for part in counts]).astype(
        np.float32
    )


def paths(cells: Wiring, operations: int) -> Matrix:
    """Count paths of one or two operations from each input to the output. DARTS has 224 columns."""
    n, _, nodes, _ = cells.sources.shape
    rows, which = np.ogrid[:n, :2]
    shape = n, 2, INPUTS + nodes, INPUTS, operations
    single = np.zeros(shape, dtype=np.float32)
    double = np.zeros((*shape, operations), dtype=np.float32)
    for node in range(nodes):
        for edge in range(2):
            source = cells.sources[:, :, node, edge]
            operation = cells.operations[:, :, node, edge]
            for entry in range(INPUTS):
                single[rows, which, INPUTS + node, entry, operation] += source == entry
            read = single[rows, which, source]
            double[rows, which, INPUTS + node, :, :, operation] += read
    widths = INPUTS * operations, INPUTS * operations**2
    blocks = [part[:, :, INPUTS:].reshape(n, 2, nodes, -1) for part in (single, double)]
    columns = np.concatenate(blocks, axis=3) * cells.joined[..., None]
    return np.asarray(columns.sum(axis=2).reshape(n, 2 * sum(widths)))


def shape(cells: Wiring, operations: int) -> Matrix:
    """Return 10 columns: longest and mean path to nodes, paths from each input, and number of
    joined nodes.
    """
    n, _, nodes, _ = cells.sources.shape
    depths = depth(cells)
    ways = np.zeros((n, 2, INPUTS + nodes, INPUTS), dtype=np.float32)
    ways[:, :, range(INPUTS), range(INPUTS)] = 1
    rows, which, _ = np.ogrid[:n, :2, :2]
    for node in range(nodes):
        ways[:, :, INPUTS + node] = ways[rows, which, cells.sources[:, :, node]].sum(
            axis=2
        )
    out_degrees = (ways[:, :, INPUTS:] * cells.joined[..., None]).sum(axis=2)
    columns = [depths.max(axis=2), depths.mean(axis=2), *np.moveaxis(out_degrees, 2, 0)]
    columns.append(cells.joined.sum(axis=2))
    return np.stack(columns, axis=2).reshape(n, 2 * len(columns)).astype(np.float32)


def depth(cells: Wiring, counted: Flags | None = None) -> NDArray[np.int64]:
    """Return the longest path from an input to each node, in edges, shape ``(n, 2, nodes)``."""
    n, _, nodes, _ = cells.sources.shape
    steps = np.ones(cells.sources.shape, dtype=np.int64)
    if counted is not None:
        steps = counted[cells.operations].astype(np.int64)
    depths = np.zeros((n, 2, INPUTS + nodes), dtype=np.int64)
    rows, which, _ = np.ogrid[:n, :2, :2]
    for node in range(nodes):
        before = depths[rows, which, cells.sources[:, :, node]] + steps[:, :, node]
        depths[:, :, INPUTS + node] = before.max(axis=2)
    return depths[:, :, INPUTS:]


def plan(network: Network) -> Iterator[tuple[int, int, int, int]]:
    """Yield, for each cell of the network, 0 (normal) or 1 (reduction), the channels, and the image
    size before and after the cell.
    """
    before = network.image_size
    for stage, (width, size) in enumerate(network.stages):
        if stage:
            yield 1, width, before, size
        for _ in range(network.cells_per_stage):
            yield 0, width, size, size
        before = size
