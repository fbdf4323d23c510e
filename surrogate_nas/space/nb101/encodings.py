"""Encodings of NAS-Bench-101's cells, for many cells at once.

Paths are those of White, Neiswanger & Savani, "BANANAS", AAAI 2021, which was made for this space;
cut off as there, since long ones are rare. Graph features are in the spirit of Kadlecová et al.,
"Surprisingly Strong Performance Prediction with Neural Graph Features" (GRAF), ICML 2024. None of
them depends on the order of the vertices.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.space.base import Encoding
from surrogate_nas.space.cell import Choices
from surrogate_nas.space.nb101.graphs import MOST_VERTICES, OPERATIONS, PAIRS
from surrogate_nas.space.nb101.sizes import OUTPUT, channels, links, longest, operations

Matrix = NDArray[np.float32]
_KINDS = len(OPERATIONS)
_LONGEST = 3
"""Operations of the longest paths that have columns of their own."""
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
    paths_to: list[list[Matrix]] = [[np.ones((1, n), np.float32), *_none(n)]]
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


def _none(n: int) -> list[Matrix]:
    return [np.zeros((_KINDS**length, n), np.float32) for length in range(1, _LONGEST + 1)]


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
        _shortest(linked),
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
    n_ways = np.zeros((MOST_VERTICES, linked.shape[2]), dtype=np.int8)
    n_ways[0] = 1
    for vertex in range(1, MOST_VERTICES):
        arrived = (linked[:vertex, vertex] * n_ways[:vertex]).sum(axis=0, dtype=np.int8)
        n_ways[vertex] = arrived if vertex == OUTPUT else arrived * allowed[vertex - 1]
    return np.asarray(n_ways[OUTPUT])


def _shortest(linked: NDArray[np.bool_]) -> NDArray[np.int8]:
    """The fewest edges from input to output, shape ``(n,)``."""
    distances = np.zeros((MOST_VERTICES, linked.shape[2]), dtype=np.int8)
    for vertex in range(1, MOST_VERTICES):
        distances[vertex] = (
            np.where(linked[:vertex, vertex], distances[:vertex], MOST_VERTICES).min(axis=0) + 1
        )
    return np.asarray(distances[OUTPUT])


def functional(choices: Choices) -> Matrix:
    """`paths`, `operation_counts` and `shape` together."""
    return np.column_stack([paths(choices), operation_counts(choices), shape(choices)])


ENCODINGS: Mapping[str, Encoding] = {
    "operation_counts": operation_counts,
    "paths": paths,
    "shape": shape,
    "alive": functional,
    "functional": functional,
    "path_and_graph": functional,
}
"""Those beside ``one_hot`` and ``numbers``, by name."""
