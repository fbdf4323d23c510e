"""Pictures composed of shapes, with coordinates in pixels. HTML pages show pictures as SVG, and
exports to files render the same shapes.

Colours are given by name or by strategy, so pictures follow the light or dark colour scheme of the
page. The shapes that belong to one strategy form a group, which the page's script can dim or hide.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from markupsafe import Markup, escape
from numpy.typing import NDArray

from surrogate_nas.report.style import Style, plain
from surrogate_nas.space.sketch import Sketch, sketch_svg

WIDE = 1240.0
"""The width of a picture that fills the page, in pixels."""
HALF = 592.0
SLIM = 358.0
"""Widths in pixels: of a row, of half a row, and on a telephone."""
LINE = 16.0
"""The distance between two labels at the ends of curves, in pixels."""
_CHARACTER = 0.56  # the mean width of a character in font sizes
_ANCHORS = {"left": "start", "center": "middle", "right": "end"}

Point: TypeAlias = tuple[float, float]
Colour: TypeAlias = str | Style
Align: TypeAlias = Literal["left", "center", "right"]
Ticks: TypeAlias = Sequence[tuple[float, str]]


class Line(NamedTuple):
    """Lines through points. A border in the background colour keeps crossing lines apart."""

    parts: Sequence[Sequence[Point]]
    colour: Colour
    width: float
    dash: tuple[float, ...] = ()
    opacity: float = 1.0
    cased: bool = False


class Area(NamedTuple):
    """A filled polygon."""

    points: Sequence[Point]
    colour: Colour
    opacity: float = 1.0


class Mark(NamedTuple):
    """A strategy's mark with its size in pixels."""

    at: Point
    style: Style
    size: float


class Text(NamedTuple):
    """A line of text on its baseline."""

    at: Point
    text: str
    size: float
    align: Align
    colour: Colour
    bold: bool


Shape: TypeAlias = Line | Area | Mark | Text


@dataclass
class Group:
    """A group of shapes that belong to one strategy or to none. If `pick` is true, a click on the
    group hides or shows its strategy.
    """

    of: Style | None
    pick: bool
    label: str
    shapes: list[Shape] = field(default_factory=list)


class Canvas:
    """A drawing area that collects shapes, from bottom to top.

    Attributes:
        groups: The shapes.
    """

    def __init__(self, width: float, height: float) -> None:
        """Create an empty picture."""
        self.width = width
        self.height = height
        self.groups: list[Group] = []

    @contextmanager
    def of(
        self, style: Style, title: str = "", *, pick: bool = False
    ) -> Iterator[None]:
        """Assign the shapes that are added within a ``with`` block to a strategy. `title` is the
        tooltip.
        """
        self.groups.append(Group(style, pick, title))
        yield
        self.groups.append(Group(None, False, ""))

    def _add(self, shape: Shape) -> None:
        if not self.groups:
            self.groups.append(Group(None, False, ""))
        self.groups[-1].shapes.append(shape)

    def line(
        self,
        *parts: Sequence[Point],
        colour: Colour,
        width: float = 1.0,
        dash: tuple[float, ...] = (),
        opacity: float = 1.0,
        cased: bool = False,
    ) -> None:
        """Add one or more lines of the same style."""
        if lines := [part for part in parts if part]:
            self._add(Line(lines, colour, width, dash, opacity, cased))

    def area(
        self, points: Sequence[Point], colour: Colour, opacity: float = 1.0
    ) -> None:
        """Add a filled polygon."""
        if len(points) > 2:
            self._add(Area(points, colour, opacity))

    def rectangle(
        self,
        left: float,
        top: float,
        right: float,
        bottom: float,
        colour: Colour,
        opacity: float = 1,
    ) -> None:
        """Add a filled rectangle."""
        self.area(
            [(left, top), (right, top), (right, bottom), (left, bottom)],
            colour,
            opacity,
        )

    def mark(self, x: float, y: float, style: Style, size: float = 11.0) -> None:
        """Add the mark of a strategy."""
        self._add(Mark((x, y), style, size))

    def text(
        self,
        x: float,
        y: float,
        text: str,
        *,
        size: float = 11.0,
        align: Align = "left",
        colour: Colour = "quiet",
        bold: bool = False,
    ) -> None:
        """Add a line of text on its baseline."""
        self._add(Text((x, y), text, size, align, colour, bold))

    def grid(self, x: "Scale", y: "Scale", across: Ticks, up: Ticks) -> None:
        """Add grid lines at the ticks of both axes."""
        top, bottom = sorted((y.start, y.end))
        self.line(
            *([(x.start, y(value)), (x.end, y(value))] for value, _ in up),
            colour="line",
        )
        self.line(
            *([(x(value), top), (x(value), bottom)] for value, _ in across),
            colour="line",
        )

    def svg(self, kind: str, caption: str) -> Markup:
        """Return the drawing as an SVG element with a CSS class and a caption for screen
        readers.
        """
        parts = [_group(group) for group in self.groups if group.shapes]
        role = "group" if any(group.pick for group in self.groups) else "img"
        return Markup(
            f'<svg class="{kind}" viewBox="0 0 {_n(self.width)} {_n(self.height)}"'
            f' width="{_n(self.width)}" role="{role}"'
            f' aria-label="{escape(caption)}">{"".join(parts)}</svg>'
        )


