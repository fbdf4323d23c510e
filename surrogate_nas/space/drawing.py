"""Cells of four nodes and six edges as pictures: nodes in a row, an arrow per operation."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyArrowPatch

INK, MIDDLE, PAPER = "#24292f", "#848d97", "#fefefe"
"""As in reports: for lines and text, for what is dead, and for the ground."""
NOTHING, SKIP = ("", MIDDLE), ("skip", INK)
CONV1, CONV3, POOL = ("conv 1×1", "#0072b2"), ("conv 3×3", "#d55e00"), ("pool 3×3", "#009e73")
"""Operations as they are shown: label and colour."""
_NODES = ((0.0, 0.0), (1.35, 0.0), (2.7, 0.0), (4.05, 0.0))
_NAMES = ("in", "1", "2", "out")
_RADIUS = 0.22
_ABOVE = 0.17
"""How far over a straight edge its label stands."""
_BEND = {(0, 2): -0.52, (1, 3): 0.52, (0, 3): -0.56}
"""How far the edges that jump over nodes bend, in units of their length; negative upwards."""


class Arrow(NamedTuple):
    """An edge as it is drawn.

    Attributes:
        nodes: From which node to which, 0 to 3.
        shown: The operation's label and colour; `NOTHING` is a faint dotted line.
        live: Whether it lies on a path from input to output; otherwise it is grey and dashed.
    """

    nodes: tuple[int, int]
    shown: tuple[str, str]
    live: bool


def draw_graph(figure: Figure, arrows: list[Arrow]) -> None:
    """Draw a cell of four nodes.

    Args:
        figure: An empty figure of 4 by 2 inches.
        arrows: Its edges.
    """
    axes = figure.add_axes((0, 0, 1, 1))
    for arrow in arrows:
        _draw(axes, arrow)
    for place, name in zip(_NODES, _NAMES, strict=True):
        axes.add_patch(Circle(place, _RADIUS, facecolor=PAPER, edgecolor=INK, linewidth=1.3, zorder=3))
        axes.text(*place, name, ha="center", va="center", fontsize=9, zorder=4)
    axes.set_xlim(-0.3, 4.35)
    axes.set_ylim(-0.95, 1.37)
    axes.set_aspect("equal")
    axes.axis("off")


def _draw(axes: Axes, arrow: Arrow) -> None:
    label, colour = arrow.shown
    start, end = (np.array(_NODES[node]) for node in arrow.nodes)
    bend = _BEND.get(arrow.nodes, 0.0)
    absent, alive = arrow.shown == NOTHING, arrow.live
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
