"""What a one-shot strategy is: it trains a supernet in a workshop, by slices, and then asks for the cells it found.

It minimises the objective of everybody, in the same units: L by the task's gradient or by inherited weights, and E[λR]
exactly, since R is a sum over edges. Every slice is charged on the benchmark's clock, and what the supernet found is
only believed once it was asked for and evaluated, as any cell is. Cells without a path are passed over and counted.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.core.errors import UserError
from surrogate_nas.space import Cell, Enumerable, Space, listed
from surrogate_nas.strategies.base import Strategy

Probabilities = NDArray[np.float64]
"""Of each choice on each edge, shape ``(edges, choices)``."""


class Penalty(Protocol):
    """λR as a sum over edges (`surrogate_nas.objective.workshop`): a constant and ``(edges, choices)``."""

    @property
    def matrix(self) -> NDArray[np.float64]:
        """What each choice adds."""

    def expected(self, probabilities: Probabilities) -> float:
        """E[λR] where edges choose independently.

        Args:
            probabilities: Of every choice on every edge, shape ``(edges, choices)``.
        """

    def penalty(self, choices: Sequence[Sequence[int]]) -> NDArray[np.float64]:
        """λR of cells, shape ``(n,)``.

        Args:
            choices: One choice an edge, for each cell.
        """


class SupernetContext(Protocol):
    """What a one-shot strategy is given (`surrogate_nas.objective.workshop`)."""

    @property
    def edges(self) -> tuple[str, ...]:
        """The names of the edges."""

    @property
    def choices(self) -> tuple[str, ...]:
        """The names of what can stand on an edge."""

    @property
    def weightless(self) -> NDArray[np.bool_]:
        """Which choices have no weights."""

    @property
    def alive(self) -> NDArray[np.bool_]:
        """Which cells of the space have a path."""

    @property
    def penalty(self) -> Penalty:
        """λR."""

    @property
    def supernet(self) -> Callable[..., Any]:
        """Makes a supernet."""


class OneShot(Strategy):
    """Trains first and asks then, in an order of its own, without asking twice; subclasses give `_train` and `_order`.

    Attributes:
        workshop: What it trains with; whoever runs the strategy sets it.
        supernet: What it trains, once it has begun.
        refused: How many cells without a path were passed over.
    """

    needs_workshop: ClassVar[bool] = True
    workshop: SupernetContext
    space: Enumerable

    def __init__(self, space: Space, *, seed: int) -> None:
        """Store the space; work starts when it is asked for.

        Args:
            space: The space that cells come from.
            seed: The root of the strategy's randomness, initial weights and batches included.
        """
        super().__init__(space, seed=seed)
        self.refused = 0
        self.supernet: Any = None
        self._slices: Iterator[None] | None = None
        self._answers: Iterator[Cell] | None = None

    @abstractmethod
    def _train(self) -> Iterator[None]:
        """Train `supernet` and whatever else, yielding after every slice of work."""

    @abstractmethod
    def _order(self) -> Sequence[int]:
        """The cells by their place in the space, the most wanted first."""

    def work(self) -> float | None:
        """Do one slice of the training.

        Returns:
            The seconds that it is charged; None where nothing is left to be done.

        Raises:
            UserError: It was given no workshop.
        """
        if self._answers is not None:
            return None
        if self._slices is None:
            if getattr(self, "workshop", None) is None:
                raise UserError(f"{type(self).__name__} trains a supernet, so it must be given a workshop first.")
            self._slices = self._train()
        if next(self._slices, self) is self:
            self._answers = self.wanted()
        return float(self.supernet.spent())

    def ask(self, n: int) -> Sequence[Cell]:
        """The next cells of the order, after all work that is left."""
        while self.work() is not None:
            pass
        assert self._answers is not None
        return [next(self._answers) for _ in range(n)]

    def wanted(self) -> Iterator[Cell]:
        """The living cells in order; from the start again where all were asked for."""
        alive, space = self.workshop.alive, listed(self.space)
        while True:
            for place in self._order():
                if alive[place]:
                    yield space[int(place)]
                else:
                    self.refused += 1

    def diagnosis(self) -> Mapping[str, Mapping[str, float]]:
        """How many dead cells were passed over; subclasses tell more."""
        return {"cells without a path": {"passed over": float(self.refused)}}
