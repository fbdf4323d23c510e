"""Metrics that need no training, as plain functions of cells that hold no benchmark."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.benchmarks.proxies import untrained
from surrogate_nas.space import Cell, Enumerable, Space, choices_of
from surrogate_nas.space.network import Network

Values = NDArray[np.float64]
"""A metric of cells in its own unit, shape ``(n,)``."""
Free = Callable[[Sequence[Cell]], Values]
"""From cells to a metric of theirs that needs no training, shape ``(n,)``, in its own unit; NaN where not known."""


@dataclass(frozen=True)
class Formula:
    """A metric that follows from the cell alone as a function of cells.

    Attributes:
        space: The space.
        metric: A key of `untrained`.
        network: The macro architecture.
    """

    space: Space
    metric: str
    network: Network

    def __call__(self, cells: Sequence[Cell]) -> Values:
        """Compute the metric, shape ``(n,)``.

        Args:
            cells: Cells of the space.
        """
        return untrained(self.space)[self.metric][1](choices_of(cells), self.network)


@dataclass(frozen=True, eq=False)
class Measured:
    """A whole column that was measured before, as a function of cells.

    Attributes:
        space: The space.
        column: Shape ``(len(space),)``.
    """

    space: Enumerable
    column: Values

    def __call__(self, cells: Sequence[Cell]) -> Values:
        """Look the cells up, shape ``(n,)``.

        Args:
            cells: Cells of the space.
        """
        return self.column[[self.space.index(cell) for cell in cells]]


@dataclass(frozen=True)
class Applied:
    """A user's function of one cell as a function of cells.

    Attributes:
        function: From a cell to a number.
    """

    function: Callable[[Cell], float]

    def __call__(self, cells: Sequence[Cell]) -> Values:
        """Compute the metric, shape ``(n,)``.

        Args:
            cells: Cells of the space.
        """
        return np.array([self.function(cell) for cell in cells], dtype=np.float64)
