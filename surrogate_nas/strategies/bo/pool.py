"""The cells that `bo` may ask for, as its experts see them: all of a listed space, else a growing
choice.

A choice begins with random cells and mutations of the best told; a question adds a few mutations,
and the neighbours of a new best cell. What was encoded and taken in before stays, until the choice
is so large that it begins anew.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from itertools import cycle
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.space import Cell, Enumerable, Space
from surrogate_nas.strategies.bo.expert import Expert, Seen
from surrogate_nas.strategies.bo.points import Points, View, some
from surrogate_nas.surrogates.gaussian import Floats, Places

_DRAWN = 700
_FIRST_CHILDREN = 30
_CHILDREN = 3
"""Random cells at the start, mutations of every parent then, and at every later question."""
_MOST = 4_000
_MOST_NEIGHBOURS = 300
_LONG = 1_000_000
"""Covariances of told cells and points beyond which a question waits for one expert's ℓ, a and b
alone.
"""


class Pool(ABC):
    """Cells with their points, what is known of them, and the experts over the points.

    Args:
        known: See `Strategy.known`.
        objectives: How many there are.
        seed: Of the experts.

    Attributes:
        cells: In the order of their places.
        of_cell: The point of each, shape ``(n,)``.
        known: λR by objective, as far as it is known, shape ``(n, objectives)``.
        allowed: Whether each is not known to break a limit, shape ``(n,)``.
    """

    cells: Sequence[Cell]
    of_cell: Places
    known: Floats
    allowed: NDArray[np.bool_]

    def __init__(self, known: Any, objectives: int, seed: int) -> None:
        self._known = known
        self._objectives = objectives
        self._seed = seed % 2**32
        self._views: tuple[View, ...] = ()
        self._experts: dict[int, list[Expert]] = {}
        self._place: dict[Cell, int] = {}

    def seen(
        self,
        part: int,
        observed: Places,
        targets: Sequence[Floats],
        pending: Places,
    ) -> list[Seen]:
        """What the experts of an objective, one for each view, say of all points.

        Args:
            part: The objective.
            observed: The places of observed cells, those of earlier calls first.
            targets: What every expert learns of them, shape ``(n,)``; by turns where there are
                fewer than experts.
            pending: The places of cells that are asked for and not told.
        """
        if part not in self._experts:
            self._experts[part] = [Expert(view, self._seed) for view in self._views]
        at = self.of_cell[observed]
        waiting = self.of_cell[pending]
        experts = self._experts[part]
        takes_long = len(at) * len(self._views[0]) > _LONG  # then one a question
        turn = (
            next((expert for expert in experts if expert.is_due(at)), None) if takes_long else None
        )
        return [
            expert.observe(at, y, waiting, waits=takes_long and expert is not turn)
            for expert, y in zip(experts, cycle(targets), strict=False)
        ]

    def _look_up(self, cells: Sequence[Cell]) -> tuple[Floats, NDArray[np.bool_]]:
        if self._known is None:
            return np.zeros((len(cells), self._objectives)), np.ones(len(cells), dtype=bool)
        return self._known.vector(cells), self._known.feasible(cells)

    @abstractmethod
    def places(self, cells: Iterable[Cell]) -> Places:
        """Where cells are; those that were not there are now."""

    @abstractmethod
    def cheapest(self, free: NDArray[np.bool_]) -> Places:
        """Of every point the free cell of least known λR, since all of them have the same L, shape
        ``(k,)``.

        Args:
            free: Of all cells, shape ``(n,)``.
        """

    def around(self, cell: Cell) -> Places:
        """The places of a cell's neighbours."""
        return self.places(self._neighbours(cell))

    @abstractmethod
    def _neighbours(self, cell: Cell) -> Sequence[Cell]: ...


