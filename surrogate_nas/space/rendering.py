"""A sketch as a matplotlib figure."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch
from matplotlib.path import Path

from surrogate_nas.space.sketch import Arrow, Box, Sketch, Text

_CURVE = (Path.MOVETO, Path.CURVE3, Path.CURVE3)


def render(figure: Figure, sketch: Sketch) -> None:
    """Draw a sketch."""
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, sketch.size[0])
    axes.set_ylim(sketch.size[1], 0)
    axes.axis("off")
    for order, mark in enumerate(sketch.marks, 1):
        if isinstance(mark, Box):
            _box(axes, mark, order)
        elif isinstance(mark, Arrow):
            _arrow(axes, mark, order)
        else:
            _text(axes, mark, order)


def _box(axes: Axes, box: Box, order: int) -> None:
    (x, y), (width, height) = box.centre, box.size
    style_of_box: Any = {
        "facecolor": box.fill,
        "edgecolor": box.stroke,
        "linewidth": box.line,
        "zorder": order,
    }
    if 2 * box.rounding == width == height:
        axes.add_patch(Circle(box.centre, box.rounding, **style_of_box))
        return
    style = f"round,pad=0,rounding_size={box.rounding}" if box.rounding else "square,pad=0"
    axes.add_patch(
        FancyBboxPatch(
            (x - width / 2, y - height / 2), width, height, boxstyle=style, **style_of_box
        )
    )


def _arrow(axes: Axes, arrow: Arrow, order: int) -> None:
    patch = FancyArrowPatch(
        path=Path(arrow.curve, _CURVE),
        arrowstyle="-|>" if arrow.head else "-",
        mutation_scale=arrow.head or 1.0,
        color=arrow.colour,
        linewidth=arrow.line,
        linestyle=(0, arrow.dash) if arrow.dash else "solid",
        alpha=arrow.opacity,
        zorder=order,
    )
    axes.add_patch(patch)


def _text(axes: Axes, text: Text, order: int) -> None:
    ground = (
        {"facecolor": text.ground, "edgecolor": "none", "boxstyle": "round,pad=0.12"}
        if text.ground
        else None
    )
    axes.text(
        *text.at,
        text.text,
        ha=text.align,
        va="center",
        fontsize=text.size,
        color=text.colour,
        zorder=order,
        bbox=ground,
    )
