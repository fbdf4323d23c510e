"""Pictures: shapes in pixels that sections place; pages set them as SVG, files for papers are drawn
of the same shapes.

Colours are names that the page knows or a strategy's, so that a picture follows its page into the
dark. What belongs to one strategy is a group that the page's script finds, to dim the others or to
hide it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, NamedTuple, TypeAlias

from markupsafe import Markup, escape

from surrogate_nas.report.style import Look, plain
from surrogate_nas.space.sketch import Sketch, sketch_svg

WIDE = 1240.0
HALF = 592.0
SLIM = 358.0
"""Pixels that a picture has on a desk, beside another there, and on a telephone."""
LINE = 16.0
"""Between two labels at the ends of curves."""
_CHARACTER = 0.56
"""The width of a character on average, of its size."""
_ANCHORS = {"left": "start", "center": "middle", "right": "end"}

Point: TypeAlias = tuple[float, float]
Paint: TypeAlias = str | Look
Align: TypeAlias = Literal["left", "center", "right"]


class Line(NamedTuple):
    """Lines through points; a casing in the colour of the paper keeps those that cross apart."""

    parts: Sequence[Sequence[Point]]
    paint: Paint
    width: float
    dash: tuple[float, ...] = ()
    opacity: float = 1.0
    cased: bool = False


class Area(NamedTuple):
    """What points enclose."""

    points: Sequence[Point]
    paint: Paint
    opacity: float = 1.0


class Mark(NamedTuple):
    """A strategy's mark, of a size in pixels."""

    at: Point
    look: Look
    size: float


class Text(NamedTuple):
    """A line of text on its base line."""

    at: Point
    text: str
    size: float
    align: Align
    paint: Paint
    bold: bool


Shape: TypeAlias = Line | Area | Mark | Text


@dataclass
class Group:
    """Shapes of one strategy, or of none; to pick is to hide or show the strategy everywhere."""

    of: Look | None
    pick: bool
    said: str
    shapes: list[Shape] = field(default_factory=list)


class Canvas:
    """Takes shapes, from the lowest to the uppermost.

    Attributes:
        width: In pixels.
        height: In pixels.
        groups: What was drawn.
    """

    def __init__(self, width: float, height: float) -> None:
        """Begin an empty picture."""
        self.width = width
        self.height = height
        self.groups: list[Group] = []

    @contextmanager
    def of(self, look: Look, said: str = "", *, pick: bool = False) -> Iterator[None]:
        """What is drawn within belongs to a strategy; what is said of it is shown where the pointer
        rests.
        """
        self.groups.append(Group(look, pick, said))
        yield
        self.groups.append(Group(None, False, ""))

    def _add(self, shape: Shape) -> None:
        if not self.groups:
            self.groups.append(Group(None, False, ""))
        self.groups[-1].shapes.append(shape)

    def line(
        self,
        *parts: Sequence[Point],
        paint: Paint,
        width: float = 1.0,
        dash: tuple[float, ...] = (),
        opacity: float = 1.0,
        cased: bool = False,
    ) -> None:
        """Draw lines that look alike."""
        if kept := [part for part in parts if part]:
            self._add(Line(kept, paint, width, dash, opacity, cased))

    def area(self, points: Sequence[Point], paint: Paint, opacity: float = 1.0) -> None:
        """Fill what points enclose."""
        if len(points) > 2:
            self._add(Area(points, paint, opacity))

    def rectangle(
        self,
        left: float,
        top: float,
        right: float,
        bottom: float,
        paint: Paint,
        opacity: float = 1,
    ) -> None:
        """Fill a rectangle."""
        self.area([(left, top), (right, top), (right, bottom), (left, bottom)], paint, opacity)

    def mark(self, x: float, y: float, look: Look, size: float = 11.0) -> None:
        """Set a strategy's mark."""
        self._add(Mark((x, y), look, size))

    def text(
        self,
        x: float,
        y: float,
        text: str,
        *,
        size: float = 11.0,
        align: Align = "left",
        paint: Paint = "quiet",
        bold: bool = False,
    ) -> None:
        """Write a line of text on its base line."""
        self._add(Text((x, y), text, size, align, paint, bold))

    def put(self, other: Canvas, right: float, down: float) -> None:
        """Set another picture into this one, so far from its upper left corner."""

        def moved(points: Sequence[Point]) -> list[Point]:
            return [(x + right, y + down) for x, y in points]

        for group in other.groups:
            shapes: list[Shape] = []
            for shape in group.shapes:
                if isinstance(shape, Line):
                    shapes.append(shape._replace(parts=[moved(part) for part in shape.parts]))
                elif isinstance(shape, Area):
                    shapes.append(shape._replace(points=moved(shape.points)))
                else:
                    shapes.append(shape._replace(at=moved([shape.at])[0]))
            self.groups.append(Group(group.of, group.pick, group.said, shapes))

    def svg(self, kind: str, said: str) -> Markup:
        """The picture as an element of a page, of a class, with what it shows in words."""
        parts = [_group(group) for group in self.groups if group.shapes]
        role = "group" if any(group.pick for group in self.groups) else "img"
        return Markup(
            f'<svg class="{kind}" viewBox="0 0 {_n(self.width)} {_n(self.height)}"'
            f' width="{_n(self.width)}" role="{role}"'
            f' aria-label="{escape(said)}">{"".join(parts)}</svg>'
        )