class Whole(Pool):
    """All cells of a space that is listed.

    Args:
        space: The space.
        points: See `surrogate_nas.strategies.bo.points.whole`.
        known: See `Strategy.known`.
        objectives: How many there are.
        seed: Of the experts.
        rng: Chooses among equally cheap cells of a point.
    """

    def __init__(
        self,
        space: Enumerable,
        points: Points,
        known: Any,
        objectives: int,
        seed: int,
        rng: np.random.Generator,
    ) -> None:
        super().__init__(known, objectives, seed)
        self.cells = space
        self._space = space
        self._views, self.of_cell = points
        self.known, self.allowed = self._look_up(space)
        self._order = np.lexsort((rng.random(len(space)), self.known.sum(axis=1), self.of_cell))

    def places(self, cells: Iterable[Cell]) -> Places:
        """Where cells are in the order of the space."""
        cells = list(cells)
        for cell in cells:
            if cell not in self._place:
                self._place[cell] = self._space.index(cell)
        return np.array([self._place[cell] for cell in cells], dtype=np.intp)

    def cheapest(self, free: NDArray[np.bool_]) -> Places:
        """Of every point the free cell of least known λR."""
        left = self._order[free[self._order]]
        of_left = self.of_cell[left]
        return np.asarray(left[np.concatenate([[True], of_left[1:] != of_left[:-1]])])

    def _neighbours(self, cell: Cell) -> Sequence[Cell]:
        return self._space.neighbours(cell)


class Choice(Pool):
    """Some cells of a space that is too large to be listed; each is a point of its own.

    Args:
        space: The space.
        with_costs: See `surrogate_nas.strategies.bo.points.some`.
        known: See `Strategy.known`.
        objectives: How many there are.
        seed: Of the experts.
        rng: Draws cells and mutations.
    """

    def __init__(
        self,
        space: Space,
        with_costs: bool,
        known: Any,
        objectives: int,
        seed: int,
        rng: np.random.Generator,
    ) -> None:
        super().__init__(known, objectives, seed)
        self._space = space
        self._with_costs = with_costs
        self._rng = rng
        self._around: dict[Cell, Sequence[Cell]] = {}
        self._begin()

    def _begin(self) -> None:
        self.cells: list[Cell] = []
        self._place = {}
        self.of_cell = np.empty(0, dtype=np.intp)
        self.known = np.empty((0, self._objectives))
        self.allowed = np.empty(0, dtype=bool)
        self._views = ()

    def grow(self, fixed: Sequence[Cell], parents: Sequence[Cell]) -> None:
        """Add mutations, or start a new pool where that is due."""
        anew = not self.cells or len(self.cells) > max(_MOST, 3 * len(fixed))
        before = self._experts
        if anew:
            self._begin()
            self._experts = {}
        mutate = self._space.mutate
        times = _FIRST_CHILDREN if anew else _CHILDREN
        near = [mutate(parent, self._rng) for parent in parents for _ in range(times)]
        drawn = [self._space.sample(self._rng) for _ in range(_DRAWN)] if anew else []
        self.places([*fixed, *near, *drawn])
        if anew:
            for part, experts in before.items():
                pairs = zip(self._views, experts, strict=True)
                self._experts[part] = [Expert(view, self._seed, like) for view, like in pairs]

    def places(self, cells: Iterable[Cell]) -> Places:
        """Where cells are; those that were not there are added."""
        cells = list(cells)
        new = list(dict.fromkeys(cell for cell in cells if cell not in self._place))
        if new:
            self._add(new)
        return np.array([self._place[cell] for cell in cells], dtype=np.intp)

    def _add(self, cells: list[Cell]) -> None:
        n = len(self.cells)
        self._place.update((cell, n + number) for number, cell in enumerate(cells))
        self.cells += cells
        views = some(self._space, cells, self._with_costs).views
        self._views = tuple(map(np.vstack, zip(self._views, views, strict=True))) if n else views
        for experts in self._experts.values():
            for expert, view in zip(experts, views, strict=True):
                expert.extend(view)
        known, allowed = self._look_up(cells)
        self.known, self.allowed = (
            np.vstack([self.known, known]),
            np.concatenate([self.allowed, allowed]),
        )
        self.of_cell = np.arange(len(self.cells))

    def cheapest(self, free: NDArray[np.bool_]) -> Places:
        """All free cells."""
        return np.flatnonzero(free)

    def _neighbours(self, cell: Cell) -> Sequence[Cell]:
        if cell not in self._around:
            near = self._space.neighbours(cell)
            chosen = self._rng.permutation(len(near))[:_MOST_NEIGHBOURS]
            self._around[cell] = [near[int(place)] for place in chosen]
        return self._around[cell]