def _n(value: float) -> str:
    return f"{round(value, 1) + 0.0:g}"


def _colour(colour: Colour) -> str:
    return f"var(--{colour})" if isinstance(colour, str) else colour.variable


def _group(group: Group) -> str:
    shapes = "".join(map(_shape, group.shapes))
    if group.of is None:
        return shapes
    title = f"<title>{escape(group.label)}</title>" if group.label else ""
    pick = (
        ' class="pick" role="button" tabindex="0" aria-pressed="true"'
        if group.pick
        else ""
    )
    return f'<g data-s="{group.of.key}"{pick}>{title}{shapes}</g>'


def _shape(shape: Shape) -> str:
    if isinstance(shape, Text):
        x, y = shape.at
        anchor = (
            f' text-anchor="{_ANCHORS[shape.align]}"' if shape.align != "left" else ""
        )
        bold = ' font-weight="650"' if shape.bold else ""
        return (
            f'<text x="{_n(x)}" y="{_n(y)}" font-size="{_n(shape.size)}"'
            f' fill="{_colour(shape.colour)}"{anchor}{bold}>{escape(shape.text)}</text>'
        )
    if isinstance(shape, Mark):
        scale = f" scale({shape.size / 10:.3g})" if shape.size != 10 else ""
        return (
            f'<path transform="translate({_n(shape.at[0])} {_n(shape.at[1])}){scale}"'
            f" {mark_svg(shape.style)}/>"
        )
    opacity = f' opacity="{shape.opacity:g}"' if shape.opacity != 1 else ""
    if isinstance(shape, Area):
        return f'<path d="{_path(shape.points)}Z" fill="{_colour(shape.colour)}"{opacity}/>'
    path = f'd="{"".join(map(_path, shape.parts))}" fill="none"'
    casing = (
        f'<path {path} stroke="var(--paper)" stroke-width="{_n(shape.width + 2)}"/>'
        if shape.cased
        else ""
    )
    dash = f' stroke-dasharray="{" ".join(map(_n, shape.dash))}"' if shape.dash else ""
    return (
        f'{casing}<path {path} stroke="{_colour(shape.colour)}"'
        f' stroke-width="{_n(shape.width)}"{dash}{opacity}/>'
    )


def mark_svg(style: Style) -> str:
    """Return the attributes of an SVG path that draws a strategy's mark around the origin, 10
    pixels wide.
    """
    if style.hollow:
        dash = ' stroke-dasharray="3.4 2.2"' if style.marker == "h" else ""
        return (
            f'd="{style.svg_mark}" fill="var(--paper)" stroke="{style.variable}"'
            f' stroke-width="2"{dash}'
        )
    return (
        f'd="{style.svg_mark}" fill="{style.variable}" stroke="var(--paper)" stroke-width="1.2"'
        ' paint-order="stroke"'
    )


def _path(points: Sequence[Point]) -> str:
    """Return a short path through points, with ``H`` and ``V`` and without repeated points."""
    x, y = (_n(value) for value in points[0])
    parts = [f"M{x} {y}"]
    for point in points[1:]:
        right, down = (_n(value) for value in point)
        if right == x and down == y:
            continue
        parts.append(
            f"H{right}"
            if down == y
            else f"V{down}"
            if right == x
            else f"L{right} {down}"
        )
        x = right
        y = down
    return "".join(parts)


@dataclass(frozen=True)
class Picture:
    """A picture of a page: the stem of its file names, its caption, the function that draws it, and
    its width.
    """

    name: str
    caption: str
    draw: Callable[[float], Canvas | Sketch] = field(repr=False, compare=False)
    width: float = HALF

    @cached_property
    def svg(self) -> Markup:
        """Return two SVG elements, for wide and for narrow windows. The style sheet shows the one
        that fits the window.
        """
        desk = self.draw(self.width)
        if not isinstance(desk, Canvas):
            return Markup(sketch_svg(desk))
        slim = self.draw(SLIM)
        assert isinstance(slim, Canvas)
        return desk.svg("desk", self.caption) + slim.svg("slim", self.caption)

    @property
    def wide_svg(self) -> Markup:
        """Return the picture as SVG that spans a whole row of the page."""
        return replace(self, width=WIDE).svg


