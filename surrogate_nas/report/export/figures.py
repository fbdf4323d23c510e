"""Every picture of a report as files: an SVG, a PDF and a PNG each, drawn by matplotlib, and their
captions.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from surrogate_nas.files import write_whole
from surrogate_nas.report.export import Format
from surrogate_nas.report.picture import Area, Canvas, Line, Mark, Paint, Shape, Text
from surrogate_nas.report.reading import Results, Source, Study, results_of
from surrogate_nas.report.style import PAINTS
from surrogate_nas.space.sketch import POINTS_PER_INCH

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from surrogate_nas.report.picture import Picture
    from surrogate_nas.space.sketch import Sketch

_PIXELS_PER_INCH = 96.0
_POINTS = 0.75
_DOTS_PER_INCH = 160
"""Of a page; and points in a pixel."""
_UNTOLD: dict[str, dict[str, None]] = {
    "svg": dict.fromkeys(("Creator", "Date", "Format", "Type")),
    "pdf": dict.fromkeys(("Creator", "Producer", "CreationDate")),
    "png": dict.fromkeys(("Software",)),
}
"""What would differ between two files of the same picture, or between two versions of the library,
by ending.
"""
_RC: Any = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "svg.hashsalt": "surrogate_nas",
    "svg.fonttype": "path",
    "text.parse_math": False,
    "pdf.fonttype": 42,
}
_NARROW = 0.88
"""How large text is set beside a page's: this font is wider than those of pages."""


def rendered(picture: Picture) -> dict[str, bytes]:
    """A picture by ending: vectors with fixed colours and embedded letters, or pixels; always the
    same.
    """
    import matplotlib
    from matplotlib.figure import Figure

    drawn = picture.draw(picture.width)
    contents = {}
    canvas = drawn if isinstance(drawn, Canvas) else None
    inches = _inches(drawn)
    with matplotlib.rc_context(_RC):
        figure = Figure(figsize=inches, dpi=_DOTS_PER_INCH)
        if canvas is not None:
            _draw(figure, canvas)
        else:
            from surrogate_nas.space.rendering import render

            render(figure, drawn)  # type: ignore[arg-type]
        for ending, untold in _UNTOLD.items():
            content = io.BytesIO()
            figure.savefig(content, format=ending, metadata=untold, facecolor="white")
            contents[ending] = content.getvalue()
    return contents


def _inches(drawn: Canvas | Sketch) -> tuple[float, float]:
    if isinstance(drawn, Canvas):
        return drawn.width / _PIXELS_PER_INCH, drawn.height / _PIXELS_PER_INCH
    return drawn.size[0] / POINTS_PER_INCH, drawn.size[1] / POINTS_PER_INCH


def _draw(figure: Figure, canvas: Canvas) -> None:
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, canvas.width)
    axes.set_ylim(canvas.height, 0)
    axes.axis("off")
    for group in canvas.groups:
        for shape in group.shapes:
            _draw_shape(axes, shape)


def _colour(paint: Paint) -> str:
    return PAINTS[paint][0] if isinstance(paint, str) else paint.colour


def _draw_shape(axes: Any, shape: Shape) -> None:
    """One shape of a page as matplotlib draws it; later ones lie above."""
    order = len(axes.patches) + len(axes.lines) + len(axes.texts) + 1
    if isinstance(shape, Text):
        axes.text(
            *shape.at,
            shape.text,
            fontsize=shape.size * _POINTS * _NARROW,
            ha=shape.align,
            va="baseline",
            color=_colour(shape.paint),
            weight="bold" if shape.bold else "normal",
            zorder=order,
        )
    elif isinstance(shape, Mark):
        look = shape.look
        face, edge = ("white", look.colour) if look.hollow else (look.colour, "white")
        axes.plot(
            *shape.at,
            marker=look.marker,
            markersize=shape.size * _POINTS,
            markerfacecolor=face,
            markeredgecolor=edge,
            markeredgewidth=1.4 if look.hollow else 0.6,
            zorder=order,
        )
    elif isinstance(shape, Area):
        axes.fill(
            *zip(*shape.points, strict=True),
            color=_colour(shape.paint),
            alpha=shape.opacity,
            linewidth=0,
            zorder=order,
        )
    else:
        _draw_line(axes, shape, order)


def _draw_line(axes: Any, line: Line, order: int) -> None:
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path as Curve

    points = [point for part in line.parts for point in part]
    codes = [
        code for part in line.parts for code in [Curve.MOVETO, *[Curve.LINETO] * (len(part) - 1)]
    ]
    width = line.width * _POINTS
    casing = ((width + 1.5, "white", "solid"),) if line.cased else ()
    dash: Any = (0, [length / line.width for length in line.dash]) if line.dash else "solid"
    for wide, colour, style in (*casing, (width, _colour(line.paint), dash)):
        axes.add_patch(
            PathPatch(
                Curve(points, codes),
                fill=False,
                edgecolor=colour,
                linewidth=wide,
                linestyle=style,
                alpha=line.opacity,
                capstyle="butt",
                zorder=order,
            )
        )


def write_figures(source: Source, out: str | Path) -> list[Path]:
    """Draw the figures of the report again for papers; each file is whole or as it was before.

    Args:
        source: A results folder, or a comparison. Of a suite the figures of all problems together
            come first, then each problem's own in a folder of its name; of a path over λ likewise.

    Returns:
        The files, ``captions.txt`` the last.

    Raises:
        UserError: There is nothing to export, or the folder cannot be written.

    Example:
        >>> import surrogate_nas as sn
        >>> from tempfile import TemporaryDirectory
        >>> made = sn.compare("fashion", ["random"], "valid_loss", runs=1, budget=2)
        >>> with TemporaryDirectory() as folder:
        ...     sorted(file.name for file in write_figures(made, folder) if file.stem == "ranking")
        ['ranking.pdf', 'ranking.png', 'ranking.svg']
    """
    results = results_of(source)
    out = Path(out)
    written = []
    captions = []
    for folder, picture in _pictures(results):
        name = f"{folder}{picture.name}"
        captions.append(f"{name}: {picture.caption}\n")
        for ending, content in rendered(picture).items():
            written.append(write_whole(out / f"{name}.{ending}", content))
    return [*written, write_whole(out / "captions.txt", "".join(captions))]


def _pictures(results: Results) -> Iterator[tuple[str, Picture]]:
    """Every figure with its folder."""
    from surrogate_nas.report.page import Page

    whole = results.suite if results.path is None else results.path
    if whole is not None:
        yield from (("", picture) for picture in Page(Study(whole)).pictures)
    for part in results.parts:
        yield from ((part.folder, picture) for picture in Page(Study(part.comparison)).pictures)


EXPORT = Format(write_figures, "figures", "Captions: {out}/captions.txt")
