"""Drawing of the diagram of a cell as a matplotlib figure."""

from typing import Any

from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch, Patch
from matplotlib.path import Path

from surrogate_nas.space.sketch import Arrow, Box, Sketch, Text

_CURVE = (Path.MOVETO, Path.CURVE3, Path.CURVE3)


def render(figure: Figure, sketch: Sketch) -> None:
    """Draw a diagram (a `Sketch`) on a matplotlib figure."""
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, sketch.size[0])
    axes.set_ylim(sketch.size[1], 0)
    axes.axis("off")
    for order, mark in enumerate(sketch.marks, 1):
        if isinstance(mark, Text):
            ground = {
                "facecolor": mark.ground,
                "edgecolor": "none",
                "boxstyle": "round,pad=0.12",
            }
            axes.text(
                *mark.at,
                mark.text,
                ha=mark.align,
                va="center",
                fontsize=mark.size,
                color=mark.colour,
                zorder=order,
                bbox=ground if mark.ground else None,
            )
        else:
            axes.add_patch(_box(mark) if isinstance(mark, Box) else _arrow(mark))
            axes.patches[-1].set_zorder(order)


def _box(box: Box) -> Patch:
    (x, y), (width, height) = box.centre, box.size
    paint: Any = {"facecolor": box.fill, "edgecolor": box.stroke, "linewidth": box.line}
    if 2 * box.rounding == width == height:
        return Circle(box.centre, box.rounding, **paint)
    style = (
        f"round,pad=0,rounding_size={box.rounding}" if box.rounding else "square,pad=0"
    )
    corner = x - width / 2, y - height / 2
    return FancyBboxPatch(corner, width, height, boxstyle=style, **paint)


def _arrow(arrow: Arrow) -> Patch:
    return FancyArrowPatch(
        path=Path(arrow.curve, _CURVE),
        arrowstyle="-|>" if arrow.head else "-",
        mutation_scale=arrow.head or 1.0,
        color=arrow.colour,
        linewidth=arrow.line,
        linestyle=(0, arrow.dash) if arrow.dash else "solid",
        alpha=arrow.opacity,
    )
