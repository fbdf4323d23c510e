"""Diagrams of cells as marks with coordinates in points, for matplotlib and SVG."""

import math
from collections.abc import Sequence
from functools import lru_cache
from html import escape
from typing import Literal, NamedTuple, TypeAlias

INK = "#24292f"
MIDDLE = "#848d97"
PAPER = "#fefefe"
"""The colours of reports: for lines and text, for dead or fixed parts, and for the background."""
Point: TypeAlias = tuple[float, float]
POINTS_PER_INCH = 72.0


class Box(NamedTuple):
    """A rectangle, or a disc if the rounding is half of its sides.

    Attributes:
        centre: The centre in points, from the upper left corner of the sketch.
        size: Width and height in points.
        rounding: The radius of the corners in points.
        fill: The colour of the area.
        stroke: The colour of the border.
        line: The width of the border in points.
    """

    centre: Point
    size: Point
    rounding: float
    fill: str
    stroke: str
    line: float


class Arrow(NamedTuple):
    """A quadratic Bézier curve with an arrowhead at its end.

    Attributes:
        curve: Start point, control point and end point, in points.
        line: The width of the line in points.
        dash: Lengths of dashes and gaps in line widths; empty for a solid line.
        opacity: The opacity, 0 to 1.
        head: The size of the arrowhead in points, whose length and width are 0.4 of it; 0 for none.
    """

    curve: tuple[Point, Point, Point]
    colour: str
    line: float
    dash: tuple[float, ...] = ()
    opacity: float = 1.0
    head: float = 11.0


class Text(NamedTuple):
    """A line of text.

    Attributes:
        at: The anchor point, in points; vertically it is the middle of the line.
        size: The font size in points.
        align: The part of the text that lies at the anchor point.
        ground: The colour of a box behind the text, or empty.
    """

    at: Point
    text: str
    size: float = 9.0
    colour: str = INK
    align: Literal["left", "center", "right"] = "center"
    ground: str = ""


@lru_cache(maxsize=1024)
def labelled(at: Point, text: str, width: float, colour: str) -> tuple[Box, Text]:
    """Return a rounded box and its label, in one colour.

    Args:
        at: The centre of the box, in points.
        text: The label.
        width: The width of the box, in points.
        colour: The colour of box and label.
    """
    return Box(at, (width, 17.0), 17.0 / 3, PAPER, colour, 1.6), Text(
        at, text, colour=colour
    )


def columned(
    columns: Sequence[int], apart: float, lift: float, *, last: bool
) -> list[Point]:
    """Return the positions of nodes in columns, each column centred; y coordinates rise upwards.

    Args:
        columns: The column of each node.
        apart: The distance between the nodes of a column.
        lift: How far to move a node that is alone in its column, alternately up and down, except
            for the first.
        last: Whether to move the last node.
    """
    points = []
    for node, column in enumerate(columns):
        same_column = [other for other, its in enumerate(columns) if its == column]
        height = apart * ((len(same_column) - 1) / 2 - same_column.index(node))
        if len(same_column) == 1 and column and (last or node < len(columns) - 1):
            height += lift * (-1) ** column
        points.append((float(column), height))
    return points


Mark: TypeAlias = Box | Arrow | Text


class Sketch(NamedTuple):
    """A diagram.

    Attributes:
        size: Width and height in points.
        marks: The marks, from the bottom layer to the top layer.
    """

    size: Point
    marks: Sequence[Mark]

    def _repr_html_(self) -> str:
        return sketch_svg(self)


class Frame(NamedTuple):
    """A transform from the coordinates of a diagram, which rise upwards, to points on paper.

    Attributes:
        origin: The position of the coordinate origin on the paper, in points.
        scale: Points per unit, horizontally and vertically.
    """

    origin: Point
    scale: Point

    @classmethod
    def around(
        cls,
        across: Point,
        up: Point,
        size: Point,
        *,
        top: float = 0.0,
        equal: bool = False,
    ) -> "Frame":
        """Return the frame that fits a range of coordinates to a size.

        Args:
            across: The smallest and the largest horizontal coordinate.
            up: The smallest and the largest vertical coordinate.
            size: Width and height of the paper in points.
            top: The distance of the frame from the upper edge of the paper, in points.
            equal: Whether both axes have the same scale; the remaining space is then distributed
                evenly.
        """
        wide = across[1] - across[0]
        high = up[1] - up[0]
        scale = size[0] / wide, size[1] / high
        if equal:
            scale = (min(scale), min(scale))
        left = (size[0] - scale[0] * wide) / 2
        above = (size[1] - scale[1] * high) / 2
        return cls((left - scale[0] * across[0], top + above + scale[1] * up[1]), scale)

    def at(self, point: Point) -> Point:
        """Return the position of coordinates on the paper, in points."""
        return self.origin[0] + self.scale[0] * point[0], self.origin[1] - self.scale[
            1
        ] * point[1]

    def span(self, size: Point) -> Point:
        """Convert a width and a height to points."""
        return self.scale[0] * size[0], self.scale[1] * size[1]


