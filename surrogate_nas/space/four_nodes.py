"""Cells of four nodes with an operation on each of the six edges between them; operation 0 is none."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.space.cell import Choices

NONE = 0
EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
"""(from, to): all edges into node 1, then into node 2, then into node 3, which is the output."""
PATHS = ((3,), (0, 4), (1, 5), (0, 2, 5))
"""The four input→output paths, as edges in the order of the string."""


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
