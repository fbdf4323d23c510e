"""The shapes of NAS-Bench-Graph's cells: each node reads one earlier node or the input.

A link list gives for every node what it reads, 0 the input and 1 to 4 the nodes. What no node reads
goes to the output. Up to the numbering of nodes there are nine such trees.
"""

from __future__ import annotations

import itertools
from functools import cached_property, lru_cache
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Links: TypeAlias = tuple[int, ...]
"""For each node, from 1 on, the node that it reads; 0 is the input."""
Order: TypeAlias = tuple[int, ...]
"""For each place of a shape the node, from 0 on, that takes it."""

NODES = 4
LINKS: tuple[Links, ...] = (
    (0, 0, 0, 0),
    (0, 0, 0, 1),
    (0, 0, 1, 1),
    (0, 0, 1, 2),
    (0, 0, 1, 3),
    (0, 1, 1, 1),
    (0, 1, 1, 2),
    (0, 1, 2, 2),
    (0, 1, 2, 3),
)
"""The nine shapes, in the benchmark's own order and numbering."""


def renumbered(links: Links, order: Order) -> Links:
    """The link list after nodes have changed their numbers."""
    new = {0: 0} | {node + 1: place for place, node in enumerate(order, 1)}
    return tuple(new[links[node]] for node in order)


@lru_cache(maxsize=1)
def _shapes() -> dict[Links, tuple[int, Order]]:
    """The shape of every valid link list, and the node for each place of the shape."""
    shapes: dict[Links, tuple[int, Order]] = {}
    for shape, links in enumerate(LINKS):
        for order in itertools.permutations(range(NODES)):
            other = renumbered(links, order)
            if all(source < node for node, source in enumerate(other, 1)):
                shapes.setdefault(
                    other, (shape, tuple(order.index(place) for place in range(NODES)))
                )
    return shapes


def shape_of(links: Links) -> tuple[int, Order] | None:
    """The number of a link list's shape, and the node that takes each of its places.

    Returns:
        None where the list is no tree over four nodes.
    """
    return _shaped(links) if len(links) == len(_from_input(links)) == NODES else None


def _from_input(links: Links) -> list[int]:
    """The nodes that the input reaches, from 0 on, each after the one that it reads."""
    order: list[int] = []
    while more := [n for n, s in enumerate(links) if n not in order and (s == 0 or s - 1 in order)]:
        order += more
    return order


def _shaped(tree: Links) -> tuple[int, Order]:
    order = _from_input(tree)
    shape, places = _shapes()[renumbered(tree, tuple(order))]
    return shape, tuple(order[place] for place in places)


def symmetries(shape: int) -> list[Order]:
    """The orders of a shape's nodes that leave its link list as it is."""
    return [
        o
        for o in itertools.permutations(range(NODES))
        if renumbered(LINKS[shape], o) == LINKS[shape]
    ]


def moves(shape: int) -> list[tuple[int, Order]]:
    """Every shape after one node reads another source, with the node for each place of it."""
    links = LINKS[shape]
    others = [
        (*links[:node], source, *links[node + 1 :])
        for node in range(NODES)
        for source in range(NODES + 1)
        if source != links[node]
    ]
    return [known for other in others if (known := shape_of(other)) is not None]


def without_idle_skips(shape: int, skips: tuple[bool, ...]) -> tuple[int, Order]:
    """The benchmark's canonical place of skips that may stand anywhere: first, one after another.

    A skip passes on what it reads, so where it stands in a chain makes no difference: one that
    another node reads, or that alone reads its node, moves to the front. So does one that brings
    the input straight to the output, which the benchmark does not connect. A skip beside other
    readers of its node stays: it brings that node to the output.

    Returns:
        The shape that this makes, and the node for each place of it.
    """
    reads = {node: source for node, source in enumerate(LINKS[shape], 1)}
    front: list[int] = []
    while (
        idle := next((n for n in reads if skips[n - 1] and _is_idle(n, reads)), None)
    ) is not None:
        source = reads.pop(idle)
        reads = {node: source if read == idle else read for node, read in reads.items()}
        front.append(idle)
    after = front[-1] if front else 0
    reads = {node: read or after for node, read in reads.items()} | dict(
        zip(front, [0, *front], strict=False)
    )
    return _shaped(tuple(reads[node] for node in range(1, NODES + 1)))


