"""Encodings of NAS-Bench-101's cells: named choices of columns that a model sees, for many cells at
once.

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
    held = operations(choices)
    edges = choices[:, : len(PAIRS)].sum(axis=1)
    return np.column_stack([*((held == kind).sum(axis=0) for kind in range(_KINDS)), edges]).astype(
        np.float32
    )


def paths(choices: Choices) -> Matrix:
    """How many ways from input to output have each sequence of up to three operations; 40
    columns.
    """
    n = len(choices)
    linked = links(choices)
    held = operations(choices)
    found: list[list[Matrix]] = [[np.ones((1, n), np.float32), *_none(n)]]
    for vertex in range(1, MOST_VERTICES):
        arrived = [
            sum(
                (linked[v, vertex] * found[v][length] for v in range(1, vertex)),
                linked[0, vertex] * start,
            )
            for length, start in enumerate(found[0])
        ]
        if vertex == OUTPUT:
            return np.concatenate(arrived).T
        own = held[vertex - 1] == np.arange(_KINDS)[:, None]
        longer = [(part[:, None] * own).reshape(-1, n) for part in arrived[:-1]]
        found.append([np.zeros((1, n), np.float32), *longer])
    raise AssertionError("the last vertex is the output")


def _none(n: int) -> list[Matrix]:
    return [np.zeros((_KINDS**length, n), np.float32) for length in range(1, _LONGEST + 1)]


def shape(choices: Choices) -> Matrix:
    """Vertices, edges into the output and out of the input, ways and depth in all, by operation and
    by what is wide.

    Per subset of the operations: the most vertices that hold one of them on a way from input to
    output, and the ways that hold no other. For each operation: vertices that hold it and read the
    input, and that the output reads. Besides the ways in all, the shortest, whether the input is
    added to the output, and the channels and weights of vertices where the output has 128; 32
    columns.
    """
    linked = links(choices)
    held = operations(choices)
    there = held < _KINDS
    columns = [
        there.sum(axis=0),
        linked[1:OUTPUT, OUTPUT].sum(axis=0),
        linked[0, 1:OUTPUT].sum(axis=0),
        linked[0, OUTPUT],
        choices[:, : len(PAIRS)].sum(axis=1),
        _shortest(linked),
    ]
    for subset in _SUBSETS:
        inside = np.isin(held, subset)
        columns += [longest(linked, inside), _ways(linked, inside)]
    own = channels(linked, _WIDTH) / _WIDTH
    for kind in range(_KINDS):
        here = held == kind
        columns += [
            (here & linked[0, 1:OUTPUT]).sum(axis=0),
            (here & linked[1:OUTPUT, OUTPUT]).sum(axis=0),
        ]
        columns += [(here * own).sum(axis=0), (here * own**2).sum(axis=0)]
    return np.column_stack([column.astype(np.float32) for column in columns])


def _ways(linked: NDArray[np.bool_], allowed: NDArray[np.bool_]) -> NDArray[np.int8]:
    """How many ways lead from input to output over allowed vertices only, shape ``(n,)``."""
    found = np.zeros((MOST_VERTICES, linked.shape[2]), dtype=np.int8)
    found[0] = 1
    for vertex in range(1, MOST_VERTICES):
        arrived = (linked[:vertex, vertex] * found[:vertex]).sum(axis=0, dtype=np.int8)
        found[vertex] = arrived if vertex == OUTPUT else arrived * allowed[vertex - 1]
    return np.asarray(found[OUTPUT])


def _shortest(linked: NDArray[np.bool_]) -> NDArray[np.int8]:
    """The fewest edges from input to output, shape ``(n,)``."""
    found = np.zeros((MOST_VERTICES, linked.shape[2]), dtype=np.int8)
    for vertex in range(1, MOST_VERTICES):
        found[vertex] = (
            np.where(linked[:vertex, vertex], found[:vertex], MOST_VERTICES).min(axis=0) + 1
        )
    return np.asarray(found[OUTPUT])


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
