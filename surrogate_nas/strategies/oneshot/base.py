"""The base of one-shot strategies, which train a supernet in slices and then propose the cells that
the supernet ranks best.

A one-shot strategy minimises the same objective as all other strategies. A one-shot strategy
minimises L by gradients or with inherited weights, and E[λR] exactly, since R is a sum over edges.
Every slice of training is charged in seconds of the benchmark's clock. A cell that the supernet
ranks first counts only after it is proposed and evaluated, like any cell. Cells without a path from
input to output are skipped, and their number is reported.
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
"""The probability of each choice on each edge, shape ``(edges, choices)``."""


@dataclass(frozen=True)
class Additive:
    """The regulariser λR as a sum over edges, so that its expectation can be computed exactly.

    Attributes:
        constant: The part of λR that all cells share.
        matrix: The contribution of each choice, shape ``(edges, choices)``, in the unit of the
            score.
        terms: Descriptions of the terms; for a term that is only approximately a sum over edges,
            with the R² of the fit.
    """

    constant: float
    matrix: Probabilities
    terms: tuple[str, ...] = ()

    def expected(self, probabilities: Probabilities) -> float:
        """Return E[λR] = constant + Σ p · matrix, for independent choices on the edges."""
        return float(self.constant + (probabilities * self.matrix).sum())

    def penalty(self, choices: Sequence[Sequence[int]]) -> NDArray[np.float64]:
        """Return λR of cells, shape ``(n,)``; `choices` has one choice per edge for each cell."""
        edges = np.arange(len(self.matrix))
        return np.array(
            [self.constant + self.matrix[edges, list(one)].sum() for one in choices]
        )


@dataclass(frozen=True, eq=False)
class SupernetContext:
    """A task to train a supernet on, without test data and without results of evaluations.

    Attributes:
        edges: The names of the edges.
        choices: The names of the operations that an edge can have.
        weightless: For each choice, whether it has no trainable weights, shape ``(choices,)``.
        alive: Whether each cell has a path from input to output, in the order of the space.
        penalty: λR as a sum over edges, in the unit of the score.
        supernet: Function of ``epochs`` and ``seed`` that builds a supernet. The supernet counts
            the seconds of its training steps on the benchmark's clock.
    """

    edges: tuple[str, ...]
    choices: tuple[str, ...]
    weightless: NDArray[np.bool_]
    alive: NDArray[np.bool_]
    penalty: Additive
    supernet: Callable[..., Any]


class OneShot(Strategy):
    """Train a supernet first, then propose each cell once in the order that the supernet
    determines. Subclasses implement `_train` and `_order`.

    Attributes:
        supernet: The supernet; None before its training begins.
        refused: Number of cells that were skipped because they have no path from input to output.
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
        """Train `supernet`, yielding after every slice of work."""

    @abstractmethod
    def _order(self) -> Sequence[int]:
        """Return the indices of cells in the space, best first."""

    def work(self) -> float | None:
        """Do one slice of the supernet's training. Return the seconds to charge, or None if the
        training has ended.
        """
        if self._recommended is not None:
            return None
        if self._slices is None:
            if getattr(self, "supernet_context", None) is None:
                raise UserError(
                    f"{type(self).__name__} trains a supernet, so it must receive a supernet"
                    " context first."
                )
            self._slices = self._train()
        if next(self._slices, self) is self:
            self._recommended = self.wanted()
        return float(self.supernet.spent())

    def ask(self, n: int) -> Sequence[Cell]:
        """Finish the supernet's training, then return the supernet's next `n` cells in order."""
        while self.work() is not None:
            pass
        assert self._recommended is not None
        return [next(self._recommended) for _ in range(n)]

    def wanted(self) -> Iterator[Cell]:
        """Yield the cells that have a path from input to output, in the supernet's order, and start
        again after the last cell.
        """
        alive = self.supernet_context.alive
        space = listed(self.space)
        while True:
            for place in self._order():
                if alive[place]:
                    yield space[int(place)]
                else:
                    self.refused += 1

    def diagnosis(self) -> Mapping[str, Mapping[str, float]]:
        """Return the number of skipped cells, which have no path from input to output; subclasses
        add further numbers.
        """
        return {"cells without a path": {"passed over": float(self.refused)}}