def _n(value: float) -> str:
    """A number of pixels in few letters."""
    return f"{round(value, 1) + 0.0:g}"


def _colour(paint: Paint) -> str:
    return f"var(--{paint})" if isinstance(paint, str) else paint.variable


def _group(group: Group) -> str:
    shapes = "".join(map(_shape, group.shapes))
    if group.of is None:
        return shapes
    title = f"<title>{escape(group.said)}</title>" if group.said else ""
    pick = ' class="pick" role="button" tabindex="0" aria-pressed="true"' if group.pick else ""
    return f'<g data-s="{group.of.key}"{pick}>{title}{shapes}</g>'


def _shape(shape: Shape) -> str:
    if isinstance(shape, Text):
        (x, y), anchor = (
            shape.at,
            f' text-anchor="{_ANCHORS[shape.align]}"' if shape.align != "left" else "",
        )
        bold = ' font-weight="650"' if shape.bold else ""
        return (
            f'<text x="{_n(x)}" y="{_n(y)}" font-size="{_n(shape.size)}"'
            f' fill="{_colour(shape.paint)}"{anchor}{bold}>{escape(shape.text)}</text>'
        )
    if isinstance(shape, Mark):
        scale = f" scale({shape.size / 10:.3g})" if shape.size != 10 else ""
        return (
            f'<path transform="translate({_n(shape.at[0])} {_n(shape.at[1])}){scale}"'
            f" {mark_svg(shape.look)}/>"
        )
    opacity = f' opacity="{shape.opacity:g}"' if shape.opacity != 1 else ""
    if isinstance(shape, Area):
        return f'<path d="{_path(shape.points)}Z" fill="{_colour(shape.paint)}"{opacity}/>'
    path = f'd="{"".join(map(_path, shape.parts))}" fill="none"'
    casing = (
        f'<path {path} stroke="var(--paper)" stroke-width="{_n(shape.width + 2)}"/>'
        if shape.cased
        else ""
    )
    dash = f' stroke-dasharray="{" ".join(map(_n, shape.dash))}"' if shape.dash else ""
    return (
        f'{casing}<path {path} stroke="{_colour(shape.paint)}"'
        f' stroke-width="{_n(shape.width)}"{dash}{opacity}/>'
    )


def mark_svg(look: Look) -> str:
    """The attributes of a path that is a strategy's mark around the origin, 10 pixels wide."""
    if look.hollow:
        dash = ' stroke-dasharray="3.4 2.2"' if look.dotted else ""
        return (
            f'd="{look.svg_mark}" fill="var(--paper)" stroke="{look.variable}"'
            f' stroke-width="2"{dash}'
        )
    return (
        f'd="{look.svg_mark}" fill="{look.variable}" stroke="var(--paper)" stroke-width="1.2"'
        ' paint-order="stroke"'
    )


def _path(points: Sequence[Point]) -> str:
    """Points as a path; horizontal and vertical lines in few letters, what does not move left
    out.
    """
    x, y = (_n(value) for value in points[0])
    parts = [f"M{x} {y}"]
    for point in points[1:]:
        right, down = (_n(value) for value in point)
        if right == x and down == y:
            continue
        parts.append(f"H{right}" if down == y else f"V{down}" if right == x else f"L{right} {down}")
        x = right
        y = down
    return "".join(parts)


