"""Diagrams of cells: lists of marks (boxes, arrows, texts), which matplotlib or SVG can show."""

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
    """A rectangle with rounded corners, or a disc if the corner radius is half of the side length.

    Attributes:
        centre: The position of the centre in points, from the upper left corner of the diagram.
        size: Width and height of the box in points.
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
        dash: Lengths of dashes and gaps, in units of the line width, or empty for a solid line.
        opacity: The opacity, 0 to 1.
        head: The scale of the arrowhead in points, or 0 for no arrowhead. Its length and width are
            0.4 times this value.
    """

    curve: tuple[Point, Point, Point]
    colour: str
    line: float
    dash: tuple[float, ...] = ()
    opacity: float = 1.0
    head: float = 11.0


class Text(NamedTuple):
    """A line of text in a diagram.

    Attributes:
        at: The anchor point, in points. Vertically, the anchor is in the middle of the line of
            text.
        size: The font size in points.
        align: The part of the text that lies at the anchor point.
        ground: The colour of a box behind the text, or empty for no box.
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
        colour: The colour of the box and the label.
    """
    return Box(at, (width, 17.0), 17.0 / 3, PAPER, colour, 1.6), Text(
        at, text, colour=colour
    )


def columned(
    columns: Sequence[int], apart: float, lift: float, *, last: bool
) -> list[Point]:
    """Return coordinates of nodes in vertically centred columns.

    The y coordinate increases upwards.

    Args:
        columns: The column of each node.
        apart: The distance between the nodes of a column.
        lift: Distance by which a node that is alone in its column is moved, alternately up and
            down. Nodes in the first column are not moved.
        last: Whether to move the last node as well.
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
        size: Width and height of the diagram in points.
        marks: The marks, from the bottom layer to the top layer.
    """

    size: Point
    marks: Sequence[Mark]

    def _repr_html_(self) -> str:
        return sketch_svg(self)


class Frame(NamedTuple):
    """A transform from coordinates of a diagram, whose y coordinate increases upwards, to points on
    paper.

    Attributes:
        origin: The position of the coordinate origin on the paper, in points.
        scale: Points per unit of the coordinates, horizontally and vertically.
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
        """Return the transform that fits ranges of coordinates to the size of the paper.

        Args:
            across: The smallest and the largest horizontal coordinate.
            up: The smallest and the largest vertical coordinate.
            size: Width and height of the paper in points.
            top: The distance of the diagram from the upper edge of the paper, in points.
            equal: Whether both axes have the same scale. Remaining space is then distributed evenly
                on both sides.
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
        """Convert coordinates of the diagram to a position on the paper, in points."""
        return self.origin[0] + self.scale[0] * point[0], self.origin[1] - self.scale[
            1
        ] * point[1]

    def span(self, size: Point) -> Point:
        """Convert a width and a height in coordinates of the diagram to points."""
        return self.scale[0] * size[0], self.scale[1] * size[1]


@lru_cache(maxsize=4096)
def curved(
    start: Point, end: Point, bend: float = 0.0, gaps: Point = (0.0, 0.0)
) -> tuple[Point, Point, Point]:
    """Return the Bézier curve of an arrow between two points.

    Args:
        start: The start point of the arrow.
        end: The end point of the arrow.
        bend: The distance of the curve's control point from the middle of the straight line,
            relative to the length of this line. With a negative `bend`, an arrow to the right bends
            upwards.
        gaps: The free space between the arrow and its start and end points, in points.
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
    """Return a diagram as an ``svg`` element with its size in CSS points. All texts are escaped."""
    width, height = sketch.size
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" role="img" '
        f'style="width:{width:g}pt;max-width:100%;height:auto;font-family:sans-serif">'
        f"{''.join(map(svg_of_mark, sketch.marks))}</svg>"
    )


def svg_of_mark(mark: Mark) -> str:
    """Return one mark of a diagram as SVG elements. All texts are escaped."""
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
