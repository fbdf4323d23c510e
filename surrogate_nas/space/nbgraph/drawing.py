"""A NAS-Bench-Graph cell as a tree, from the input on the left to the output on the right."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch

from surrogate_nas.space.nbgraph.trees import NODES, Links

_INK, _MIDDLE, _PAPER = "#24292f", "#848d97", "#fefefe"
"""As in reports: for lines and text, for what only passes on, and for the ground."""
_KINDS = {"skip": _MIDDLE, "fc": "#009e73"}
_GRAPH = "#0072b2"
Place = tuple[float, float]


def draw_cell(figure: Figure, links: Links, operations: Sequence[str]) -> None:
    """Draw a cell: a box for every node; graph operations blue, the fully connected green, skips grey.

    Args:
        figure: An empty figure of the size of `NBGraph.drawing_size`.
        links: What each node reads; 0 is the input.
        operations: Each node's operation.
    """
    axes = figure.add_axes((0, 0, 1, 1))
    places = _places(links)
    right = max(x for x, _ in places) + 1.0
    output = (right, _middle([places[node] for node in range(1, NODES + 1) if node not in links]))
    for node, source in enumerate(links, 1):
        _arrow(axes, places[source], places[node])
        if node not in links:
            _arrow(axes, places[node], output)
    for place, name in ((places[0], "in"), (output, "out")):
        _label(axes, place, name, _INK, "circle")
    for place, operation in zip(places[1:], operations, strict=True):
        _label(axes, place, operation, _KINDS.get(operation, _GRAPH), "round")
    heights = [y for _, y in places]
    axes.set_xlim(-0.35, right + 0.35)
    axes.set_ylim(min(heights) - 0.7, max(heights) + 0.7)
    axes.axis("off")


def _places(links: Links) -> list[Place]:
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


def _middle(places: Sequence[Place]) -> float:
    return sum(y for _, y in places) / len(places)


def _arrow(axes: Axes, start: Place, end: Place) -> None:
    axes.add_patch(
        FancyArrowPatch(
            start, end, arrowstyle="-|>", mutation_scale=11, shrinkA=17, shrinkB=19, color=_INK, linewidth=1.3, zorder=1
        )
    )


def _label(axes: Axes, place: Place, text: str, colour: str, shape: str) -> None:
    box = {"facecolor": _PAPER, "edgecolor": colour, "boxstyle": f"{shape},pad=0.3", "linewidth": 1.6}
    axes.text(*place, text, ha="center", va="center", fontsize=9, color=colour, zorder=3, bbox=box)
