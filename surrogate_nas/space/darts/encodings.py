"""Encodings of genotypes: named choices of columns that a model sees, for many cells at once.

Every operation of a genotype is live, so ``functional`` and ``path_and_graph``, which models of
errors and of costs read where nothing else is said, are the same columns: all that is here
together. ``alive`` is what of it is no single edge. Paths are those of White, Neiswanger & Savani,
"BANANAS", AAAI 2021, cut off as there: long ones are rare.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.space.base import Encoding
from surrogate_nas.space.cell import Choices
from surrogate_nas.space.darts.genotype import INPUTS, Wiring

Matrix: TypeAlias = NDArray[np.float32]
Wire: TypeAlias = Callable[[Choices], Wiring]


def of(wire: Wire, operations: int) -> Mapping[str, Encoding]:
    """Every encoding of a space by name, but ``one_hot``."""

    def joined(*functions: Callable[[Wiring, int], Matrix]) -> Encoding:
        def encode(choices: Choices) -> Matrix:
            cells = wire(choices)
            return np.column_stack([function(cells, operations) for function in functions])

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
    """How often each operation leads from a node to a later one; 196 columns for DARTS's cells."""
    n, _, nodes, _ = cells.sources.shape
    columns = np.zeros((n, 2, nodes, nodes + INPUTS - 1, operations), dtype=np.float32)
    rows, which, node = np.ogrid[:n, :2, :nodes]
    for edge in range(2):
        columns[rows, which, node, cells.sources[..., edge], cells.operations[..., edge]] += 1
    exists = np.arange(nodes + INPUTS - 1) < np.arange(nodes)[:, None] + INPUTS
    return columns[:, :, exists].reshape(n, 2 * int(exists.sum()) * operations)


def operation_counts(cells: Wiring, operations: int) -> Matrix:
    """How many edges have each operation: in the normal cell, then the reduction cell.

    Those of the reduction cell are counted from nodes and from inputs.

    Parameters and multiply-accumulates are linear in these columns where all nodes are joined; 21
    of DARTS's cells.
    """
    holds = cells.operations[..., None] == np.arange(operations)
    strided = cells.sources[:, 1] < INPUTS
    counts = [holds[:, 0], holds[:, 1] & ~strided[..., None], holds[:, 1] & strided[..., None]]
    return np.column_stack([part.sum(axis=(1, 2)) for part in counts]).astype(np.float32)


def paths(cells: Wiring, operations: int) -> Matrix:
    """How often one or two operations lead from an input to the output; 224 columns for DARTS."""
    n, _, nodes, _ = cells.sources.shape
    rows, which = np.ogrid[:n, :2]
    single = np.zeros((n, 2, INPUTS + nodes, INPUTS, operations), dtype=np.float32)
    double = np.zeros((n, 2, INPUTS + nodes, INPUTS, operations, operations), dtype=np.float32)
    for node in range(nodes):
        for edge in range(2):
            source = cells.sources[:, :, node, edge]
            operation = cells.operations[:, :, node, edge]
            for entry in range(INPUTS):
                single[rows, which, INPUTS + node, entry, operation] += source == entry
            double[rows, which, INPUTS + node, :, :, operation] += single[rows, which, source]
    heard = cells.joined[..., None]
    blocks = [
        (part[:, :, INPUTS:].reshape(n, 2, nodes, INPUTS * width) * heard).sum(axis=2)
        for part, width in ((single, operations), (double, operations**2))
    ]
    return np.concatenate(blocks, axis=2).reshape(n, 2 * INPUTS * (operations + operations**2))


def shape(cells: Wiring, operations: int) -> Matrix:  # noqa: ARG001 - the shape is the same whatever they are
    """Longest and mean way to nodes, ways from each input, joined nodes; 10 columns."""
    n, _, nodes, _ = cells.sources.shape
    depths = depth(cells)
    ways = np.zeros((n, 2, INPUTS + nodes, INPUTS), dtype=np.float32)
    ways[:, :, range(INPUTS), range(INPUTS)] = 1
    rows, which = np.ogrid[:n, :2]
    for node in range(nodes):
        for edge in range(2):
            ways[:, :, INPUTS + node] += ways[rows, which, cells.sources[:, :, node, edge]]
    out_degrees = (ways[:, :, INPUTS:] * cells.joined[..., None]).sum(axis=2)
    columns = [
        depths.max(axis=2),
        depths.mean(axis=2),
        out_degrees[..., 0],
        out_degrees[..., 1],
        cells.joined.sum(axis=2),
    ]
    return np.stack(columns, axis=2).reshape(n, 2 * len(columns)).astype(np.float32)


def depth(cells: Wiring, counted: NDArray[np.bool_] | None = None) -> NDArray[np.int64]:
    """The longest way from an input to each node, in edges, shape ``(n, 2, nodes)``."""
    n, _, nodes, _ = cells.sources.shape
    steps = (
        np.ones(cells.sources.shape, dtype=np.int64)
        if counted is None
        else counted[cells.operations].astype(int)
    )
    depths = np.zeros((n, 2, INPUTS + nodes), dtype=np.int64)
    rows, which = np.ogrid[:n, :2]
    for node in range(nodes):
        before = [
            depths[rows, which, cells.sources[:, :, node, edge]] + steps[:, :, node, edge]
            for edge in range(2)
        ]
        depths[:, :, INPUTS + node] = np.maximum(*before)
    return depths[:, :, INPUTS:]
