"""One interface for every surrogate: cells and values in, a mean and a standard deviation for any cell out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.metrics import Quantity
from surrogate_nas.space import Cell

Floats = NDArray[np.float64]


class Prediction(NamedTuple):
    """What a surrogate says of ``n`` cells, in the metric's own unit.

    Attributes:
        mean: Shape ``(n,)``.
        std: Shape ``(n,)``: the standard deviation of the error to expect.
    """

    mean: Floats
    std: Floats


class Surrogate(ABC):
    """Learns one metric of cells.

    Subclasses are one file each. Cells go in, never matrices: how a cell becomes columns is the model's own choice
    (`surrogate_nas.space.encodings`), and so is the transform of the target, by the metric's quantity.

    Attributes:
        name: The key in `MODELS`.
        quantity: ``error`` (%), ``loss``, ``cost`` or ``structure``: what kind of number is learned.
        seed: The root of the model's randomness.
    """

    name: ClassVar[str]

    def __init__(self, quantity: Quantity = "error", *, seed: int = 0) -> None:
        """Store what is learned.

        Args:
            quantity: Of the metric (see `surrogate_nas.metrics.Metric`); decides the target's transform.
            seed: The root of the model's randomness.
        """
        self.quantity: Quantity = quantity
        self.seed = seed

    @abstractmethod
    def fit(self, cells: Sequence[Cell], values: Sequence[float] | NDArray[Any]) -> Self:
        """Learn from measured cells; returns itself.

        Args:
            cells: Cells of one space, at least 2; a cell may be there more than once.
            values: Shape ``(n,)``, finite, in the metric's unit.

        Raises:
            UserError: The values are not finite, not as many as the cells, or too few.
        """

    @abstractmethod
    def predict(self, cells: Sequence[Cell]) -> Prediction:
        """Predict cells, also those never seen.

        Args:
            cells: Cells of the space that was learned from.

        Raises:
            UserError: Nothing was learned yet.
        """
