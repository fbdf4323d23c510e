"""A genotype as two graphs: a node is a box with its two operations, joined by arrows to where they come from."""

from __future__ import annotations

from functools import lru_cache

from surrogate_nas.space.darts.genotype import INPUTS, Edge, Genotype
from surrogate_nas.space.sketch import INK, MIDDLE, PAPER, Arrow, Box, Frame, Mark, Point, Sketch, Text, curved

_COLOURS = {"sep": "#d55e00", "dil": "#cc79a7", "conv": "#e69f00", "max": "#0072b2", "avg": "#009e73", "skip": INK}
_TITLES = ("normal cell", "reduction cell")
_WIDTH, _HEIGHT, _STEP = 1.0, 0.62, 1.62
"""Of a box, and from one column to the next."""
_NAMED = 0.36
"""The height of a box with a name only."""
_PAPER = (576.0, 374.4)
_HALF = 187.2
"""The height of one of the two."""


def genotype_sketch(genotype: Genotype) -> Sketch:
    """Sketch the normal cell above the reduction cell.

    Args:
        genotype: Both cells.
    """
    marks: list[Mark] = []
    for which, title in enumerate(_TITLES):
        marks += _half(*genotype.part(which), _HALF * which)
        marks.append(Text((5.8, _HALF * which + 8.0), title, colour=MIDDLE, align="left"))
    return Sketch(_PAPER, marks)


@lru_cache(maxsize=1024)
def _half(edges: tuple[Edge, ...], concat: tuple[int, ...], top: float) -> tuple[Mark, ...]:
    places = _places(edges)
    right = _STEP * (1 + max(column for column, _ in places))
    heights = [height for _, height in places]
    frame = Frame.around((-0.45, right + 0.45), (min(heights) - 0.55, max(heights) + 0.65), (_PAPER[0], _HALF), top=top)
    out = right, 0.0
    arrows: list[Mark] = []
    boxes: list[Mark] = []
    for node in concat:
        column, height = places[node]
        arrows.append(_arrow(frame, (_STEP * column + _WIDTH / 2, height), (out[0] - 0.3, out[1]), MIDDLE, 0.9))
    for node in range(INPUTS, len(places)):
        x, y = _STEP * places[node][0], places[node][1]
        boxes.append(_box(frame, (x, y), (_WIDTH, _HEIGHT)))
        for row, (operation, source) in enumerate(edges[2 * (node - INPUTS) : 2 * (node - INPUTS) + 2]):
            start = places[source]
            entry = y + _HEIGHT * (0.25 - 0.5 * row)
            colour = _COLOURS[operation.partition("_")[0]]
            begin = _STEP * start[0] + _half_of(source), start[1]
            arrows.append(_arrow(frame, begin, (x - _WIDTH / 2, entry), colour, 1.4))
            boxes.append(Text(frame.at((x, entry)), _label(operation), 8.0, colour))
        corner = frame.at((x - _WIDTH / 2 + 0.03, y + _HEIGHT / 2))
        boxes.append(Text((corner[0], corner[1] - 4.5), str(node), 7.0, MIDDLE, "left"))
    for node in range(INPUTS):
        boxes += _named(frame, (_STEP * places[node][0], places[node][1]), str(node), 2 * _half_of(node))
    return (*arrows, *boxes, *_named(frame, out, "out", 0.6))


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


def _arrow(frame: Frame, start: Point, end: Point, colour: str, width: float) -> Arrow:
    bend = 0.0 if end[0] - start[0] < _STEP else -0.12 if start[1] >= end[1] else 0.12
    return Arrow(curved(frame.at(start), frame.at(end), bend), colour, width, head=9.0)


def _box(frame: Frame, centre: Point, size: Point) -> Box:
    return Box(frame.at(centre), frame.span(size), 4.0, PAPER, INK, 1.1)


def _named(frame: Frame, centre: Point, name: str, width: float) -> list[Mark]:
    return [_box(frame, centre, (width, _NAMED)), Text(frame.at(centre), name)]