@dataclass(frozen=True)
class Picture:
    """A picture of a page: the stem of its files, what it shows in words, how it is drawn, and how
    wide on a desk.
    """

    name: str
    caption: str
    draw: Callable[[float], Canvas | Sketch] = field(repr=False, compare=False)
    width: float = HALF

    @cached_property
    def svg(self) -> Markup:
        """For a page: as wide as on a desk, and as on a telephone, of which the style shows one."""
        drawn = self.draw(self.width)
        if not isinstance(drawn, Canvas):
            return Markup(sketch_svg(drawn))
        slim = self.draw(SLIM)
        assert isinstance(slim, Canvas)
        return drawn.svg("desk", self.caption) + slim.svg("slim", self.caption)


@dataclass(frozen=True)
class Scale:
    """From values to pixels; what lies outside stands at the edge. A root axis keeps 0 and opens
    what is near it.
    """

    low: float
    high: float
    start: float
    end: float
    kind: Literal["linear", "root", "log"] = "linear"

    def __call__(self, value: float) -> float:
        """Where a value stands."""
        low, high, at = map(self._bent, (self.low, self.high, value))
        share = (at - low) / ((high - low) or 1.0)
        return self.start + min(max(share, 0.0), 1.0) * (self.end - self.start)

    def _bent(self, value: float) -> float:
        if self.kind == "log":
            return math.log10(max(value, 1e-300))
        return math.sqrt(max(value - self.low, 0.0)) if self.kind == "root" else value

    def ticks(self, apart: float = 44.0) -> list[tuple[float, str]]:
        """Round values with their texts, so many pixels apart at least."""
        values = self._linear(apart) if self.kind == "linear" else self._bent_ticks(apart)
        return [(value, short(value)) for value in values]

    def _linear(self, apart: float) -> list[float]:
        most = max(int(abs(self.end - self.start) / apart), 1)
        raw = ((self.high - self.low) or 1.0) / most
        power = 10.0 ** math.floor(math.log10(raw))
        step = next(power * nice for nice in (1, 2, 2.5, 5, 10) if power * nice >= raw * (1 - 1e-9))
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [float(f"{i * step:.10g}") for i in range(first, last + 1)]

    def _bent_ticks(self, apart: float) -> list[float]:
        high = max(self.high, 1e-300)
        powers = range(
            math.floor(math.log10(high)), math.floor(math.log10(max(self.low, high * 1e-4))) - 1, -1
        )
        kept = [0.0] if self.kind == "root" and self.low <= 0 else []
        for nice in (1, 5, 2) if self.kind == "root" else (1, 3, 2, 5):
            for value in (nice * 10.0**power for power in powers):
                if self.low <= value <= self.high and all(
                    abs(self(value) - self(one)) >= apart for one in kept
                ):
                    kept.append(value)
        return sorted(kept)


def short(value: float) -> str:
    """A number for an axis in few letters."""
    size = abs(value)
    text = (
        f"{value / 1e6:g}M"
        if size >= 1e6
        else f"{value / 1e3:g}k"
        if size >= 1e4
        else f"{value:,.6g}"
    )
    return text.replace("-", "−")


def text_width(text: str, size: float = 13.0) -> float:
    """About how wide a text is."""
    return _CHARACTER * size * len(text)


def name_ends(
    canvas: Canvas,
    ends: Mapping[str, float],
    looks: Mapping[str, Look],
    x: float,
    *,
    most: float,
    longest: int,
) -> None:
    """Name every curve where it ends at `x`, beside its mark, no two labels over one another, none
    below `most`.
    """
    names = sorted(ends, key=lambda name: ends[name])
    places = apart([ends[name] for name in names], LINE)
    if places and places[-1] > most:
        places = [place - min(places[-1] - most, max(places[0], 0.0)) for place in places]
    for name, place in zip(names, places, strict=True):
        look = looks[name]
        with canvas.of(look, name):
            canvas.line([(x, ends[name]), (x + 9, place), (x + 14, place)], paint=look, opacity=0.7)
            canvas.mark(x + 20, place, look, 10.0)
            canvas.text(x + 29, place + 4, plain(name, longest), size=12, paint="ink")


def apart(places: Sequence[float], least: float) -> list[float]:
    """Rising numbers moved as little as it takes to be so far apart: neighbours that touch move as
    one block.
    """
    # the mean of the first places that its members would have, and their number
    blocks: list[tuple[float, int]] = []
    for i, place in enumerate(places):
        mean = place - i * least
        n = 1
        while blocks and blocks[-1][0] > mean:
            before, m = blocks.pop()
            mean = (before * m + mean * n) / (m + n)
            n = m + n
        blocks.append((mean, n))
    firsts = [mean for mean, n in blocks for _ in range(n)]
    return [first + i * least for i, first in enumerate(firsts)]
