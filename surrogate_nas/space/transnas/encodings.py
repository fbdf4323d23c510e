"""How a model sees cells of the micro space, and what of their structure needs no measurement.

Encodings map choices of shape ``(n, 6)`` to a matrix ``(n, d)`` of float32; none contains anything measured. Path
features follow White et al., "BANANAS", AAAI 2021.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.core.metrics import Metric
from surrogate_nas.space.base import Analytic, Column, Encoding, by_name
from surrogate_nas.space.cell import Choices
from surrogate_nas.space.four_nodes import EDGES, PATHS, edge_live, path_live
from surrogate_nas.space.network import Network
from surrogate_nas.space.transnas.graph import CONV1, CONV3, OPERATIONS, SKIP

_INTO_OUTPUT, _FROM_INPUT = (3, 4, 5), (0, 1, 3)


def operation_counts(choices: Choices) -> NDArray[np.float32]:
    """How many edges hold each operation, dead ones included, 4 columns.

    Args:
        choices: Shape ``(n, 6)``.
    """
    return np.stack([(choices == o).sum(axis=1) for o in range(len(OPERATIONS))], axis=1).astype(np.float32)


def paths(choices: Choices) -> NDArray[np.float32]:
    """How often each sequence of operations leads from input to output, skips contracted, 15 columns.

    A sequence has zero to three convolutions of 1×1 or 3×3.

    Args:
        choices: Shape ``(n, 6)``.
    """
    counts = np.zeros((len(choices), 3**3), dtype=np.float32)
    for carried, path in zip(path_live(choices).T, PATHS, strict=True):
        code = np.zeros(len(choices), dtype=np.int64)
        for edge in path:
            code = np.where(choices[:, edge] > SKIP, code * 3 + choices[:, edge] - SKIP, code)
        np.add.at(counts, (np.arange(len(choices)), code), carried)
    return counts[:, _PATH_CODES]


_PATH_CODES = [
    sum(operation * 3**i for i, operation in enumerate(reversed(sequence)))
    for length in range(4)
    for sequence in itertools.product((1, 2), repeat=length)
]


def path_and_graph(choices: Choices) -> NDArray[np.float32]:
    """`paths`, depth, live paths, and by operation the live edges, of them from the input, into the output; 26 columns.

    Args:
        choices: Shape ``(n, 6)``.
    """
    live = path_live(choices)
    edges = edge_live(choices)
    held = [edges & (choices == operation) for operation in (SKIP, CONV1, CONV3)]
    columns = [h[:, list(among)].sum(axis=1) for h in held for among in (range(len(EDGES)), _FROM_INPUT, _INTO_OUTPUT)]
    return np.column_stack([paths(choices), _path_lengths(choices).max(axis=1), live.sum(axis=1), *columns]).astype(
        np.float32
    )


ENCODINGS: Mapping[str, Encoding] = {
    "operation_counts": operation_counts,
    "paths": paths,
    "path_and_graph": path_and_graph,
}
"""Every encoding by name, besides ``one_hot``."""


def _path_lengths(choices: Choices) -> NDArray[np.int64]:
    """The convolutions on each live path, 0 for others, shape ``(n, 4)``."""
    lengths = np.stack([(choices[:, list(path)] > SKIP).sum(axis=1) for path in PATHS], axis=1)
    return np.where(path_live(choices), lengths, 0)


def _depth(choices: Choices, network: Network) -> Column:  # noqa: ARG001
    return np.asarray(_path_lengths(choices).max(axis=1), dtype=np.float64)


def _convolutions(choices: Choices, network: Network) -> Column:  # noqa: ARG001
    return np.asarray((choices > SKIP).sum(axis=1), dtype=np.float64)


def _paths(choices: Choices, network: Network) -> Column:  # noqa: ARG001
    return np.asarray(path_live(choices).sum(axis=1), dtype=np.float64)


STRUCTURE: Analytic = by_name(
    (Metric("depth", "", "search", "structure", description="convolutions on the longest live path"), _depth),
    (Metric("convolutions", "", "search", "structure", description="built in a cell"), _convolutions),
    (Metric("paths", "", "search", "structure", description="live paths from input to output"), _paths),
)
"""Metrics of a cell's structure, with functions from choices and network to shape ``(n,)``."""
