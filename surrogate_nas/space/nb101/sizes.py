"""Channels, sizes, structure and encodings of NAS-Bench-101's networks; exact as published.

Paths are those of White, Neiswanger & Savani, "BANANAS", AAAI 2021, which was made for this space;
cut off as there, since long ones are rare. Graph features are in the spirit of Kadlecová et al.,
"Surprisingly Strong Performance Prediction with Neural Graph Features" (GRAF), ICML 2024. None of
them depends on the order of the vertices.

With 128 channels and three cells a stage, `params` are the benchmark's own
``trainable_parameters``. The channels of a cell's output are shared out among the vertices that
lead to it, the first ones taking what is left over; every other vertex has as many as the widest
that it leads to.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.space.base import (
    Analysed,
    Analytic,
    Column,
    Encoding,
    by_name,
    macs_of,
    params_of,
    structural,
    together,
)
from surrogate_nas.space.cell import Choices
from surrogate_nas.space.nb101.graphs import MOST_VERTICES, OPERATIONS, PAIRS
from surrogate_nas.space.network import Network

OUTPUT = MOST_VERTICES - 1
"""Where choices have the output, however many vertices there are."""
CONV3, CONV1, POOL = range(len(OPERATIONS))


def links(choices: Choices) -> NDArray[np.bool_]:
    """Whether an edge leads from one vertex to another, shape ``(7, 7, n)``."""
    linked = np.zeros((MOST_VERTICES, MOST_VERTICES, len(choices)), dtype=bool)
    rows, columns = zip(*PAIRS, strict=True)
    linked[rows, columns] = choices[:, : len(PAIRS)].T == 1
    return linked


def operations(choices: Choices) -> Choices:
    """The operation of every inner vertex, shape ``(5, n)``; 3 for a missing one."""
    return np.ascontiguousarray(choices[:, len(PAIRS) :].T)


def channels(linked: NDArray[np.bool_], outputs: int) -> NDArray[np.int64]:
    """The channels of inner vertices, shape ``(5, n)``; 0 for missing ones."""
    last = linked[1:OUTPUT, OUTPUT]
    n_sources = np.maximum(last.sum(axis=0), 1)
    first = np.cumsum(last, axis=0) <= outputs % n_sources
    widths = np.where(last, outputs // n_sources + first, 0)
    for vertex in range(OUTPUT - 2, 0, -1):
        widest = np.where(linked[vertex, 1:OUTPUT], widths, 0).max(axis=0)
        widths[vertex - 1] = np.where(last[vertex - 1], widths[vertex - 1], widest)
    return widths


def _sized(choices: Choices, network: Network, *, macs: bool) -> Column:
    linked = links(choices)
    kinds = operations(choices)
    stem = network.taps * network.input_channels * network.channels
    areas = [size**network.dimensions for _, size in network.stages]
    of_stem = stem * areas[0] if macs else stem + 2 * network.channels
    total = np.full(len(choices), of_stem, dtype=np.float64)
    before = network.channels
    kernel = np.array([network.taps, 1, 0, 0])[kinds]
    for (width, _), area in zip(network.stages, areas, strict=True):
        own = channels(linked, width)
        inner = kernel * own * own if macs else kernel * own * own + 2 * own * (kernel > 0)
        cell = inner.sum(axis=0)
        projected = (
            np.where(linked[0, 1:OUTPUT], own, 0).sum(axis=0) + width * linked[0, OUTPUT]
        )
        for inputs, times in ((before, 1), (width, network.cells_per_stage - 1)):
            total += (
                times
                * (area if macs else 1)
                * (cell + projected * (inputs if macs else inputs + 2))
            )
        before = width
    head = (before + 1) * network.classes
    return total + (head * network.answers if macs else head)


parameters = partial(_sized, macs=False)
multiply_accumulates = partial(_sized, macs=True)
"""Of all cells, shape ``(n,)``, whole numbers."""


def _along(
    linked: NDArray[np.bool_],
    first: int,
    absent: int,
    merge: Callable[..., NDArray[np.int8]],
    step: Callable[[NDArray[np.int8], int], NDArray[np.int8]],
) -> NDArray[np.int8]:
    """What comes to the output of a value of the input, shape ``(n,)``.

    At every vertex the values of those that lead to it are merged, `absent` for the others, and
    changed by a step.
    """
    values = np.zeros((MOST_VERTICES, linked.shape[2]), dtype=np.int8)
    values[0] = first
    for vertex in range(1, MOST_VERTICES):
        arrived = np.where(linked[:vertex, vertex], values[:vertex], absent)
        values[vertex] = step(merge(arrived, axis=0), vertex)
    return np.asarray(values[OUTPUT])


def longest(linked: NDArray[np.bool_], counted: NDArray[np.bool_]) -> NDArray[np.int8]:
    """The most counted vertices on a way from the input to the output, shape ``(n,)``."""
    own = np.vstack([counted, np.zeros_like(counted[:1])])
    return _along(
        linked, 0, -MOST_VERTICES, np.max, lambda most, vertex: most + own[vertex - 1]
    )


def _counted(name: str, description: str, *kinds: int) -> Analysed:
    return structural(
        name, description, lambda choices: np.isin(operations(choices), kinds).sum(axis=0)
    )


ANALYTIC: Analytic = by_name(
    params_of(parameters),
    macs_of(multiply_accumulates),
    _counted(
        "convolutions", "vertices that hold one, projections not counted", CONV3, CONV1
    ),
    _counted("convolutions3x3", "vertices that hold a 3×3 one", CONV3),
    _counted("pools", "vertices that hold a pooling", POOL),
    structural(
        "depth",
        "most vertices on a way from input to output",
        lambda choices: longest(links(choices), operations(choices) < len(OPERATIONS)),
    ),
    structural(
        "edges", "of the cell", lambda choices: choices[:, : len(PAIRS)].sum(axis=1)
    ),
)


Matrix = NDArray[np.float32]
_KINDS = len(OPERATIONS)
_LONGEST = 3
_SUBSETS = tuple(
    subset for size in (1, 2, 3) for subset in itertools.combinations(range(_KINDS), size)
)
_WIDTH = 128


def operation_counts(choices: Choices) -> Matrix:
    """How many vertices hold each operation, and how many edges there are; 4 columns."""
    kinds = operations(choices)
    edges = choices[:, : len(PAIRS)].sum(axis=1)
    return np.column_stack(
        [*((kinds == kind).sum(axis=0) for kind in range(_KINDS)), edges]
    ).astype(np.float32)


def paths(choices: Choices) -> Matrix:
    """How many ways to the output have each sequence of up to three operations; 40 columns."""
    n = len(choices)
    linked = links(choices)
    kinds = operations(choices)
    nothing = [
        np.zeros((_KINDS**length, n), np.float32) for length in range(1, _LONGEST + 1)
    ]
    paths_to: list[list[Matrix]] = [[np.ones((1, n), np.float32), *nothing]]
    for vertex in range(1, MOST_VERTICES):
        arrived = []
        for length, start in enumerate(paths_to[0]):
            counts = linked[0, vertex] * start
            for v in range(1, vertex):
                counts = counts + linked[v, vertex] * paths_to[v][length]
            arrived.append(counts)
        if vertex == OUTPUT:
            return np.concatenate(arrived).T
        own = kinds[vertex - 1] == np.arange(_KINDS)[:, None]
        longer = [(part[:, None] * own).reshape(-1, n) for part in arrived[:-1]]
        paths_to.append([np.zeros((1, n), np.float32), *longer])
    raise AssertionError("the last vertex is the output")


def shape(choices: Choices) -> Matrix:
    """Vertices, edges at input and output, ways and depth: in all, by operation, and by width.

    Per subset of the operations: the most vertices that hold one of them on a way from input to
    output, and the ways that hold no other. For each operation: vertices that hold it and read the
    input, and that the output reads. Besides the ways in all, the shortest, whether the input is
    added to the output, and the channels and weights of vertices where the output has 128; 32
    columns.
    """
    linked = links(choices)
    kinds = operations(choices)
    there = kinds < _KINDS
    columns = [
        there.sum(axis=0),
        linked[1:OUTPUT, OUTPUT].sum(axis=0),
        linked[0, 1:OUTPUT].sum(axis=0),
        linked[0, OUTPUT],
        choices[:, : len(PAIRS)].sum(axis=1),
        _along(linked, 0, MOST_VERTICES, np.min, lambda fewest, _: fewest + 1),
    ]
    for subset in _SUBSETS:
        inside = np.isin(kinds, subset)
        columns += [longest(linked, inside), _ways(linked, inside)]
    own = channels(linked, _WIDTH) / _WIDTH
    for kind in range(_KINDS):
        here = kinds == kind
        columns += [
            (here & linked[0, 1:OUTPUT]).sum(axis=0),
            (here & linked[1:OUTPUT, OUTPUT]).sum(axis=0),
        ]
        columns += [(here * own).sum(axis=0), (here * own**2).sum(axis=0)]
    return np.column_stack([column.astype(np.float32) for column in columns])


def _ways(linked: NDArray[np.bool_], allowed: NDArray[np.bool_]) -> NDArray[np.int8]:
    """How many ways lead from input to output over allowed vertices only, shape ``(n,)``."""
    own = np.vstack([allowed, np.ones_like(allowed[:1])])
    return _along(linked, 1, 0, np.sum, lambda ways, vertex: ways * own[vertex - 1])


_functional = together(paths, operation_counts, shape)
ENCODINGS: Mapping[str, Encoding] = {
    "operation_counts": operation_counts,
    "paths": paths,
    "shape": shape,
    "alive": _functional,
    "functional": _functional,
    "path_and_graph": _functional,
}
