"""Cells of both spaces as pictures: the micro space's as a graph, the macro space's as a row of modules."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from surrogate_nas.space.cell import Cell
from surrogate_nas.space.drawing import CONV1, CONV3, INK, NOTHING, PAPER, SKIP, Arrow, draw_graph
from surrogate_nas.space.four_nodes import EDGES, edge_live

_SHOWN = (NOTHING, SKIP, CONV1, CONV3)
"""In the order of the operations."""
_COLOURS = {1: PAPER, 2: CONV1[1], 3: CONV3[1], 4: "#8250df"}
"""By the digit of a module."""
_WIDTH, _CHANNELS, _TALLEST = 0.16, 64, 2.0
"""Of a module of the stem's channels, and the height of one of the stem's resolution."""
_GAP = 0.3


def draw_cell(figure: Figure, cell: Cell) -> None:
    """Draw a cell of the micro space; what lies on no path from input to output is grey and dashed.

    Args:
        figure: An empty figure of the size of `TransNASMicro.drawing_size`.
        cell: A cell of the micro space.
    """
    live = edge_live(np.array([cell.choices], dtype=np.int8))[0]
    edges = zip(EDGES, cell.choices, live, strict=True)
    draw_graph(figure, [Arrow(edge, _SHOWN[choice], bool(alive)) for edge, choice, alive in edges])


def draw_skeleton(figure: Figure, cell: Cell) -> None:
    """Draw a cell of the macro space, with the channels under and the digit over every module.

    Args:
        figure: An empty figure of the size of `TransNASMacro.drawing_size`.
        cell: A cell of the macro space.
    """
    axes = figure.add_axes((0, 0, 1, 1))
    left, height, channels = 0.0, _TALLEST, _CHANNELS
    for digit in (digit for digit in cell.choices if digit):
        height /= 2 if digit in (3, 4) else 1
        channels *= 2 if digit in (2, 4) else 1
        width = _WIDTH * channels / _CHANNELS
        axes.add_patch(
            Rectangle((left, -height / 2), width, height, facecolor=_COLOURS[digit], edgecolor=INK, linewidth=1.2)
        )
        middle = left + width / 2
        axes.text(middle, height / 2 + 0.08, str(digit), ha="center", va="bottom", fontsize=9, color=INK)
        axes.text(middle, -height / 2 - 0.08, str(channels), ha="center", va="top", fontsize=8, color=INK)
        left += width + _GAP
    axes.set_xlim(-_GAP, left)
    axes.set_ylim(-_TALLEST * 0.7, _TALLEST * 0.7)
    axes.set_aspect("equal")
    axes.axis("off")