def _is_idle(skip: int, reads: dict[int, int]) -> bool:
    is_read = skip in reads.values()
    alone = list(reads.values()).count(reads[skip]) == 1
    return is_read or alone or reads[skip] == 0


# Which of NAS-Bench-Graph's architectures are the same, for all of them at once.
#
# An architecture is one number: its shape, then the operation of each place, in the base of the
# number of operations. With the nine operations these are the benchmark's keys, read in base 9
# instead of 10. Of all numbers that mean one architecture the smallest is the canonical one; the
# architecture of four skips, which computes nothing, is none.


Codes = NDArray[np.int64]


class Forms:
    """All ways to write an architecture, and the canonical one of each.

    Attributes:
        operations: How many operations there are; the last is the skip.
        canonical: For every number the canonical one, -1 for the architecture of nothing but skips.
    """

    def __init__(self, operations: int) -> None:
        """Work the canonical forms out."""
        self.operations = operations
        self._weights = operations ** np.arange(NODES - 1, -1, -1)
        self._per_shape = operations**NODES
        self._grid = np.indices((operations,) * NODES).reshape(NODES, -1).T
        self.canonical = np.full(len(LINKS) * self._per_shape, -1)
        self._fill()

    def _fill(self) -> None:
        skip = self._grid == self.operations - 1
        pattern = skip @ (1 << np.arange(NODES))
        rows = {which: np.flatnonzero(pattern == which) for which in range(2**NODES - 1)}
        same = [symmetries(shape) for shape in range(len(LINKS))]
        for shape, (which, row) in itertools.product(range(len(LINKS)), rows.items()):
            skips = tuple(bool(which >> node & 1) for node in range(NODES))
            target, order = without_idle_skips(shape, skips)
            operations = self._grid[row][:, order]
            codes = np.min(
                [self._codes(target, operations[:, list(s)]) for s in same[target]], axis=0
            )
            self.canonical[shape * self._per_shape + row] = codes

    def _codes(self, shape: int, operations: NDArray[Any]) -> Codes:
        return np.asarray(shape * self._per_shape + operations @ self._weights)

    def code(self, shape: int, operations: Order) -> int:
        """The number of an architecture."""
        return int(
            shape * self._per_shape + sum(map(int.__mul__, operations, self._weights.tolist()))
        )

    @cached_property
    def all(self) -> NDArray[np.int8]:
        """The canonical forms by number: shape and four operations, shape ``(n, 5)``."""
        codes = np.flatnonzero(self.canonical == np.arange(len(self.canonical)))
        return np.column_stack(
            [codes // self._per_shape, self._grid[codes % self._per_shape]]
        ).astype(np.int8)

    @cached_property
    def _written(self) -> tuple[Codes, Codes]:
        """All numbers by the canonical one that they mean, and these in the same order."""
        order = np.argsort(self.canonical, kind="stable")
        return order, self.canonical[order]

    @cached_property
    def _moves(self) -> list[list[tuple[int, Order]]]:
        return [moves(shape) for shape in range(len(LINKS))]

    def neighbours(self, code: int) -> list[int]:
        """The canonical numbers of all architectures that are one step away, in their order.

        A step gives a node another operation, or lets it read from elsewhere, in any way of writing
        the architecture.
        """
        order, meant = self._written
        same = order[np.searchsorted(meant, code) : np.searchsorted(meant, code, side="right")]
        rows = []
        for shape, row in zip(
            (same // self._per_shape).tolist(), (same % self._per_shape).tolist(), strict=True
        ):
            operations = self._grid[row]
            for place, weight in enumerate(self._weights):
                others = np.arange(self.operations) - operations[place]
                rows.append(shape * self._per_shape + row + others * weight)
            rows += [
                np.array([self._codes(target, operations[list(o)])])
                for target, o in self._moves[shape]
            ]
        around = np.unique(self.canonical[np.concatenate(rows)])
        return [int(other) for other in around if other not in (-1, code)]

    def choices(self, code: int) -> tuple[int, ...]:
        """The shape and the operations of a number."""
        shape, row = divmod(code, self._per_shape)
        return shape, *self._grid[row].tolist()
