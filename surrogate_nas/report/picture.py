"""A finished figure: vector graphics for the page and for papers, pixels for slides, and what is shown, in words."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from surrogate_nas.report.look import DARK_INK, DARK_PAPER, INK, MIDDLE, PAPER, SCHEMES, Look, plain

_DOTS_PER_INCH = 160
_NO_METADATA = dict.fromkeys(("Creator", "Date", "Format", "Type"))
_UNTOLD = {"svg": _NO_METADATA, "pdf": dict.fromkeys(("Creator", "Producer", "CreationDate"))}
"""What would differ between two files of the same figure, or between two versions of the library, by ending."""
_RC: Any = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 10,
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": MIDDLE,
    "grid.alpha": 0.25,
    "grid.linewidth": 0.7,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "lines.linewidth": 1.9,
    "svg.hashsalt": "surrogate_nas",
    "svg.fonttype": "path",
    "text.parse_math": False,
}
"""The settings under which every figure is drawn and saved."""
_LINE_INCHES = 0.15
"""Between two labels at the ends of curves."""


@dataclass(frozen=True)
class Picture:
    """A drawn figure: the stem of its file, a caption, SVG for the page, PNG on white, and how it is drawn anew."""

    name: str
    caption: str
    svg: bytes
    png: bytes
    draw: Callable[[Figure], None] = field(repr=False, compare=False)
    size: tuple[float, float]
    layout: Any

    @property
    def base64(self) -> str:
        """The vector graphics as the address of an image holds it."""
        return base64.b64encode(self.svg).decode()

    def vectors(self) -> dict[str, bytes]:
        """The figure for a paper, by ending: nothing but vectors, colours fixed, letters embedded, always the same."""
        contents = {}
        with matplotlib.rc_context(_RC | {"pdf.fonttype": 42}):
            figure = _drawn(self.draw, self.size, self.layout)
            for artist in figure.findobj(lambda artist: artist.get_rasterized()):
                artist.set_rasterized(False)
            for ending, untold in _UNTOLD.items():
                content = io.BytesIO()
                figure.savefig(content, format=ending, transparent=True, metadata=untold)
                figure.set_layout_engine("none")
                contents[ending] = content.getvalue()
        return contents


def picture(
    name: str, caption: str, draw: Callable[[Figure], None], size: tuple[float, float], layout: Any = "constrained"
) -> Picture:
    """Draw a figure once and keep it in both forms; a layout of None is for one that places its axes itself."""
    with matplotlib.rc_context(_RC):
        figure = _drawn(draw, size, layout)
        vector, pixels = io.BytesIO(), io.BytesIO()
        figure.savefig(vector, format="svg", transparent=True, metadata=_NO_METADATA)
        figure.set_layout_engine("none")  # placed once; a second layout would cost as much as the drawing
        figure.savefig(pixels, format="png", facecolor="white")
    return Picture(name, caption, _follow_scheme(vector.getvalue().decode()), pixels.getvalue(), draw, size, layout)


def _drawn(draw: Callable[[Figure], None], size: tuple[float, float], layout: Any) -> Figure:
    figure = Figure(figsize=size, dpi=_DOTS_PER_INCH, layout=layout)
    draw(figure)
    return figure


def _follow_scheme(svg: str) -> bytes:
    """Replace the colours that depend on light or dark by variables; drop what precedes the root element."""
    svg = svg[svg.index("<svg") :].replace(INK, "var(--ink)").replace(PAPER, "var(--paper)")
    light, dark = [f"--ink:{INK};--paper:#ffffff"], [f"--ink:{DARK_INK};--paper:{DARK_PAPER}"]
    for colour, in_dark in SCHEMES.items():
        if colour in svg:
            svg = svg.replace(colour, f"var(--c{colour[1:]})")
            light.append(f"--c{colour[1:]}:{colour}")
            dark.append(f"--c{colour[1:]}:{in_dark}")
    style = f"<style>:root{{{';'.join(light)}}}@media(prefers-color-scheme:dark){{:root{{{';'.join(dark)}}}}}</style>"
    end = svg.index(">") + 1
    return (svg[:end] + style + svg[end:]).encode()


def marked(look: Look, size: float = 6.0, **more: Any) -> dict[str, Any]:
    """How matplotlib draws points of a strategy with `Axes.plot`."""
    face = "none" if look.hollow else look.colour
    return {"color": look.colour, "marker": look.marker, "markersize": size, "markerfacecolor": face, **more}


def legend(figure: Figure, handles: Sequence[Any], labels: Sequence[str]) -> None:
    """Put a legend above the axes, where it covers nothing; labels are already `plain`."""
    entry = 0.5 + 0.07 * max(map(len, labels))
    columns = max(min(len(labels), int(figure.get_figwidth() / entry)), 1)
    figure.legend(
        handles, labels, loc="outside upper left", ncols=columns, fontsize=9, handlelength=2.6, columnspacing=1.2
    )


def label_ends(axes: Axes, ends: Mapping[str, float], looks: Mapping[str, Look], inches: float) -> None:
    """Name every curve where it ends, beside its mark, no two labels over one another; axes are so many inches high."""
    to_share = axes.transData + axes.transAxes.inverted()
    x = axes.get_xlim()[1]
    at = {name: float(to_share.transform((x, y))[1]) for name, y in ends.items()}
    names = sorted(at, key=lambda name: at[name])
    places = apart([min(max(at[name], 0.0), 1.0) for name in names], _LINE_INCHES / inches)
    for name, place in zip(names, places, strict=True):
        look = looks[name]
        axes.plot([1.0, 1.025, 1.05], [at[name], place, place], color=MIDDLE, linewidth=0.6, clip_on=False,
                  transform=axes.transAxes)  # fmt: skip
        axes.plot(1.07, place, linestyle="none", clip_on=False, transform=axes.transAxes, **marked(look, 5.5))
        axes.text(1.1, place, plain(name), va="center", fontsize=8.5, transform=axes.transAxes)


def apart(places: Sequence[float], least: float) -> list[float]:
    """Rising numbers moved as little as it takes to be so far apart: neighbours that touch move as one block."""
    blocks: list[tuple[float, int]] = []  # the mean of the first places that its members would have, and their number
    for i, place in enumerate(places):
        mean, n = place - i * least, 1
        while blocks and blocks[-1][0] > mean:
            before, m = blocks.pop()
            mean, n = (before * m + mean * n) / (m + n), m + n
        blocks.append((mean, n))
    firsts = [mean for mean, n in blocks for _ in range(n)]
    return [first + i * least for i, first in enumerate(firsts)]


def rows_of(axes: Axes, labels: Sequence[str]) -> None:
    """Make a row of every label, the first above."""
    axes.set_yticks(range(len(labels)), labels)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="y", visible=False)
    axes.set_ylim(len(labels) - 0.5, -0.5)


def label_log_axis(axes: Axes) -> None:
    """Label a logarithmic vertical axis at 1, 2 and 5 of every power, in plain numbers."""
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(base=10, subs=(1, 2, 5), numticks=15))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
