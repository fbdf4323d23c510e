"""Cells of four nodes with an operation on each of six edges; operation 0 is none."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

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
"""(from, to): all edges into node 1, then into node 2, then into node 3, which is the output."""
PATHS = ((3,), (0, 4), (1, 5), (0, 2, 5))
"""The four input→output paths, as edges in the order of the string."""
INCOMING = (((0, 0),), ((1, 0), (2, 1)), ((3, 0), (4, 1), (5, 2)))
"""For every node behind the input its (edge, source node) pairs."""


def path_live(choices: Choices) -> NDArray[np.bool_]:
    """Whether each of the four paths carries the input to the output, shape ``(n, 4)``."""
    return np.stack(
        [(choices[:, list(path)] != NONE).all(axis=1) for path in PATHS], axis=1
    )


def edge_live(choices: Choices) -> NDArray[np.bool_]:
    """Whether each edge lies on a live path, shape ``(n, 6)``."""
    paths = path_live(choices)
    live = np.zeros(choices.shape, dtype=bool)
    for p, path in enumerate(PATHS):
        live[:, list(path)] |= paths[:, [p]]
    return live


def path_counts(choices: Choices, first: int, kinds: int) -> NDArray[np.float32]:
    """How often up to three operations lead from input to output, all others contracted.

    Counted are `kinds` operations from `first` on; a column for each sequence, short ones first.
    """
    base = kinds + 1
    counts = np.zeros((len(choices), base**3), dtype=np.float32)
    for carried, path in zip(path_live(choices).T, PATHS, strict=True):
        code = np.zeros(len(choices), dtype=np.int64)
        for edge in path:
            operation = choices[:, edge].astype(np.int64) - first + 1
            code = np.where(operation > 0, code * base + operation, code)
        np.add.at(counts, (np.arange(len(choices)), code), carried)
    return counts[:, _sequences(base)]


@lru_cache(maxsize=2)
def _sequences(base: int) -> list[int]:
    return [
        code for code in range(base**3) if "0" not in np.base_repr(code, base).lstrip("0")
    ]


def arrangements(shapes: Mapping[int, str]) -> Iterator[tuple[int, ...]]:
    """Every order of operations that could give the smallest text; only similar ones change places.

    Args:
        shapes: By operation what it looks like without names.
    """
    ordered = sorted(sorted(shapes), key=shapes.__getitem__)
    groups = [
        list(group) for _, group in itertools.groupby(ordered, key=shapes.__getitem__)
    ]
    for arrangement in itertools.product(*map(itertools.permutations, groups)):
        yield tuple(itertools.chain.from_iterable(arrangement))


NOTHING = ("", MIDDLE)
SKIP = ("skip", INK)
CONV1 = ("conv 1×1", "#0072b2")
CONV3 = ("conv 3×3", "#d55e00")
POOL = ("pool 3×3", "#009e73")
"""Operations as they are shown: label and colour; `NOTHING` is a faint dotted line."""
_PAPER = (288.0, 144.0)
_FRAME = Frame.around((-0.3, 4.35), (-0.95, 1.37), _PAPER, equal=True)
_NODES = ((0.0, 0.0), (1.35, 0.0), (2.7, 0.0), (4.05, 0.0))
_NAMES = ("in", "1", "2", "out")
_RADIUS = 0.22 * _FRAME.scale[0]
_ABOVE = 0.17
_BEND = {(0, 2): -0.52, (1, 3): 0.52, (0, 3): -0.56}
"""How far the edges that jump over nodes bend, in units of their length; negative upwards."""
_GAPS = (13.0, 14.0)
_DISCS: tuple[Mark, ...] = (
    *(
        Box(_FRAME.at(at), (2 * _RADIUS, 2 * _RADIUS), _RADIUS, PAPER, INK, 1.3)
        for at in _NODES
    ),
    *(Text(_FRAME.at(at), name) for at, name in zip(_NODES, _NAMES, strict=True)),
)


def four_nodes(cell: Cell, shown: Sequence[tuple[str, str]]) -> Sketch:
    """Sketch a cell: `NOTHING` is dotted; edges on no path to the output are grey, dashed."""
    live = _live(tuple(choice != NONE for choice in cell.choices))
    labelled = [
        _edge(edge, shown[choice], alive)
        for edge, choice, alive in zip(EDGES, cell.choices, live, strict=True)
    ]
    arrows, labels = zip(*labelled, strict=True)
    return Sketch(_PAPER, [*arrows, *(label for label in labels if label), *_DISCS])


@lru_cache(maxsize=64)
def _live(is_used: tuple[bool, ...]) -> tuple[bool, ...]:
    return tuple(edge_live(np.array([is_used], dtype=np.int8))[0].tolist())


@lru_cache(maxsize=128)
def _edge(
    nodes: tuple[int, int],
    shown: tuple[str, str],
    live: bool,
) -> tuple[Arrow, Text | None]:
    label, colour = shown if live else (shown[0], MIDDLE)
    start, end = (_FRAME.at(_NODES[node]) for node in nodes)
    bend = _BEND.get(nodes, 0.0)
    arrow = Arrow(curved(start, end, bend, _GAPS), colour, 2.0 if live else 1.2)
    if shown == NOTHING:
        return arrow._replace(dash=(1, 3), opacity=0.6, head=0.0), None
    (x0, _), (x1, _) = (_NODES[node] for node in nodes)
    place = _FRAME.at(((x0 + x1) / 2, -bend * (x1 - x0) / 2 if bend else _ABOVE))
    text = Text(place, label, colour=colour, ground=PAPER if bend else "")
    return arrow if live else arrow._replace(dash=(4, 2)), text
