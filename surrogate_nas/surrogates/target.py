"""What a model really learns: the metric on a scale where equal steps matter equally, standardised.

Errors, losses and costs are positive and skewed, so their logarithm is learned; counts, and
qualities, which may be negative, stay as they are. A few values near zero (a device that drops dead
graphs reads microseconds) would fill the whole logarithmic scale, so a share of the median is added
first where there are any. All of it keeps the order.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.core.metrics import Quantity

Floats = NDArray[np.float64]
"""Numbers of double precision, of any shape."""

_NEAR_ZERO = 0.02
_SHIFT = 0.05
_LARGEST = 30.0
"""Exponents beyond the seen values are cut there; exp(30) is far from overflowing."""

_LOWEST = 10.0
"""A value below the scale (a negative latency that a linear model predicts) counts as so many
deviations low.
"""


class Target(NamedTuple):
    """A transform with its constants: ``(log(value + shift) - centre) / scale``, or without the
    logarithm.

    Attributes:
        logarithm: 1 for the logarithm, 0 for none.
        shift: Added before the logarithm.
        centre: The mean of the transformed training values.
        scale: Their standard deviation.
    """

    logarithm: float
    shift: float
    centre: float
    scale: float

    @property
    def numbers(self) -> list[float]:
        """The constants, to be stored."""
        return [self.logarithm, self.shift, self.centre, self.scale]

    def forward(self, values: NDArray[Any]) -> Floats:
        """Values in the metric's unit on the learned scale, shape as given."""
        if self.logarithm:
            lifted = np.asarray(values, dtype=np.float64) + self.shift
            values = np.log(np.maximum(lifted, np.exp(self.centre - _LOWEST * self.scale)))
        return np.asarray((values - self.centre) / self.scale, dtype=np.float64)

    def backward(self, mean: NDArray[Any], std: NDArray[Any]) -> tuple[Floats, Floats]:
        """To the metric's unit; the standard deviation by the slope of the transform.

        Args:
            mean: Shape ``(n,)``, on the learned scale.
            std: Shape ``(n,)``.
        """
        raw = np.asarray(mean, dtype=np.float64) * self.scale + self.centre
        spread = np.asarray(std, dtype=np.float64) * self.scale
        if not self.logarithm:
            return raw, spread
        lifted = np.exp(np.clip(raw, -_LARGEST, _LARGEST))
        return lifted - self.shift, lifted * spread


def fit_target(values: Floats, quantity: Quantity) -> Target:
    """Choose the transform and its constants for the values to learn.

    Args:
        values: Shape ``(n,)``, finite, not all equal.
        quantity: What kind of number it is.
    """
    if quantity in ("quality", "structure", "proxy", "undeclared"):
        return Target(0.0, 0.0, float(values.mean()), float(values.std()))
    lowest = float(values.min())
    middle = float(np.median(values))
    shift = 0.0
    if lowest <= _NEAR_ZERO * middle:
        shift = max(0.0, -lowest) + _SHIFT * ((middle - min(lowest, 0.0)) or float(np.ptp(values)))
    logs = np.log(values + shift)
    return Target(1.0, shift, float(logs.mean()), float(logs.std()) or 1.0)
