"""Which of NAS-Bench-Graph's architectures are the same, for all of them at once.

An architecture is one number: its shape, then the operation of each place, in the base of the number of operations.
With the nine operations these are the benchmark's keys, read in base 9 instead of 10. Of all numbers that mean one
architecture the smallest is the canonical one; the architecture of four skips, which computes nothing, is none.
"""

from __future__ import annotations

import itertools
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.space.nbgraph.trees import LINKS, NODES, Order, moves, symmetries, without_idle_skips

Codes = NDArray[np.int64]


class Forms:
    """All ways to write an architecture, and the canonical one of each.

    Attributes:
        operations: How many operations there are; the last is the skip.
        canonical: For every number the canonical one, -1 for the architecture of nothing but skips.
    """

    def __init__(self, operations: int) -> None:
        """Work the canonical forms out.

        Args:
            operations: How many operations there are.
        """
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
            codes = np.min([self._codes(target, operations[:, list(s)]) for s in same[target]], axis=0)
            self.canonical[shape * self._per_shape + row] = codes

    def _codes(self, shape: int, operations: NDArray[Any]) -> Codes:
        return np.asarray(shape * self._per_shape + operations @ self._weights)

    def code(self, shape: int, operations: Order) -> int:
        """The number of an architecture.

        Args:
            shape: The shape's number.
            operations: For each place the operation's number.
        """
        return int(shape * self._per_shape + sum(map(int.__mul__, operations, self._weights.tolist())))

    @cached_property
    def all(self) -> NDArray[np.int8]:
        """The canonical forms in the order of their numbers: shape and four operations, shape ``(n, 5)``."""
        codes = np.flatnonzero(self.canonical == np.arange(len(self.canonical)))
        return np.column_stack([codes // self._per_shape, self._grid[codes % self._per_shape]]).astype(np.int8)

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

        A step gives a node another operation, or lets it read from elsewhere, in any way of writing the architecture.

        Args:
            code: A canonical number.
        """
        order, meant = self._written
        same = order[np.searchsorted(meant, code) : np.searchsorted(meant, code, side="right")]
        found = []
        for shape, row in zip((same // self._per_shape).tolist(), (same % self._per_shape).tolist(), strict=True):
            operations = self._grid[row]
            for place, weight in enumerate(self._weights):
                others = np.arange(self.operations) - operations[place]
                found.append(shape * self._per_shape + row + others * weight)
            found += [np.array([self._codes(target, operations[list(o)])]) for target, o in self._moves[shape]]
        around = np.unique(self.canonical[np.concatenate(found)])
        return [int(other) for other in around if other not in (-1, code)]

    def choices(self, code: int) -> tuple[int, ...]:
        """The shape and the operations of a number.

        Args:
            code: Any number.
        """
        shape, row = divmod(code, self._per_shape)
        return shape, *self._grid[row].tolist()
