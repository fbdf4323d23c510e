"""When are two NAS-Bench-201 cells the same? Official isomorphism (6,466 classes) and function (5,044)."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, TypeAlias

_NONE, _SKIP, _POOL = 0, 1, 4
_NODES = ((), ((0, 0),), ((1, 0), (2, 1)), ((3, 0), (4, 1), (5, 2)))
"""For every node its incoming (edge, source node) pairs, edges numbered in the order of the string."""
_OFFICIAL_NAMES = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")

Term: TypeAlias = tuple[Any, ...]
"""A summand of a node: ``()`` is the input, ``(op, edge, terms)`` an operation on a sum of terms."""


def official_string(choices: tuple[int, ...]) -> str:
    """The unique string that NAS-Bench-201 publishes: zeroed branches as ``#``, skips contracted, sums sorted.

    Args:
        choices: The operation of each edge, in the order of the string.
    """
    names = ["0"]
    for incoming in _NODES[1:]:
        summands = []
        for edge, source in incoming:
            operation = choices[edge]
            if operation == _NONE or names[source] == "#":
                summands.append("#")
            elif operation == _SKIP:
                summands.append(names[source])
            else:
                summands.append(f"({names[source]})@{_OFFICIAL_NAMES[operation]}")
        names.append("+".join(sorted(summands)))
    return names[-1]


@cache
def functional_class(choices: tuple[int, ...]) -> str:
    """A canonical form that two cells share exactly when they compute the same functions of their weights.

    ``none`` is dropped, skips are contracted, sums flattened, each live convolution's weights are named (so a
    result used twice differs from two convolutions), and average pooling, being linear, distributes over sums.

    Args:
        choices: The operation of each edge, in the order of the string.
    """
    nodes: list[tuple[Term, ...]] = [((),)]
    for incoming in _NODES[1:]:
        terms: list[Term] = []
        for edge, source in incoming:
            operation = choices[edge]
            if operation == _NONE or not nodes[source]:
                continue
            if operation == _SKIP:
                terms.extend(nodes[source])
            elif operation == _POOL:
                terms.extend((_POOL, None, (term,)) for term in nodes[source])
            else:
                terms.append((operation, edge, nodes[source]))
        nodes.append(tuple(terms))
    output = nodes[-1]
    return min(_write(output, names) for names in _namings(output))


def _convolutions(terms: tuple[Term, ...]) -> Iterator[Term]:
    for term in terms:
        if term:
            if term[1] is not None:
                yield term
            yield from _convolutions(term[2])


def _namings(output: tuple[Term, ...]) -> Iterator[dict[int, str]]:
    """Every naming of the live convolutions that could be the smallest.

    Convolutions are grouped by what they look like without names; only members of a group can change places.
    """
    shapes: dict[int, str] = {term[1]: _write((term,), {}) for term in _convolutions(output)}
    groups: dict[str, list[int]] = {}
    for edge, shape in sorted(shapes.items()):
        groups.setdefault(shape, []).append(edge)
    ordered = [groups[shape] for shape in sorted(groups)]
    for arrangement in itertools.product(*(itertools.permutations(group) for group in ordered)):
        yield {edge: str(i) for i, edge in enumerate(itertools.chain.from_iterable(arrangement))}


def _write(terms: tuple[Term, ...], names: Mapping[int, str]) -> str:
    """Print a sum with its terms sorted; a convolution without a name is printed without one."""
    written = []
    for term in terms:
        if not term:
            written.append("x")
        else:
            operation, edge, inner = term
            name = "" if edge is None else names.get(edge, "")
            written.append(f"{operation}{'w' + name if name else ''}({_write(inner, names)})")
    return "+".join(sorted(written))
