"""A cell's drawing as a few marks, placed in points: what matplotlib sets in files and a page in its own SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal, NamedTuple, TypeAlias

INK, MIDDLE, PAPER = "#24292f", "#848d97", "#fefefe"
"""As in reports: for lines and text, for what is dead or always there, and for the ground."""
Point: TypeAlias = tuple[float, float]
"""x and y in points, from the upper left corner of the sketch."""
POINTS_PER_INCH = 72.0
_HALVINGS = 24


class Box(NamedTuple):
    """A rectangle, or a disc where the rounding is half of its sides.

    Attributes:
        centre: In points, from the upper left corner of the sketch.
        size: Width and height in points.
        rounding: The radius of its corners in points.
        fill: A colour.
        stroke: A colour.
        line: The width of the stroke in points.
    """

    centre: Point
    size: Point
    rounding: float
    fill: str
    stroke: str
    line: float


class Arrow(NamedTuple):
    """A quadratic Bézier curve with a head at its end.

    Attributes:
        curve: Start, control and end, in points.
        colour: A colour.
        line: Its width in points.
        dash: Lengths on and off in line widths; empty for a solid line.
        opacity: 0 to 1.
        head: The size of the head in points, which is 0.4 of it long and wide; 0 for none.
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
        at: In points, vertically its middle.
        text: What it says.
        size: In points.
        colour: A colour.
        align: Which end of it stands at `at`.
        ground: The colour of a box behind it, or empty.
    """

    at: Point
    text: str
    size: float = 9.0
    colour: str = INK
    align: Literal["left", "center", "right"] = "center"
    ground: str = ""


Mark: TypeAlias = Box | Arrow | Text
"""What a drawing is made of."""


class Sketch(NamedTuple):
    """A drawing.

    Attributes:
        size: Width and height in points.
        marks: From the lowest to the uppermost.
    """

    size: Point
    marks: Sequence[Mark]


class Frame(NamedTuple):
    """Where the coordinates of a drawing, which rise upwards, lie on its paper.

    Attributes:
        origin: The point of the paper where the coordinates are 0, in points.
        scale: Points per unit, across and up.
    """

    origin: Point
    scale: Point

    @classmethod
    def around(cls, across: Point, up: Point, size: Point, *, top: float = 0.0, equal: bool = False) -> Frame:
        """The frame that just holds a range of coordinates.

        Args:
            across: The first and the last horizontal coordinate.
            up: The lowest and the highest.
            size: Width and height of the paper in points.
            top: How far below the paper's upper edge it begins, in points.
            equal: Whether a unit is as long across as up; what is left over stands around it evenly.
        """
        wide, high = across[1] - across[0], up[1] - up[0]
        scale = size[0] / wide, size[1] / high
        if equal:
            scale = (min(scale), min(scale))
        left, above = (size[0] - scale[0] * wide) / 2, (size[1] - scale[1] * high) / 2
        return cls((left - scale[0] * across[0], top + above + scale[1] * up[1]), scale)

    def at(self, place: Point) -> Point:
        """Where coordinates lie, in points.

        Args:
            place: Across and up.
        """
        return self.origin[0] + self.scale[0] * place[0], self.origin[1] - self.scale[1] * place[1]

    def span(self, size: Point) -> Point:
        """A width and a height in points.

        Args:
            size: In coordinates.
        """
        return self.scale[0] * size[0], self.scale[1] * size[1]


@lru_cache(maxsize=4096)
def curved(start: Point, end: Point, bend: float = 0.0, gaps: Point = (0.0, 0.0)) -> tuple[Point, Point, Point]:
    """The curve of an arrow.

    Args:
        start: In points.
        end: In points.
        bend: How far its control stands off the middle, in units of its length; negative for above, going right.
        gaps: How much is left free around start and end, in points.
    """
    (x0, y0), (x1, y1) = start, end
    control = (x0 + x1) / 2 - bend * (y1 - y0), (y0 + y1) / 2 + bend * (x1 - x0)
    whole = start, control, end
    first = _leaves(whole, gaps[0]) if gaps[0] else 0.0
    last = 1.0 - _leaves((end, control, start), gaps[1]) if gaps[1] else 1.0
    return _blossom(whole, first, first), _blossom(whole, first, last), _blossom(whole, last, last)


def _blossom(curve: tuple[Point, Point, Point], s: float, t: float) -> Point:
    """The polar form of the curve: its point at t for s = t, and the control of its part from s to t."""
    weights = (1 - s) * (1 - t), s * (1 - t) + t * (1 - s), s * t
    x, y = (sum(w * p[axis] for w, p in zip(weights, curve, strict=True)) for axis in (0, 1))
    return x, y


def _leaves(curve: tuple[Point, Point, Point], radius: float) -> float:
    """The parameter at which a curve leaves the circle around its start."""
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        inside = math.dist(curve[0], _blossom(curve, middle, middle)) < radius
        low, high = (middle, high) if inside else (low, middle)
    return high
