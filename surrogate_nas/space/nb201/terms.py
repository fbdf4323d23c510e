"""Cells as graphs of shared terms, on which the graph network computes every class once.

A live cell is a sum of terms, and a term is the input or a convolution of such a sum, pooled zero
or more times; ``none`` is dropped, skips are contracted, pooling is distributed over sums (as in
`surrogate_nas.space.nb201`). No node has a name in it, so relabelling changes nothing, and cells
that compute the same function are the same sum. The whole space has only 132 different terms, and
59 different sums inside convolutions, so an embedding of each is all that a network has to compute;
a cell is then one row of counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from surrogate_nas.space.base import Enumerable
from surrogate_nas.space.four_nodes import INCOMING
from surrogate_nas.space.network import CONV1, NONE, POOL, SKIP, Counts, Level, Terms

Term: TypeAlias = tuple[Any, int]
"""``(base, poolings)``; the base is ``()``, the input, or ``(operation, sum)``."""
Sum: TypeAlias = tuple[tuple[Term, int, int], ...]
"""The different terms of a sum, each with how often it is added and for how many convolutions of
that form.
"""


class _Use(NamedTuple):
    """A summand: its term, the edge that names its convolution, and all convolutions inside it."""

    term: Term
    name: int | None
    inside: frozenset[tuple[Term, int]]


@lru_cache(maxsize=1)
def terms_of(space: Enumerable) -> Terms:
    """Find the terms of the space, once a process (about a second)."""
    classes = np.arange(len(space)) if space.classes is None else space.classes
    _, first = np.unique(classes, return_index=True)
    outputs = [_output(space[int(i)].choices) for i in first]
    inside = [Counter(term for term, _ in _inside(output)) for output in outputs]
    sums = [_sum(output) for output in outputs]
    terms: set[Term] = set()
    for term, _, _ in (entry for total in sums for entry in total):
        _collect(term, terms)
    terms.update(term for live in inside for term in live)
    columns: dict[Term, int] = {}
    levels = []
    for depth in range(1 + max(map(_depth, terms))):
        here = sorted(term for term in terms if _depth(term) == depth)
        unpooled = [term for term in here if term[1] == 0]
        before = len(columns)
        columns |= {term: i for i, term in enumerate(unpooled, before)}
        pooled = []
        for poolings in range(1, 1 + max(term[1] for term in here)):
            more = [term for term in here if term[1] == poolings]
            pooled.append([columns[base, poolings - 1] for base, _ in more])
            columns |= {term: i for i, term in enumerate(more, len(columns))}
        if depth:
            levels.append(
                Level(
                    np.stack([_row(base[1], columns, before) for base, _ in unpooled]),
                    sum(base[0] == CONV1 for base, _ in unpooled),
                    tuple(pooled),
                )
            )
    counts = np.zeros((len(outputs), 3 * len(columns)), dtype=np.float32)
    for row, (total, live) in enumerate(zip(sums, inside, strict=True)):
        counts[row, : 2 * len(columns)] = _row(total, columns, len(columns))
        for term, n in live.items():
            counts[row, 2 * len(columns) + columns[term]] = n
    return Terms(sum(not base for base, _ in columns), tuple(levels), counts)


def _output(choices: tuple[int, ...]) -> list[_Use]:
    nodes = [[_Use(((), 0), None, frozenset())]]
    for incoming in INCOMING:
        node: list[_Use] = []
        for edge, source in incoming:
            operation = choices[edge]
            summands = nodes[source]
            if operation == NONE or not summands:
                continue
            if operation == SKIP:
                node += summands
            elif operation == POOL:
                node += [
                    _Use((use.term[0], use.term[1] + 1), use.name, use.inside)
                    for use in summands
                ]
            else:
                term = ((operation, _sum(summands)), 0)
                node.append(_Use(term, edge, _inside(summands) | {(term, edge)}))
        nodes.append(node)
    return nodes[-1]


def _inside(uses: Iterable[_Use]) -> frozenset[tuple[Term, int]]:
    return frozenset().union(*(use.inside for use in uses))


def _sum(uses: Iterable[_Use]) -> Sum:
    uses = list(uses)
    times = Counter(use.term for use in uses)
    different = Counter(term for term, _ in {(use.term, use.name) for use in uses})
    return tuple(sorted((term, n, different[term]) for term, n in times.items()))


def _depth(term: Term) -> int:
    base = term[0]
    return 1 + max(_depth(inner) for inner, _, _ in base[1]) if base else 0


def _collect(term: Term, terms: set[Term]) -> None:
    base, poolings = term
    terms.update((base, k) for k in range(poolings + 1))
    for inner, _, _ in base[1] if base else ():
        _collect(inner, terms)


def _row(total: Sum, columns: dict[Term, int], width: int) -> Counts:
    row = np.zeros(2 * width, dtype=np.float32)
    for term, times, different in total:
        row[columns[term]] = times
        row[width + columns[term]] = different
    return row
