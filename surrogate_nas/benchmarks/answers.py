"""What a benchmark is asked and what it answers: questions, numbers that know what they answer, and their cost."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.space import Cell
from surrogate_nas.tables import Seed

Values: TypeAlias = NDArray[np.float64]
"""Answers in their metric's unit, of any shape."""


class Question(NamedTuple):
    """A metric after a training run of given length.

    Attributes:
        metric: The metric's name.
        epochs: The length of the run; None where training plays no part.

    Example:
        >>> str(Question("valid_error", 12)), str(Question("params", None))
        ('valid_error[12]', 'params')
    """

    metric: str
    epochs: int | None

    def __str__(self) -> str:
        return self.metric if self.epochs is None else f"{self.metric}[{self.epochs}]"


class Measurement(NamedTuple):
    """What a benchmark answers to a batch of cells.

    Attributes:
        values: Shape ``(n cells, m questions)``, in each metric's own unit.
        cost: What each cell was charged, shape ``(n,)``: seconds, or queries where `Benchmark.cost` says so.
    """

    values: Values
    cost: Values


class Answer(float):
    """A number that knows what it answers; it computes and compares as the plain value.

    Attributes:
        cell: The cell asked about.
        metric: The metric's name.
        epochs: The length of the training run, or None.
        seed: The training seed, or ``"mean"``.
        unit: The metric's unit.
        source: Where the number comes from.
        n_seeds: How many seeds a mean is over; None where the source does not say.

    Example:
        >>> import surrogate_nas as sn
        >>> answer = sn.load("fashion").query(sn.nb201()[11], "params")
        >>> answer.value, answer.unit, answer.epochs, answer / 1000
        (37746.0, 'parameters', None, 37.746)
    """

    __slots__ = ("cell", "epochs", "metric", "n_seeds", "seed", "source", "unit")

    cell: Cell
    metric: str
    epochs: int | None
    seed: Seed | None
    unit: str
    source: str
    n_seeds: int | None

    @property
    def value(self) -> float:
        """The plain number."""
        return float(self)

    def to_json(self) -> dict[str, Any]:
        """The answer as a JSON object."""
        return {
            "cell": str(self.cell),
            "metric": self.metric,
            "epochs": self.epochs,
            "seed": self.seed,
            "value": float(self),
            "unit": self.unit,
            "source": self.source,
            "n_seeds": self.n_seeds,
        }
