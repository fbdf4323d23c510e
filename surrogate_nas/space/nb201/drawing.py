"""A NAS-Bench-201 cell as a graph: four nodes in a row, an edge per operation."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyArrowPatch

from surrogate_nas.space.base import Cell
from surrogate_nas.space.nb201.encodings import edge_live
from surrogate_nas.space.nb201.graph import EDGES, OPERATIONS

INK, MIDDLE, PAPER = "#24292f", "#848d97", "#fefefe"
"""As in reports: for lines and text, for what is dead, and for the ground."""
_SHOWN = {
    "none": ("", MIDDLE),
    "skip_connect": ("skip", INK),
    "nor_conv_1x1": ("conv 1×1", "#0072b2"),
    "nor_conv_3x3": ("conv 3×3", "#d55e00"),
    "avg_pool_3x3": ("pool 3×3", "#009e73"),
}
_NODES = ((0.0, 0.0), (1.35, 0.0), (2.7, 0.0), (4.05, 0.0))
_NAMES = ("in", "1", "2", "out")
_RADIUS = 0.22
_ABOVE = 0.17
"""How far over a straight edge its label stands."""
_BEND = {(0, 2): -0.52, (1, 3): 0.52, (0, 3): -0.56}
"""How far the edges that jump over nodes bend, in units of their length; negative upwards."""


def draw_cell(figure: Figure, cell: Cell) -> None:
    """Draw a cell; `none` is faintly dotted, and what lies on no path from input to output is grey and dashed.

    Args:
        figure: An empty figure of the size of `NB201.drawing_size`.
        cell: A cell of the NAS-Bench-201 space.
    """
    axes = figure.add_axes((0, 0, 1, 1))
    live = edge_live(np.array([cell.choices], dtype=np.int8))[0]
    for edge, choice, alive in zip(EDGES, cell.choices, live, strict=True):
        _draw_edge(axes, edge, OPERATIONS[choice], bool(alive))
    for place, name in zip(_NODES, _NAMES, strict=True):
        axes.add_patch(Circle(place, _RADIUS, facecolor=PAPER, edgecolor=INK, linewidth=1.3, zorder=3))
        axes.text(*place, name, ha="center", va="center", fontsize=9, zorder=4)
    axes.set_xlim(-0.3, 4.35)
    axes.set_ylim(-0.95, 1.37)
    axes.set_aspect("equal")
    axes.axis("off")


def _draw_edge(axes: Axes, edge: tuple[int, int], operation: str, alive: bool) -> None:
    label, colour = _SHOWN[operation]
    start, end = (np.array(_NODES[node]) for node in edge)
    bend = _BEND.get(edge, 0.0)
    absent = operation == "none"
    axes.add_patch(
        FancyArrowPatch(
            tuple(start), tuple(end), connectionstyle=f"arc3,rad={bend}", arrowstyle="-" if absent else "-|>",
            mutation_scale=11, shrinkA=13, shrinkB=14, color=colour if alive else MIDDLE,
            linewidth=2 if alive else 1.2, linestyle=(0, (1, 3)) if absent else "solid" if alive else (0, (4, 2)),
            alpha=0.6 if absent else 1.0, zorder=1,
        )
    )  # fmt: skip
    if label:
        x, y = (start + end) / 2
        y += -bend * (end[0] - start[0]) / 2 if bend else _ABOVE
        axes.text(
            x, y, label, ha="center", va="center", fontsize=9, color=colour if alive else MIDDLE, zorder=2,
            bbox={"facecolor": PAPER, "edgecolor": "none", "boxstyle": "round,pad=0.12"} if bend else None,
        )  # fmt: skip
