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

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.space.base import (
    Analysed,
    Analytic,
    Column,
    Encoding,
    by_name,
    sizes_of,
    stacked,
    structural,
    together,
)
from surrogate_nas.space.cell import Choices
from surrogate_nas.space.nb101.graphs import MOST_VERTICES, OPERATIONS, PAIRS
from surrogate_nas.space.network import Network

OUTPUT = MOST_VERTICES - 1
"""Where choices have the output, however many vertices there are."""
CONV3, CONV1, POOL = range(len(OPERATIONS))


def edges_of(choices: Choices) -> Choices:
    """Whether each of `PAIRS` is an edge, shape ``(n, 21)``."""
    return choices[:, : len(PAIRS)]


def links(choices: Choices) -> NDArray[np.bool_]:
    """Whether an edge leads from one vertex to another, shape ``(7, 7, n)``."""
    linked = np.zeros((MOST_VERTICES, MOST_VERTICES, len(choices)), dtype=bool)
    linked[tuple(np.transpose(PAIRS))] = edges_of(choices).T == 1
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


def sizes(choices: Choices, network: Network) -> tuple[Column, Column]:
    """Parameters and multiply-accumulates of cells, shape ``(n,)``, whole numbers."""
    linked = links(choices)
    stem = network.taps * network.input_channels * network.channels
    areas = [size**network.dimensions for _, size in network.stages]
    parameters = np.full(len(choices), stem + 2.0 * network.channels)
    macs = np.full(len(choices), float(stem * areas[0]))
    before = network.channels
    kernel = np.array([network.taps, 1, 0, 0])[operations(choices)]
    for (width, _), area in zip(network.stages, areas, strict=True):
        own = channels(linked, width)
        weights = (kernel * own * own).sum(axis=0)
        scales = 2 * (own * (kernel > 0)).sum(axis=0)
        projected = (linked[0, 1:OUTPUT] * own).sum(axis=0) + width * linked[0, OUTPUT]
        for inputs, times in ((before, 1), (width, network.cells_per_stage - 1)):
            parameters += times * (weights + scales + projected * (inputs + 2))
            macs += times * area * (weights + projected * inputs)
        before = width
    head = (before + 1) * network.classes
    return parameters + head, macs + head * network.answers


def _along(
    linked: NDArray[np.bool_],
    first: int,
    absent: int,
    merge: Callable[..., NDArray[np.int8]],
    step: Callable[[NDArray[np.int8], int], NDArray[np.int8]],
) -> NDArray[np.int8]:
    """What comes to the output of a value of the input, shape ``(n,)``."""
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
    *sizes_of(sizes),
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
    structural("edges", "of the cell", lambda choices: edges_of(choices).sum(axis=1)),
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
    counts = [(kinds == kind).sum(axis=0) for kind in range(_KINDS)]
    return stacked(*counts, edges_of(choices).sum(axis=1))


def paths(choices: Choices) -> Matrix:
    """How many ways to the output have each sequence of up to three operations; 40 columns."""
    n = len(choices)
    linked = links(choices)
    kinds = operations(choices)
    nothing = [np.zeros((_KINDS**length, n), np.float32) for length in range(_LONGEST + 1)]
    paths_to: list[list[Matrix]] = [[np.ones((1, n), np.float32), *nothing[1:]]]
    for vertex in range(1, MOST_VERTICES):
        arrived = [
            np.sum([linked[v, vertex] * before for v, before in enumerate(counts)], axis=0)
            for counts in zip(*paths_to, strict=True)
        ]
        if vertex < OUTPUT:
            own = kinds[vertex - 1] == np.arange(_KINDS)[:, None]
            longer = [(part[:, None] * own).reshape(-1, n) for part in arrived[:-1]]
            paths_to.append([nothing[0], *longer])
    return np.concatenate(arrived).T


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
    to_output, from_input = linked[1:OUTPUT, OUTPUT], linked[0, 1:OUTPUT]
    columns = [
        (kinds < _KINDS).sum(axis=0),
        to_output.sum(axis=0),
        from_input.sum(axis=0),
        linked[0, OUTPUT],
        edges_of(choices).sum(axis=1),
        _along(linked, 0, MOST_VERTICES, np.min, lambda fewest, _: fewest + 1),
    ]
    for subset in _SUBSETS:
        inside = np.isin(kinds, subset)
        columns += [longest(linked, inside), _ways(linked, inside)]
    own = channels(linked, _WIDTH) / _WIDTH
    for kind in range(_KINDS):
        here = kinds == kind
        parts = here & from_input, here & to_output, here * own, here * own**2
        columns += [part.sum(axis=0) for part in parts]
    return stacked(*columns)


def _ways(linked: NDArray[np.bool_], allowed: NDArray[np.bool_]) -> NDArray[np.int8]:
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