@dataclass(frozen=True)
class Scale:
    """A map from values to pixels along an axis. Values outside the axis are mapped to its ends."""

    low: float
    high: float
    start: float
    end: float
    kind: Literal["linear", "root", "log"] = "linear"

    def __call__(self, value: float) -> float:
        """Return the pixel of a value."""
        low, high, at = map(self._bent, (self.low, self.high, value))
        share = (at - low) / ((high - low) or 1.0)
        return self.start + min(max(share, 0.0), 1.0) * (self.end - self.start)

    def pixels(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the positions of values on the axis, in pixels."""
        if self.kind == "log":
            return np.array([self(value) for value in values.tolist()])
        low, high = map(self._bent, (self.low, self.high))
        bent = np.sqrt(values - self.low) if self.kind == "root" else values
        share = np.clip((bent - low) / ((high - low) or 1.0), 0.0, 1.0)
        return np.asarray(self.start + share * (self.end - self.start))

    def _bent(self, value: float) -> float:
        if self.kind == "log":
            return math.log10(max(value, 1e-300))
        return math.sqrt(max(value - self.low, 0.0)) if self.kind == "root" else value

    def ticks(self, apart: float = 44.0) -> list[tuple[float, str]]:
        """Return round tick values and their labels, at least `apart` pixels apart."""
        values = (
            self._linear(apart) if self.kind == "linear" else self._bent_ticks(apart)
        )
        return [(value, short(value)) for value in values]

    def _linear(self, apart: float) -> list[float]:
        most = max(int(abs(self.end - self.start) / apart), 1)
        raw = ((self.high - self.low) or 1.0) / most
        power = 10.0 ** math.floor(math.log10(raw))
        step = next(
            power * nice
            for nice in (1, 2, 2.5, 5, 10)
            if power * nice >= raw * (1 - 1e-9)
        )
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [float(f"{i * step:.10g}") for i in range(first, last + 1)]

    def _bent_ticks(self, apart: float) -> list[float]:
        high = max(self.high, 1e-300)
        low = max(self.low, high * 1e-4)
        powers = range(
            math.floor(math.log10(high)), math.floor(math.log10(low)) - 1, -1
        )
        ticks = [0.0] if self.kind == "root" and self.low <= 0 else []
        for nice in (1, 5, 2) if self.kind == "root" else (1, 3, 2, 5):
            for value in (nice * 10.0**power for power in powers):
                if self.low <= value <= self.high and all(
                    abs(self(value) - self(tick)) >= apart for tick in ticks
                ):
                    ticks.append(value)
        return sorted(ticks)


def short(value: float) -> str:
    """Format a number for an axis as a short text."""
    size = abs(value)
    text = f"{value:,.6g}"
    if size >= 1e6:
        text = f"{value / 1e6:g}M"
    elif size >= 1e4:
        text = f"{value / 1e3:g}k"
    return text.replace("-", "−")


def ring(x: float, y: float, radius: float, corners: int = 16) -> list[Point]:
    """Return the points of a circle, starting and ending at its right end, in pixels."""
    angles = [2 * math.pi * corner / corners for corner in range(corners + 1)]
    return [
        (x + radius * math.cos(angle), y + radius * math.sin(angle)) for angle in angles
    ]


def text_width(text: str, size: float = 13.0) -> float:
    """Return the approximate width of a text in pixels."""
    return _CHARACTER * size * len(text)


def name_ends(
    canvas: Canvas,
    ends: Mapping[str, float],
    styles: Mapping[str, Style],
    x: float,
    *,
    most: float,
    longest: int,
) -> None:
    """Label every curve at its end at `x`, without overlaps and not below `most`. Labels are moved
    as little as possible (in the least-squares sense), and touching labels move together.
    """
    from scipy.optimize import isotonic_regression

    names = sorted(ends, key=lambda name: ends[name])
    steps = LINE * np.arange(len(names))
    heights: list[float] = []
    if names:
        at = np.array([ends[name] for name in names])
        heights = (isotonic_regression(at - steps).x + steps).tolist()
    if heights and heights[-1] > most:
        heights = [y - min(heights[-1] - most, max(heights[0], 0.0)) for y in heights]
    for name, height in zip(names, heights, strict=True):
        style = styles[name]
        with canvas.of(style, name):
            canvas.line(
                [(x, ends[name]), (x + 9, height), (x + 14, height)],
                colour=style,
                opacity=0.7,
            )
            canvas.mark(x + 20, height, style, 10.0)
            canvas.text(x + 29, height + 4, plain(name, longest), size=12, colour="ink")