@lru_cache(maxsize=4096)
def curved(
    start: Point, end: Point, bend: float = 0.0, gaps: Point = (0.0, 0.0)
) -> tuple[Point, Point, Point]:
    """Return the curve of an arrow.

    Args:
        start: The start point.
        end: The end point.
        bend: The distance of the control point from the middle, relative to the length; negative
            values bend an arrow to the right upwards.
        gaps: The free space at start and end, in points.
    """
    (x0, y0), (x1, y1) = start, end
    control = (x0 + x1) / 2 - bend * (y1 - y0), (y0 + y1) / 2 + bend * (x1 - x0)
    whole = start, control, end
    first = _leaves(whole, gaps[0]) if gaps[0] else 0.0
    last = 1.0 - _leaves((end, control, start), gaps[1]) if gaps[1] else 1.0
    return (
        _blossom(whole, first, first),
        _blossom(whole, first, last),
        _blossom(whole, last, last),
    )


def _blossom(curve: tuple[Point, Point, Point], s: float, t: float) -> Point:
    """Return the polar form of the curve: its point for s = t, else the control point of [s, t]."""
    weights = (1 - s) * (1 - t), s * (1 - t) + t * (1 - s), s * t
    x = sum(w * point[0] for w, point in zip(weights, curve, strict=True))
    return x, sum(w * point[1] for w, point in zip(weights, curve, strict=True))


def _leaves(curve: tuple[Point, Point, Point], radius: float) -> float:
    """Return the parameter at which a curve leaves the circle around its start."""
    low = 0.0
    high = 1.0
    for _ in range(24):
        middle = (low + high) / 2
        inside = math.dist(curve[0], _blossom(curve, middle, middle)) < radius
        low, high = (middle, high) if inside else (low, middle)
    return high


_GROUND = "var(--jp-layout-color0,var(--vscode-editor-background,Canvas))"
_FOLLOWING = {INK: "currentColor", PAPER: _GROUND}
_ANCHOR = {"left": "start", "center": "middle", "right": "end"}


def sketch_svg(sketch: Sketch) -> str:
    """Return a sketch as an ``svg`` element of its size in CSS points, with all texts escaped."""
    width, height = sketch.size
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" role="img" '
        f'style="width:{width:g}pt;max-width:100%;height:auto;font-family:sans-serif">'
        f"{''.join(map(svg_of_mark, sketch.marks))}</svg>"
    )


def svg_of_mark(mark: Mark) -> str:
    """Return one mark of a sketch as SVG elements, with all texts escaped."""
    if isinstance(mark, Box):
        return _box(mark)
    return _arrow(mark) if isinstance(mark, Arrow) else _text(mark)


def _colour(colour: str) -> str:
    return _FOLLOWING.get(colour, escape(colour))


def _box(box: Box) -> str:
    (x, y), (width, height) = box.centre, box.size
    return (
        f'<rect x="{x - width / 2:.1f}" y="{y - height / 2:.1f}" width="{width:.1f}"'
        f' height="{height:.1f}" '
        f'rx="{box.rounding:.1f}" style="fill:{_colour(box.fill)};stroke:{_colour(box.stroke)};'
        f'stroke-width:{box.line:g}"/>'
    )


def _arrow(arrow: Arrow) -> str:
    (x0, y0), (x1, y1), (x2, y2) = arrow.curve
    dash = " ".join(f"{length * arrow.line:g}" for length in arrow.dash)
    line = (
        f'<path d="M{x0:.1f} {y0:.1f}Q{x1:.1f} {y1:.1f} {x2:.1f} {y2:.1f}" style="fill:none;'
        f"stroke:{_colour(arrow.colour)};stroke-width:{arrow.line:g};opacity:{arrow.opacity:g}"
        f'{f";stroke-dasharray:{dash}" if dash else ""}"/>'
    )
    if not arrow.head:
        return line
    angle = math.degrees(math.atan2(y2 - y1, x2 - x1))
    size = 0.4 * arrow.head
    return (
        f'{line}<path d="M0 0L{-size:.1f} {-size / 2:.1f}V{size / 2:.1f}Z" '
        f'transform="translate({x2:.1f} {y2:.1f}) rotate({angle:.0f})" '
        f'style="fill:{_colour(arrow.colour)};stroke:{_colour(arrow.colour)};'
        f'stroke-width:{arrow.line:g}"/>'
    )


def _text(text: Text) -> str:
    (x, y), size = text.at, text.size
    behind = ""
    if text.ground:
        width = 0.58 * size * len(text.text) + 2
        behind = (
            f'<rect x="{x - width / 2:.1f}" y="{y - 0.65 * size:.1f}" width="{width:.1f}"'
            f' height="{1.3 * size:.1f}" style="fill:{_colour(text.ground)}"/>'
        )
    return (
        f'{behind}<text x="{x:.1f}" y="{y + 0.35 * size:.1f}" text-anchor="{_ANCHOR[text.align]}"'
        f' style="fill:{_colour(text.colour)};font-size:{size:g}px">{escape(text.text)}</text>'
    )
