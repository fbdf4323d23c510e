"""Cells with four nodes and an operation on each of six edges. Operation 0 is ``none``."""

import itertools
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.space.base import Flags, Matrix, structural
from surrogate_nas.space.cell import Cell, Choices
from surrogate_nas.space.sketch import (
    INK,
    MIDDLE,
    PAPER,
    Arrow,
    Box,
    Frame,
    Mark,
    Sketch,
    Text,
    curved,
)

NONE = 0
EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
"""The edges (from, to): into node 1, then into node 2, then into node 3, which is the output."""
PATHS = ((3,), (0, 4), (1, 5), (0, 2, 5))
"""The four paths from input to output, as indices of edges in the order of the string."""
INCOMING = (((0, 0),), ((1, 0), (2, 1)), ((3, 0), (4, 1), (5, 2)))
"""The (edge, source node) pairs of every node except the input."""


def path_live(choices: Choices) -> Flags:
    """Return whether each of the four paths connects input and output, shape ``(n, 4)``."""
    return np.asarray(on_paths(choices == NONE) == 0)


def edge_live(choices: Choices) -> Flags:
    """Return whether each edge lies on a path that connects input and output, shape ``(n, 6)``."""
    live = np.zeros(choices.shape, dtype=bool)
    for carried, path in zip(path_live(choices).T, PATHS, strict=True):
        live[:, list(path)] |= carried[:, None]
    return live


def on_paths(of_edges: Flags) -> NDArray[np.int64]:
    """Count the flagged edges on each of the four paths, shape ``(n, 4)``."""
    return np.stack([of_edges[:, list(path)].sum(axis=1) for path in PATHS], axis=1)


def depth(choices: Choices) -> NDArray[np.int64]:
    """Return the largest number of operations on a live path, without skips, shape ``(n,)``."""
    return np.asarray(
        np.where(path_live(choices), on_paths(choices > 1), 0).max(axis=1)
    )


def live_edges(choices: Choices, operations: Iterable[int]) -> list[NDArray[np.int64]]:
    """Count, for each operation, all live edges, live edges from the input, and live edges into the
    output.
    """
    edges = edge_live(choices)
    return [
        (edges & (choices == operation))[:, list(some)].sum(axis=1)
        for operation in operations
        for some in (range(len(EDGES)), (0, 1, 3), (3, 4, 5))
    ]


def operation_counts(choices: Choices, n: int) -> Matrix:
    """Count the edges with each of `n` operations.

    Edges that do not affect the output are included.
    """
    holds = np.equal(choices[:, :, None], np.arange(n))
    return np.asarray(holds.sum(axis=1), dtype=np.float32)


paths_metric = structural(
    "paths",
    "live paths from input to output",
    lambda choices: path_live(choices).sum(axis=1),
)


def path_counts(choices: Choices, first: int, kinds: int) -> Matrix:
    """Count the paths from input to output by their sequence of up to three operations.

    A sequence contains only the `kinds` operations from number `first` on. Other operations are
    left out of the sequence. There is one column for each sequence, and short sequences come first.
    """
    base = kinds + 1
    counts = np.zeros((len(choices), base**3), dtype=np.float32)
    for carried, path in zip(path_live(choices).T, PATHS, strict=True):
        code = np.zeros(len(choices), dtype=np.int64)
        for operation in choices[:, list(path)].astype(np.int64).T - first + 1:
            code = np.where(operation > 0, code * base + operation, code)
        np.add.at(counts, (np.arange(len(choices)), code), carried)
    whole = [np.base_repr(code, base).lstrip("0") for code in range(base**3)]
    return counts[:, ["0" not in sequence for sequence in whole]]


def arrangements(shapes: Mapping[int, str]) -> Iterator[tuple[int, ...]]:
    """Yield every order of the operations that could give the smallest text of a cell.

    Only operations with equal texts in `shapes` exchange places.

    Args:
        shapes: The text of each operation without names.
    """
    ordered = sorted(sorted(shapes), key=shapes.__getitem__)
    groups = [
        list(group) for _, group in itertools.groupby(ordered, shapes.__getitem__)
    ]
    for arrangement in itertools.product(*map(itertools.permutations, groups)):
        yield tuple(itertools.chain(*arrangement))


SHOWN = (
    ("", MIDDLE),
    ("skip", INK),
    ("conv 1×1", "#0072b2"),
    ("conv 3×3", "#d55e00"),
    ("pool 3×3", "#009e73"),
)
"""The label and the colour of every operation; the operation none is a faint dotted line."""
_PAPER = (288.0, 144.0)
_FRAME = Frame.around((-0.3, 4.35), (-0.95, 1.37), _PAPER, equal=True)
_X = (0.0, 1.35, 2.7, 4.05)
_NODES = tuple(_FRAME.at((x, 0.0)) for x in _X)
_NAMES = ("in", "1", "2", "out")
_RADIUS = 0.22 * _FRAME.scale[0]
# How far the edges that jump over nodes bend, in units of their length; negative upwards.
_BEND = {(0, 2): -0.52, (1, 3): 0.52, (0, 3): -0.56}
_DISCS: tuple[Mark, ...] = (
    *(Box(at, (2 * _RADIUS, 2 * _RADIUS), _RADIUS, PAPER, INK, 1.3) for at in _NODES),
    *map(Text, _NODES, _NAMES),
)


def four_nodes(cell: Cell) -> Sketch:
    """Sketch a cell.

    Edges with ``none`` are dotted, and edges on no path to the output are grey and dashed.
    """
    live = _live(tuple(choice != NONE for choice in cell.choices))
    drawn = map(_edge, EDGES, cell.choices, live)
    arrows, labels = zip(*drawn, strict=True)
    return Sketch(_PAPER, [*arrows, *filter(None, labels), *_DISCS])


@lru_cache(maxsize=64)
def _live(is_used: tuple[bool, ...]) -> tuple[bool, ...]:
    return tuple(edge_live(np.array([is_used], dtype=np.int8))[0].tolist())


@lru_cache(maxsize=128)
def _edge(
    nodes: tuple[int, int], operation: int, live: bool
) -> tuple[Arrow, Text | None]:
    label, colour = SHOWN[operation]
    colour = colour if live else MIDDLE
    start, end = (_NODES[node] for node in nodes)
    bend = _BEND.get(nodes, 0.0)
    arrow = Arrow(curved(start, end, bend, (13.0, 14.0)), colour, 2.0 if live else 1.2)
    if operation == NONE:
        return arrow._replace(dash=(1, 3), opacity=0.6, head=0.0), None
    x0, x1 = (_X[node] for node in nodes)
    point = _FRAME.at(((x0 + x1) / 2, -bend * (x1 - x0) / 2 if bend else 0.17))
    text = Text(point, label, colour=colour, ground=PAPER if bend else "")
    return arrow if live else arrow._replace(dash=(4, 2)), text
