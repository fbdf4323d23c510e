"""The figures of a report as SVG, PDF and PNG files, rendered with matplotlib, and their
captions.
"""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from surrogate_nas.files import write_whole
from surrogate_nas.report.export import Format
from surrogate_nas.report.picture import (
    Area,
    Canvas,
    Colour,
    Line,
    Mark,
    Point,
    Shape,
    Text,
)
from surrogate_nas.report.reading import (
    Comparison,
    Source,
    Study,
    StudyResult,
    results_of,
)
from surrogate_nas.report.style import COLOURS
from surrogate_nas.space.sketch import POINTS_PER_INCH

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from surrogate_nas.report.picture import Picture

_PIXELS_PER_INCH = 96.0
_POINTS = 0.75
_DOTS_PER_INCH = (
    160  # of pages; of PNG files; ``_POINTS`` are points in a pixel of a page
)
# Metadata that would differ between two files of the same picture, left out, by suffix.
_NO_METADATA: dict[str, dict[str, None]] = {
    "svg": dict.fromkeys(("Creator", "Date", "Format", "Type")),
    "pdf": dict.fromkeys(("Creator", "Producer", "CreationDate")),
    "png": dict.fromkeys(("Software",)),
}
_RC: Any = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "svg.hashsalt": "surrogate_nas",
    "svg.fonttype": "path",
    "text.parse_math": False,
    "pdf.fonttype": 42,
}
_NARROW = 0.88  # text is set smaller than on a page, since this font is wider


def rendered(picture: "Picture") -> dict[str, bytes]:
    """Render a picture as files, by suffix. The files are reproducible, with fixed colours and
    embedded fonts.
    """
    import matplotlib
    from matplotlib.figure import Figure

    from surrogate_nas.space.rendering import render

    drawing = picture.draw(picture.width)
    files = {}
    with matplotlib.rc_context(_RC):
        figure = Figure(dpi=_DOTS_PER_INCH)
        if isinstance(drawing, Canvas):
            figure.set_size_inches(
                drawing.width / _PIXELS_PER_INCH, drawing.height / _PIXELS_PER_INCH
            )
            _draw(figure, drawing)
        else:
            width, height = drawing.size
            figure.set_size_inches(width / POINTS_PER_INCH, height / POINTS_PER_INCH)
            render(figure, drawing)
        for suffix, metadata in _NO_METADATA.items():
            content = io.BytesIO()
            figure.savefig(content, format=suffix, metadata=metadata, facecolor="white")
            files[suffix] = content.getvalue()
    return files


def _draw(figure: "Figure", canvas: Canvas) -> None:
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, canvas.width)
    axes.set_ylim(canvas.height, 0)
    axes.axis("off")
    for group in canvas.groups:
        for shape in group.shapes:
            _draw_shape(axes, shape)


def _colour(colour: Colour) -> str:
    return COLOURS[colour][0] if isinstance(colour, str) else colour.colour


def _draw_shape(axes: Any, shape: Shape) -> None:
    order = len(axes.patches) + len(axes.lines) + len(axes.texts) + 1
    if isinstance(shape, Text):
        axes.text(
            *shape.at,
            shape.text,
            fontsize=shape.size * _POINTS * _NARROW,
            ha=shape.align,
            va="baseline",
            color=_colour(shape.colour),
            weight="bold" if shape.bold else "normal",
            zorder=order,
        )
    elif isinstance(shape, Mark):
        style = shape.style
        face, edge = (
            ("white", style.colour) if style.hollow else (style.colour, "white")
        )
        axes.plot(
            *shape.at,
            marker=style.marker,
            markersize=shape.size * _POINTS,
            markerfacecolor=face,
            markeredgecolor=edge,
            markeredgewidth=1.4 if style.hollow else 0.6,
            zorder=order,
        )
    elif isinstance(shape, Area):
        axes.fill(
            *zip(*shape.points, strict=True),
            color=_colour(shape.colour),
            alpha=shape.opacity,
            linewidth=0,
            zorder=order,
        )
    else:
        _draw_line(axes, shape, order)


def _draw_line(axes: Any, line: Line, order: int) -> None:
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path as Curve

    points: list[Point] = []
    codes = []
    for part in line.parts:
        points += part
        codes += [Curve.MOVETO, *[Curve.LINETO] * (len(part) - 1)]
    curve = Curve(points, codes)
    width = line.width * _POINTS
    dash: Any = "solid"
    if line.dash:
        dash = (0, [length / line.width for length in line.dash])
    strokes = [(width, _colour(line.colour), dash)]
    if line.cased:
        strokes.insert(0, (width + 1.5, "white", "solid"))
    for stroke_width, colour, style in strokes:
        patch = PathPatch(
            curve,
            fill=False,
            edgecolor=colour,
            linewidth=stroke_width,
            linestyle=style,
            alpha=line.opacity,
            capstyle="butt",
            zorder=order,
        )
        axes.add_patch(patch)


def write_figures(source: Source, out: str | Path) -> list[Path]:
    """Write the figures of a report to files for use in papers. Each file is written atomically.

    Args:
        source: A folder of results, or a comparison. For a suite or a path over λ, the joint
            figures come first. The figures of each problem are in a folder with the problem's name.

    Returns:
        The files. The last file is ``captions.txt``.

    Raises:
        UserError: There is nothing to export, or the folder is not writable.

    Example:
        >>> import surrogate_nas as sn
        >>> from tempfile import TemporaryDirectory
        >>> comparison = sn.compare(
        ...     "fashion", ["random"], "valid_loss", runs=1, budget=2
        ... )
        >>> with TemporaryDirectory() as folder:
        ...     sorted(
        ...         file.name
        ...         for file in write_figures(comparison, folder)
        ...         if file.stem == "ranking"
        ...     )
        ['ranking.pdf', 'ranking.png', 'ranking.svg']
    """
    result = results_of(source)
    out = Path(out)
    written = []
    captions = []
    for folder, picture in pictures(result):
        name = f"{folder}{picture.name}"
        captions.append(f"{name}: {picture.caption}\n")
        for suffix, content in rendered(picture).items():
            written.append(write_whole(out / f"{name}.{suffix}", content))
    return [*written, write_whole(out / "captions.txt", "".join(captions))]


def pictures(result: StudyResult) -> "Iterator[tuple[str, Picture]]":
    """Yield every figure with its folder: the folder of a problem, or an empty string for a joint
    figure.
    """
    from surrogate_nas.report.page import Page

    if result.problems and not isinstance(result, Comparison):
        for picture in Page(Study(result)).pictures:
            yield "", picture
    for comparison in result.comparisons.values():
        folder = f"{comparison.problem}/" if comparison.problem else ""
        for picture in Page(Study(comparison)).pictures:
            yield folder, picture


EXPORT = Format(
    write_figures,
    "figures",
    "Captions: {out}/captions.txt",
    "the pictures of the report as SVG, PDF and PNG",
)
