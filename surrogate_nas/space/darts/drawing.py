"""A genotype as two graphs: a node is a box with its two operations, joined by arrows to where they come from."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from surrogate_nas.space.darts.genotype import INPUTS, Edge, Genotype

INK, MIDDLE, PAPER = "#24292f", "#848d97", "#fefefe"
"""As in reports: for lines and text, for what is always there, and for the ground."""
_COLOURS = {"sep": "#d55e00", "dil": "#cc79a7", "conv": "#e69f00", "max": "#0072b2", "avg": "#009e73", "skip": INK}
_TITLES = ("normal cell", "reduction cell")
_WIDTH, _HEIGHT, _STEP = 1.0, 0.62, 1.62
"""Of a box, and from one column to the next."""


def draw_genotype(figure: Figure, genotype: Genotype) -> None:
    """Draw the normal cell above the reduction cell.

    Args:
        figure: An empty figure of the size of `GenotypeSpace.drawing_size`.
        genotype: Both cells.
    """
    for which, title in enumerate(_TITLES):
        axes = figure.add_axes((0.0, 0.5 - 0.5 * which, 1.0, 0.5))
        _draw_cell(axes, *genotype.part(which))
        axes.text(0.01, 0.98, title, transform=axes.transAxes, ha="left", va="top", fontsize=9, color=MIDDLE)


def _draw_cell(axes: Axes, edges: tuple[Edge, ...], concat: tuple[int, ...]) -> None:
    places = _places(edges)
    right = _STEP * (1 + max(column for column, _ in places))
    out = right, 0.0
    for node in concat:
        column, height = places[node]
        _arrow(axes, (_STEP * column + _WIDTH / 2, height), (out[0] - 0.3, out[1]), MIDDLE, 0.9)
    for node in range(INPUTS, len(places)):
        x, y = _STEP * places[node][0], places[node][1]
        for row, (operation, source) in enumerate(edges[2 * (node - INPUTS) : 2 * (node - INPUTS) + 2]):
            start = places[source]
            entry = y + _HEIGHT * (0.25 - 0.5 * row)
            colour = _COLOURS[operation.partition("_")[0]]
            _arrow(axes, (_STEP * start[0] + _half_of(source), start[1]), (x - _WIDTH / 2, entry), colour, 1.4)
            axes.text(x, entry, _label(operation), ha="center", va="center", fontsize=8, color=colour, zorder=4)
        _box(axes, (x, y), _WIDTH, _HEIGHT)
        axes.text(x - _WIDTH / 2 + 0.03, y + _HEIGHT / 2 + 0.03, str(node), fontsize=7, color=MIDDLE, va="bottom")
    for node in range(INPUTS):
        _named(axes, places[node], str(node), 2 * _half_of(node))
    _named(axes, (out[0] / _STEP, out[1]), "out", 0.6)
    heights = [height for _, height in places]
    axes.set_xlim(-0.45, right + 0.45)
    axes.set_ylim(min(heights) - 0.55, max(heights) + 0.65)
    axes.axis("off")


def _places(edges: tuple[Edge, ...]) -> list[tuple[int, float]]:
    """The column and the height of every node: a column after its sources, a little apart within one."""
    columns = [0] * INPUTS
    for node in range(0, len(edges), 2):
        columns.append(1 + max(columns[source] for _, source in edges[node : node + 2]))
    places = []
    for node, column in enumerate(columns):
        beside = [other for other, its in enumerate(columns) if its == column]
        lift = 0.28 * (-1) ** column if len(beside) == 1 and column else 0.0
        places.append((column, 1.15 * ((len(beside) - 1) / 2 - beside.index(node)) + lift))
    return places


def _half_of(node: int) -> float:
    """Half the width of a node's box."""
    return 0.17 if node < INPUTS else _WIDTH / 2


def _label(operation: str) -> str:
    """Such as ``sep 3×3``; a skip has no size."""
    kind, _, rest = operation.partition("_")
    size = rest.rpartition("_")[2].replace("x", "×")
    return {"skip": "skip", "conv": "7×1, 1×7"}.get(kind, f"{kind} {size}")


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float], colour: str, width: float) -> None:
    style = "arc3,rad=0" if end[0] - start[0] < _STEP else f"arc3,rad={-0.12 if start[1] >= end[1] else 0.12}"
    axes.add_patch(
        FancyArrowPatch(
            start, end, connectionstyle=style, arrowstyle="-|>", mutation_scale=9, shrinkA=0, shrinkB=0, color=colour,
            linewidth=width, zorder=1,
        )
    )  # fmt: skip


def _box(axes: Axes, centre: tuple[float, float], width: float, height: float) -> None:
    corner = centre[0] - width / 2, centre[1] - height / 2
    axes.add_patch(
        FancyBboxPatch(
            corner, width, height, boxstyle="round,pad=0,rounding_size=0.08", facecolor=PAPER, edgecolor=INK,
            linewidth=1.1, zorder=3,
        )
    )  # fmt: skip


def _named(axes: Axes, place: tuple[float, float], name: str, width: float) -> None:
    centre = _STEP * place[0], place[1]
    _box(axes, centre, width, 0.36)
    axes.text(*centre, name, ha="center", va="center", fontsize=9, zorder=4)
