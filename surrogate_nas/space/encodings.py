"""Encodings of NAS-Bench-201 cells: named choices of columns that a model sees, for the whole space at once.

Every encoding maps choices of shape ``(n, 6)`` (see `Space.choices`) to a matrix ``(n, d)`` of float32. None
contains a label, an index or anything measured. Sources: path features, White et al., "BANANAS", AAAI 2021;
graph features per subset of operations in the spirit of Kadlecová et al., "Surprisingly Strong Performance
Prediction with Neural Graph Features" (GRAF), ICML 2024.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.errors import unknown

Choices = NDArray[np.int8]
Matrix = NDArray[np.float32]

NONE, SKIP, CONV1, CONV3, POOL = range(5)
"""The operations in the order of `surrogate_nas.space.nb201.OPERATIONS`."""
PATHS = ((3,), (0, 4), (1, 5), (0, 2, 5))
"""The four input→output paths, as edges in the order of the string."""
_LIVE_OPERATIONS = (SKIP, CONV1, CONV3, POOL)
_SUBSETS = tuple(subset for size in (1, 2, 3, 4) for subset in itertools.combinations(_LIVE_OPERATIONS, size))
_MISSING = -1.0
"""The length of a path that does not exist."""


def path_live(choices: Choices) -> NDArray[np.bool_]:
    """Whether each of the four paths carries the input to the output, shape ``(n, 4)``.

    Args:
        choices: Shape ``(n, 6)``.
    """
    return np.stack([(choices[:, list(path)] != NONE).all(axis=1) for path in PATHS], axis=1)


def edge_live(choices: Choices) -> NDArray[np.bool_]:
    """Whether each edge lies on a live path, shape ``(n, 6)``.

    Args:
        choices: Shape ``(n, 6)``.
    """
    paths = path_live(choices)
    live = np.zeros(choices.shape, dtype=bool)
    for p, path in enumerate(PATHS):
        live[:, list(path)] |= paths[:, [p]]
    return live


def _holds(choices: Choices) -> NDArray[np.bool_]:
    """Whether each edge holds each operation, shape ``(n, 6, 5)``."""
    return np.equal(choices[:, :, None], np.arange(5, dtype=np.int8))


def one_hot(choices: Choices) -> Matrix:
    """The operation of every edge, 30 columns.

    Args:
        choices: Shape ``(n, 6)``.
    """
    return _holds(choices).reshape(len(choices), 5 * choices.shape[1]).astype(np.float32)


def operation_counts(choices: Choices) -> Matrix:
    """How many edges hold each operation, dead ones included, 5 columns.

    Args:
        choices: Shape ``(n, 6)``.
    """
    return np.asarray(_holds(choices).sum(axis=1), dtype=np.float32)


def paths(choices: Choices) -> Matrix:
    """How often each sequence of operations leads from input to output, skips contracted, 40 columns.

    A sequence has zero to three of the operations 1×1, 3×3 and pooling.

    Args:
        choices: Shape ``(n, 6)``.
    """
    live = path_live(choices)
    counts = np.zeros((len(choices), 4**3), dtype=np.float32)
    rows = np.arange(len(choices))
    for p, path in enumerate(PATHS):
        code = np.zeros(len(choices), dtype=np.int64)
        for edge in path:
            operation = choices[:, edge].astype(np.int64)
            code = np.where(operation >= CONV1, code * 4 + operation - 1, code)
        np.add.at(counts, (rows, code), live[:, p])
    return counts[:, _PATH_CODES]


_PATH_CODES = sorted(
    sum(operation * 4**i for i, operation in enumerate(reversed(sequence)))
    for length in range(4)
    for sequence in itertools.product((1, 2, 3), repeat=length)
)


def depth_and_live(choices: Choices) -> Matrix:
    """Depth in operations, live paths, and live edges by operation, 6 columns.

    Args:
        choices: Shape ``(n, 6)``.
    """
    live = path_live(choices)
    working = choices >= CONV1
    lengths = np.stack([working[:, list(path)].sum(axis=1) for path in PATHS], axis=1)
    depth = np.where(live, lengths, 0).max(axis=1)
    edges = edge_live(choices)
    counts = [((choices == operation) & edges).sum(axis=1) for operation in _LIVE_OPERATIONS]
    return np.column_stack([depth, live.sum(axis=1), *counts]).astype(np.float32)


def graph(choices: Choices) -> Matrix:
    """Graph features per subset of operations and per operation, in the spirit of GRAF, 102 columns.

    For each of the 15 subsets of the live operations: the live paths made only of them, the shortest and the
    longest of these in edges (-1 where there is none), and the largest, smallest and summed number of edges
    holding one of them along the live paths. For each live operation: its live edges, those that leave the
    input, and those that enter the output.

    Args:
        choices: Shape ``(n, 6)``.
    """
    live = path_live(choices)
    lengths = np.array([len(path) for path in PATHS])
    columns = []
    for subset in _SUBSETS:
        inside = np.isin(choices, subset)
        only = live & np.stack([inside[:, list(path)].all(axis=1) for path in PATHS], axis=1)
        shortest = np.where(only, lengths, np.inf).min(axis=1)
        longest = np.where(only, lengths, _MISSING).max(axis=1)
        counts = np.stack([inside[:, list(path)].sum(axis=1) for path in PATHS], axis=1)
        most = np.where(live, counts, _MISSING).max(axis=1)
        fewest = np.where(live, counts, np.inf).min(axis=1)
        total = np.where(live, counts, 0).sum(axis=1)
        shortest[np.isinf(shortest)] = _MISSING
        fewest[np.isinf(fewest)] = _MISSING
        columns += [only.sum(axis=1), shortest, longest, most, fewest, total]
    edges = edge_live(choices)
    for operation in _LIVE_OPERATIONS:
        here = edges & (choices == operation)
        columns += [here.sum(axis=1), here[:, [0, 1, 3]].sum(axis=1), here[:, [3, 4, 5]].sum(axis=1)]
    return np.column_stack(columns).astype(np.float32)


def path_and_graph(choices: Choices) -> Matrix:
    """`paths`, `depth_and_live`, `operation_counts` and `graph` together, 153 columns.

    Args:
        choices: Shape ``(n, 6)``.
    """
    return np.column_stack([paths(choices), depth_and_live(choices), operation_counts(choices), graph(choices)])


ENCODINGS: dict[str, Callable[[Choices], Matrix]] = {
    "one_hot": one_hot,
    "operation_counts": operation_counts,
    "paths": paths,
    "graph": graph,
    "path_and_graph": path_and_graph,
}
"""Every encoding by name."""


def encode(choices: Choices, encoding: str) -> Matrix:
    """Encode cells by the name of an encoding.

    Args:
        choices: Shape ``(n, 6)``.
        encoding: A key of `ENCODINGS`.

    Raises:
        UserError: No encoding has that name.
    """
    if encoding not in ENCODINGS:
        raise unknown("encoding", encoding, ENCODINGS)
    return ENCODINGS[encoding](choices)
