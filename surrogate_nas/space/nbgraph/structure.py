"""What a model sees of NAS-Bench-Graph's cells, and the metrics that follow from a cell alone.

The widths of these networks differ by data set, and the files give the parameters, so sizes are no formula here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.core.metrics import Metric
from surrogate_nas.space.base import Analytic, Column, Encoding
from surrogate_nas.space.cell import Choices
from surrogate_nas.space.nbgraph.trees import LINKS, NODES
from surrogate_nas.space.network import Network

Matrix = NDArray[np.float32]
_LINKS = np.array(LINKS)


def depth(choices: Choices, skip: int) -> Column:
    """The most operations in a row on the way from input to output, skips not counted, shape ``(n,)``.

    Args:
        choices: Shape ``(n, 5)``.
        skip: The number of the skip.
    """
    reached = np.zeros((len(choices), NODES + 1))
    for node, source in enumerate(_LINKS[choices[:, 0]].T, 1):
        reached[:, node] = reached[np.arange(len(choices)), source] + (choices[:, node] != skip)
    return np.asarray(reached.max(axis=1))


def ends(choices: Choices) -> NDArray[np.bool_]:
    """Whether each node goes to the output, because no node reads it, shape ``(n, 4)``.

    Args:
        choices: Shape ``(n, 5)``.
    """
    links = _LINKS[choices[:, 0]]
    return np.stack([(links != node).all(axis=1) for node in range(1, NODES + 1)], axis=1)


def _working(choices: Choices, skip: int) -> Column:
    return np.asarray((choices[:, 1:] != skip).sum(axis=1), dtype=np.float64)


def analytic(operations: int) -> Analytic:
    """The metrics that need no measurement.

    Args:
        operations: How many operations the space has; the last is the skip.
    """
    functions: list[tuple[str, str, Callable[[Choices], Any]]] = [
        ("operations", "skips not counted", lambda choices: _working(choices, operations - 1)),
        ("depth", "most operations in a row, skips not counted", lambda choices: depth(choices, operations - 1)),
        ("branches", "nodes that go to the output", lambda choices: ends(choices).sum(axis=1)),
    ]

    def column(function: Callable[[Choices], Any]) -> Callable[[Choices, Network], Column]:
        return lambda choices, network: np.asarray(function(choices), dtype=np.float64)  # noqa: ARG005

    return {
        name: (Metric(name, "", "search", "structure", description=description), column(function))
        for name, description, function in functions
    }


def encodings(operations: int) -> dict[str, Encoding]:
    """The encodings beside ``one_hot``.

    Args:
        operations: How many operations the space has; the last is the skip.
    """

    def held(choices: Choices) -> NDArray[np.bool_]:
        return np.equal(choices[:, 1:, None], np.arange(operations))

    def operation_counts(choices: Choices) -> Matrix:
        """How many nodes hold each operation."""
        return np.asarray(held(choices).sum(axis=1), dtype=np.float32)

    def functional(choices: Choices) -> Matrix:
        """The tree without the numbers of its nodes.

        How many nodes hold each operation, in all and among those that go to the output; how many with each operation
        read the input or a node with each; depth, branches, and the shape.
        """
        here = held(choices)
        rows = np.arange(len(choices))
        sources = np.column_stack([np.full(len(choices), operations), choices[:, 1:]])
        pairs = np.zeros((len(choices), operations + 1, operations), dtype=np.float32)
        for node, source in enumerate(_LINKS[choices[:, 0]].T, 1):
            np.add.at(pairs, (rows, sources[rows, source], choices[:, node]), 1)
        last = (here & ends(choices)[:, :, None]).sum(axis=1)
        shapes = np.equal(choices[:, :1], np.arange(len(LINKS)))
        return np.column_stack(
            [
                here.sum(axis=1), last, pairs.reshape(len(choices), -1), depth(choices, operations - 1),
                ends(choices).sum(axis=1), shapes,
            ]
        ).astype(np.float32)  # fmt: skip

    return {"operation_counts": operation_counts, "functional": functional}
