"""A sketch as an SVG picture that follows the colours of the page around it, light or dark."""

from __future__ import annotations

import math
from html import escape

from surrogate_nas.space.sketch import INK, PAPER, Arrow, Box, Mark, Sketch, Text

_GROUND = "var(--jp-layout-color0,var(--vscode-editor-background,Canvas))"
"""What lies behind an output, in the notebooks that say so."""
_FOLLOWING = {INK: "currentColor", PAPER: _GROUND}
_HEAD = 0.4
"""The length and the width of an arrow's head, of its size."""
_BELOW = 0.35
"""From the middle of a text to its base line, of its size."""
_ANCHOR = {"left": "start", "center": "middle", "right": "end"}
_CHARACTER = 0.58
"""The width of a character on average, of its size."""


def sketch_svg(sketch: Sketch) -> str:
    """Draw a sketch.

    Args:
        sketch: What is drawn.

    Returns:
        An ``svg`` element of the sketch's size in CSS points; every text is escaped.

    Example:
        >>> sketch_svg(Sketch((40.0, 20.0), [Text((20.0, 10.0), "skip")])).count("skip")
        1
    """
    width, height = sketch.size
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" role="img" '
        f'style="width:{width:g}pt;max-width:100%;height:auto;font-family:sans-serif">'
        f"{''.join(map(_mark, sketch.marks))}</svg>"
    )


def _mark(mark: Mark) -> str:
    if isinstance(mark, Box):
        return _box(mark)
    return _arrow(mark) if isinstance(mark, Arrow) else _text(mark)


def _colour(colour: str) -> str:
    return _FOLLOWING.get(colour, escape(colour))


def _box(box: Box) -> str:
    (x, y), (width, height) = box.centre, box.size
    return (
        f'<rect x="{x - width / 2:.1f}" y="{y - height / 2:.1f}" width="{width:.1f}" height="{height:.1f}" '
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
    angle, size = math.degrees(math.atan2(y2 - y1, x2 - x1)), _HEAD * arrow.head
    return (
        f'{line}<path d="M0 0L{-size:.1f} {-size / 2:.1f}V{size / 2:.1f}Z" '
        f'transform="translate({x2:.1f} {y2:.1f}) rotate({angle:.0f})" '
        f'style="fill:{_colour(arrow.colour)};stroke:{_colour(arrow.colour)};stroke-width:{arrow.line:g}"/>'
    )


def _text(text: Text) -> str:
    (x, y), size = text.at, text.size
    behind = ""
    if text.ground:
        width = _CHARACTER * size * len(text.text) + 2
        behind = (
            f'<rect x="{x - width / 2:.1f}" y="{y - 0.65 * size:.1f}" width="{width:.1f}" height="{1.3 * size:.1f}" '
            f'style="fill:{_colour(text.ground)}"/>'
        )
    return (
        f'{behind}<text x="{x:.1f}" y="{y + _BELOW * size:.1f}" text-anchor="{_ANCHOR[text.align]}" '
        f'style="fill:{_colour(text.colour)};font-size:{size:g}px">{escape(text.text)}</text>'
    )
