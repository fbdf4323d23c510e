"""A finished figure: vector graphics for the page and for papers, pixels for slides, and what is shown, in words."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from surrogate_nas.report.look import INK, PAPER, RC

_DOTS_PER_INCH = 160
_NO_METADATA = dict.fromkeys(("Creator", "Date", "Format", "Type"))
_UNTOLD = {"svg": _NO_METADATA, "pdf": dict.fromkeys(("Creator", "Producer", "CreationDate"))}
"""What would differ between two files of the same figure, or between two versions of the library, by ending."""
_PAPER_RC: Any = RC | {"pdf.fonttype": 42}
_VARIABLES = (
    "<style>:root{--ink:#24292f;--paper:#ffffff}"
    "@media(prefers-color-scheme:dark){:root{--ink:#d5dbe2;--paper:#0f141a}}</style>"
)


@dataclass(frozen=True)
class Picture:
    """A drawn figure.

    Attributes:
        name: The stem of its file.
        caption: Exactly what is shown, as plain text.
        svg: For the page; follows its light or dark scheme.
        png: On white.
        draw: Fills an empty figure.
        size: Width and height in inches.
        layout: Matplotlib's layout engine, or None.
    """

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
        with matplotlib.rc_context(_PAPER_RC):
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
    """Draw a figure once and keep it in both forms.

    Args:
        name: The stem of its file.
        caption: Exactly what is shown.
        draw: Fills an empty figure.
        size: Width and height in inches.
        layout: Matplotlib's layout engine; None where `draw` places its axes itself.
    """
    with matplotlib.rc_context(RC):
        figure = _drawn(draw, size, layout)
        vector, pixels = io.BytesIO(), io.BytesIO()
        figure.savefig(vector, format="svg", transparent=True, metadata=_NO_METADATA)
        figure.set_layout_engine("none")  # placed once; a second layout would cost as much as the drawing
        figure.savefig(pixels, format="png", facecolor="white")
    svg = _follow_scheme(vector.getvalue().decode())
    return Picture(name, caption, svg, pixels.getvalue(), draw, size, layout)


def _drawn(draw: Callable[[Figure], None], size: tuple[float, float], layout: Any) -> Figure:
    figure = Figure(figsize=size, dpi=_DOTS_PER_INCH, layout=layout)
    draw(figure)
    return figure


def _follow_scheme(svg: str) -> bytes:
    """Replace the two colours that depend on light or dark by variables; drop what precedes the root element."""
    svg = svg[svg.index("<svg") :].replace(INK, "var(--ink)").replace(PAPER, "var(--paper)")
    end = svg.index(">") + 1
    return (svg[:end] + _VARIABLES + svg[end:]).encode()
