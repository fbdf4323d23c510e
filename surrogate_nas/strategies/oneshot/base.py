"""What a one-shot strategy is: it trains a supernet, by slices, and then asks for the cells it
found.

It minimises the objective of everybody, in the same units: L by the task's gradient or by inherited
weights, and E[λR] exactly, since R is a sum over edges. Every slice is charged on the benchmark's
clock, and what the supernet found counts only once it was asked for and evaluated, as any cell is.
Cells without a path are passed over and counted.
"""

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.core import UserError
from surrogate_nas.space import Cell, Enumerable, listed
from surrogate_nas.strategies.base import Strategy

Probabilities = NDArray[np.float64]
"""Of each choice on each edge, shape ``(edges, choices)``."""


@dataclass(frozen=True)
class Additive:
    """λR as a sum over edges: what every choice of every edge adds to the score, so that its
    expectation is exact.

    Attributes:
        constant: What every cell has.
        matrix: What each choice adds, shape ``(edges, choices)``, in the unit of the score.
        terms: The terms; one that is modelled says how well.
    """

    constant: float
    matrix: Probabilities
    terms: tuple[str, ...] = ()

    def expected(self, probabilities: Probabilities) -> float:
        """E[λR] = constant + Σ p · matrix, where edges choose independently."""
        return float(self.constant + (probabilities * self.matrix).sum())

    def penalty(self, choices: Sequence[Sequence[int]]) -> NDArray[np.float64]:
        """λR of cells, shape ``(n,)``; `choices`: one choice an edge, for each cell."""
        edges = np.arange(len(self.matrix))
        return np.array(
            [self.constant + self.matrix[edges, list(one)].sum() for one in choices]
        )


@dataclass(frozen=True, eq=False)
class SupernetContext:
    """A task to train on, without its test data and without anybody's answers.

    Attributes:
        edges: The names of the edges.
        choices: The names of what can stand on an edge.
        weightless: Which of the choices have no weights to train, shape ``(choices,)``.
        alive: Which cells have a path from input to output, in the order of the space.
        penalty: λR, in the unit of the score.
        supernet: Makes one from ``epochs`` and ``seed``; it counts the seconds of its steps on the
            benchmark's clock.
    """

    edges: tuple[str, ...]
    choices: tuple[str, ...]
    weightless: NDArray[np.bool_]
    alive: NDArray[np.bool_]
    penalty: Additive
    supernet: Callable[..., Any]


class OneShot(Strategy):
    """Trains first and asks then, in an order of its own, without asking twice; subclasses give
    `_train` and `_order`.

    Attributes:
        supernet: What it trains, once it has begun.
        refused: How many cells without a path were passed over.
    """

    needs_supernet: ClassVar[bool] = True
    supernet_context: SupernetContext
    space: Enumerable

    refused = 0
    supernet: Any = None
    _slices: Iterator[None] | None = None
    _recommended: Iterator[Cell] | None = None

    def _begin(self) -> None:
        # The option of this name; it is no list of what a request may ask for
        self._passes: Any = self.epochs
        self.epochs = ()

    @abstractmethod
    def _train(self) -> Iterator[None]:
        """Train `supernet` and whatever else, yielding after every slice of work."""

    @abstractmethod
    def _order(self) -> Sequence[int]:
        """The cells by their place in the space, the most wanted first."""

    def work(self) -> float | None:
        """Do one slice of the training; the seconds that it is charged, or None at the end."""
        if self._recommended is not None:
            return None
        if self._slices is None:
            if getattr(self, "supernet_context", None) is None:
                raise UserError(
                    f"{type(self).__name__} trains a supernet, so it must be given a supernet"
                    " context first."
                )
            self._slices = self._train()
        if next(self._slices, self) is self:
            self._recommended = self.wanted()
        return float(self.supernet.spent())

    def ask(self, n: int) -> Sequence[Cell]:
        """The next cells of the order, after all work that is left."""
        while self.work() is not None:
            pass
        assert self._recommended is not None
        return [next(self._recommended) for _ in range(n)]

    def wanted(self) -> Iterator[Cell]:
        """The living cells in order; from the start again where all were asked for."""
        alive = self.supernet_context.alive
        space = listed(self.space)
        while True:
            for place in self._order():
                if alive[place]:
                    yield space[int(place)]
                else:
                    self.refused += 1

    def diagnosis(self) -> Mapping[str, Mapping[str, float]]:
        """How many dead cells were passed over; subclasses tell more."""
        return {"cells without a path": {"passed over": float(self.refused)}}
