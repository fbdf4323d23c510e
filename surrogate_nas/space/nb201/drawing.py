"""A NAS-Bench-201 cell as a graph: four nodes in a row, an edge per operation."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from surrogate_nas.space.cell import Cell
from surrogate_nas.space.drawing import CONV1, CONV3, NOTHING, POOL, SKIP, Arrow, draw_graph
from surrogate_nas.space.four_nodes import EDGES, edge_live

_SHOWN = (NOTHING, SKIP, CONV1, CONV3, POOL)
"""In the order of the operations."""


def draw_cell(figure: Figure, cell: Cell) -> None:
    """Draw a cell; ``none`` is faintly dotted, and what lies on no path from input to output is grey and dashed.

    Args:
        figure: An empty figure of the size of `NB201.drawing_size`.
        cell: A cell of the NAS-Bench-201 space.
    """
    live = edge_live(np.array([cell.choices], dtype=np.int8))[0]
    edges = zip(EDGES, cell.choices, live, strict=True)
    draw_graph(figure, [Arrow(edge, _SHOWN[choice], bool(alive)) for edge, choice, alive in edges])
