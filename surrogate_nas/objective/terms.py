"""The terms of an objective, bound to a benchmark with their constants, and scores."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.core.levels import ROUNDING
from surrogate_nas.core.metrics import FRACTION, Metric

_PERCENT = 100.0

_Values = TypeVar("_Values", float, NDArray[np.float64])


@dataclass(frozen=True)
class BoundTerm:
    """A term tied to a benchmark.

    Attributes:
        name: The metric as an expression writes it, epochs resolved.
        weight: The factor, λ for a regulariser.
        divisor: What a value is divided by: 100 for what is in % in L, 1 for the rest of L, else
            the median over the space.
        divisor_meaning: The divisor in words.
        unit: The metric's unit.
        is_loss: Whether the term belongs to L.
        largest: The largest value over the space; of a quality the smallest, which scores worst.
        part: The number of the objective that it belongs to.
        larger_is_better: Whether the metric is a quality, which enters as 1 − value / divisor.
    """

    name: str
    weight: float
    divisor: float
    divisor_meaning: str
    unit: str
    is_loss: bool
    largest: float
    part: int = 0
    larger_is_better: bool = False

    @property
    def coefficient(self) -> float:
        """What one unit of the metric adds to the score; below 0 where larger is better."""
        return (-self.weight if self.larger_is_better else self.weight) / self.divisor

    def score(self, values: _Values) -> _Values:
        """The contribution of values to the score.

        ``weight * value / divisor``, of a quality ``weight * (1 - value / divisor)``.

        Args:
            values: In the metric's unit, any shape.
        """
        added = self.coefficient * values
        return self.weight + added if self.larger_is_better else added

    def constants(self) -> dict[str, Any]:
        """All of it as a JSON object, without the direction where it is the usual one."""
        constants = asdict(self)
        if not self.larger_is_better:
            del constants["larger_is_better"]
        return constants


def loss_divisor(metric: Metric) -> tuple[float, str]:
    """What a metric of L is divided by, and that in words."""
    if metric.larger_is_better:
        return (_PERCENT, "1 − fraction, from %") if metric.unit == "%" else (1.0, "1 − fraction")
    if metric.quantity == "error":
        is_fraction = metric.unit == FRACTION
        return (1.0, "a fraction") if is_fraction else (_PERCENT, "% to a fraction")
    return 1.0, f"in {metric.unit}" if metric.unit else "as it is"


@dataclass(frozen=True)
class Scores:
    """Scores of many cells, each array of shape ``(n,)``.

    Attributes:
        score: What is minimised; of several objectives the sum.
        loss: L.
        penalty: λ·R, without diversity.
        feasible: Whether all constraints hold.
        vector: Of several objectives, each one's score, shape ``(n, objectives)``; of one, its
            score as a column.

    Example:
        >>> import surrogate_nas as sn
        >>> objective = sn.Objective("valid_loss + 0.1*params", sn.load("fashion"))
        >>> scores = objective.over_space()
        >>> scores.score.shape, bool(np.allclose(scores.score, scores.loss + scores.penalty))
        ((15625,), True)
    """

    score: NDArray[np.float64]
    loss: NDArray[np.float64]
    penalty: NDArray[np.float64]
    feasible: NDArray[np.bool_]
    vector: NDArray[np.float64] = field(repr=False)

    @property
    def rounding(self) -> float:
        """The difference up to which scores count as equal, as a share of the feasible range."""
        feasible = self.score[self.feasible]
        return ROUNDING * float(np.ptp(feasible)) if len(feasible) else 0.0
