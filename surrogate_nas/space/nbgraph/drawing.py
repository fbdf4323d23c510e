"""A NAS-Bench-Graph cell as a tree, from the input on the left to the output on the right."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from surrogate_nas.space.nbgraph.trees import NODES, Links
from surrogate_nas.space.sketch import INK, MIDDLE, PAPER, Arrow, Box, Frame, Mark, Point, Sketch, Text, curved

_KINDS = {"skip": MIDDLE, "fc": "#009e73"}
_GRAPH = "#0072b2"
_PAPER = (331.2, 172.8)
_GAPS = (17.0, 19.0)
_HEIGHT, _PADDING, _LETTER = 17.0, 9.0, 5.6
"""Of a box, around its text, and of a letter of it, in points."""


def tree(links: Links, operations: Sequence[str]) -> Sketch:
    """Sketch a cell: a box for every node; graph operations blue, the fully connected green, skips grey.

    Args:
        links: What each node reads; 0 is the input.
        operations: Each node's operation.
    """
    arrows, places, out = _skeleton(links)
    boxes: list[Mark] = [*_label(places[0], "in", INK), *_label(out, "out", INK)]
    for place, operation in zip(places[1:], operations, strict=True):
        boxes += _label(place, operation, _KINDS.get(operation, _GRAPH))
    return Sketch(_PAPER, [*arrows, *boxes])


@lru_cache(maxsize=64)
def _skeleton(links: Links) -> tuple[tuple[Arrow, ...], tuple[Point, ...], Point]:
    """The arrows, and where input, nodes and output stand, in points."""
    places = _places(links)
    right = max(x for x, _ in places) + 1.0
    last = [node for node in range(1, NODES + 1) if node not in links]
    output = right, sum(places[node][1] for node in last) / len(last)
    heights = [y for _, y in places]
    frame = Frame.around((-0.35, right + 0.35), (min(heights) - 0.7, max(heights) + 0.7), _PAPER)
    ends = [(places[source], places[node]) for node, source in enumerate(links, 1)]
    ends += [(places[node], output) for node in last]
    arrows = [Arrow(curved(frame.at(start), frame.at(end), 0.0, _GAPS), INK, 1.3) for start, end in ends]
    return tuple(arrows), tuple(map(frame.at, places)), frame.at(output)


def _places(links: Links) -> list[Point]:
    """Where input and nodes stand: further right the deeper, a node amid those that read it."""
    heights: dict[int, float] = {}
    free = 0

    def stand(node: int) -> float:
        nonlocal free
        readers = [other for other, source in enumerate(links, 1) if source == node]
        if readers:
            heights[node] = sum(map(stand, readers)) / len(readers)
        else:
            heights[node], free = -float(free), free + 1
        return heights[node]

    stand(0)
    depths = [0]
    for source in links:
        depths.append(depths[source] + 1)
    return [(float(depths[node]), heights[node]) for node in range(NODES + 1)]


@lru_cache(maxsize=1024)
def _label(place: Point, text: str, colour: str) -> tuple[Box, Text]:
    width = max(_HEIGHT, _PADDING + _LETTER * len(text))
    return Box(place, (width, _HEIGHT), _HEIGHT / 3, PAPER, colour, 1.6), Text(place, text, colour=colour)
