"""When do two cells of the micro space compute the same?

The skeleton holds a cell ten times. Three of these change width and resolution, and there a skip from the input is a
convolution with weights of its own (see `surrogate_nas.space.transnas.sizes`). Two cells that are the same there are
the same everywhere.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from functools import cache

from surrogate_nas.space.four_nodes import EDGES
from surrogate_nas.space.transnas.graph import NONE, SKIP

_INPUT = -1
Sums = dict[int, tuple[int, ...]]
"""For every edge with weights what it reads: a sum of the input and of other such edges."""


@cache
def functional_class(choices: tuple[int, ...]) -> str:
    """A canonical form that two cells share exactly when they compute the same functions of their live weights.

    ``none`` is dropped, skips between inner nodes are contracted, sums are flattened, and live operations with weights
    are named, so that a result used twice differs from two operations; of all namings the smallest text is taken.

    Args:
        choices: The operation of each edge, in the order of the string.
    """
    output, read = _sums(choices)
    live = _live(output, read)
    return min(_write(output, read, choices, names) for names in _namings(live, read, choices))


def _sums(choices: tuple[int, ...]) -> tuple[tuple[int, ...], Sums]:
    """What the output sums, and what every operation with weights reads."""
    nodes: list[tuple[int, ...]] = [(_INPUT,), (), (), ()]
    read: Sums = {}
    for edge, (source, target) in enumerate(EDGES):
        if choices[edge] == NONE or not nodes[source]:
            continue
        if choices[edge] == SKIP and source:
            nodes[target] += nodes[source]
        else:
            read[edge] = nodes[source]
            nodes[target] += (edge,)
    return nodes[-1], read


def _live(output: tuple[int, ...], read: Sums) -> list[int]:
    """The edges with weights that the output depends on, each after those that it reads."""
    found = {_INPUT}
    waiting = list(output)
    while waiting:
        edge = waiting.pop()
        if edge not in found:
            found.add(edge)
            waiting += read[edge]
    return sorted(found - {_INPUT})


def _namings(live: list[int], read: Sums, choices: tuple[int, ...]) -> Iterator[dict[int, int]]:
    """Every naming that could give the smallest text: only edges that look alike without names can change places."""
    shapes = {_INPUT: "x"}
    for edge in live:
        shapes[edge] = f"{choices[edge]}({'+'.join(sorted(shapes[part] for part in read[edge]))})"
    ordered = sorted(live, key=lambda edge: shapes[edge])
    groups = [list(group) for _, group in itertools.groupby(ordered, key=lambda edge: shapes[edge])]
    for arrangement in itertools.product(*map(itertools.permutations, groups)):
        yield {_INPUT: 0} | {edge: i for i, edge in enumerate(itertools.chain.from_iterable(arrangement), 1)}


def _write(output: tuple[int, ...], read: Sums, choices: tuple[int, ...], names: dict[int, int]) -> str:
    """One line: the operations by name with what each reads, then what the output sums; 0 is the input."""

    def total(parts: tuple[int, ...]) -> str:
        return "+".join(map(str, sorted(names[part] for part in parts)))

    operations = sorted((name, edge) for edge, name in names.items() if name)
    return " ".join([*(f"{name}={choices[edge]}({total(read[edge])})" for name, edge in operations), total(output)])
